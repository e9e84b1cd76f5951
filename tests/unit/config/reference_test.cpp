/// docs/configuration.md, docs/nexus.schema.json and the code know the same keys.

#include <algorithm>
#include <regex>
#include <set>

#include "config/keys.hpp"
#include "config/values.hpp"
#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;
using detail::node;
using detail::node_kind;
using names = std::set<std::string>;

namespace {

node schema() {
  auto parsed = detail::parse_jsonc(read_file(tree() / "docs" / "nexus.schema.json"));
  REQUIRE(parsed.root);
  return *parsed.root;
}

const node& at(const node& from, std::initializer_list<std::string_view> path) {
  const node* here = &from;
  for (const std::string_view key : path) {
    here = here->get(key);
    REQUIRE(here != nullptr);
  }
  return *here;
}

names keys_of(const node& object) {
  names out;
  for (const auto& entry : object.members)
    out.insert(entry.key);
  return out;
}

template <class Range>
names set_of(const Range& range) {
  return names(range.begin(), range.end());
}

/// The part of JSON Schema 2020-12 that our schema uses.
class validator {
 public:
  explicit validator(const node& root) : root_(root) {}

  bool valid(const node& value, const node& rule) const {
    if (rule.is(node_kind::boolean))
      return rule.truth;
    const node* ref = rule.get("$ref");
    if (ref != nullptr && !valid(value, at(root_, {"$defs", ref->text.substr(8)})))
      return false;
    const node* any = rule.get("oneOf");
    if (any != nullptr && std::ranges::count_if(any->items, [&](const node& option) {
                            return valid(value, option);
                          }) != 1) {
      return false;
    }
    return type_fits(value, rule) && scalar_fits(value, rule) && members_fit(value, rule) &&
           items_fit(value, rule);
  }

 private:
  static bool is_type(const node& value, std::string_view type) {
    switch (value.kind) {
    case node_kind::null:
      return type == "null";
    case node_kind::boolean:
      return type == "boolean";
    case node_kind::number:
      return type == "number" || (type == "integer" && !value.text.contains('.'));
    case node_kind::string:
      return type == "string";
    case node_kind::array:
      return type == "array";
    case node_kind::object:
      return type == "object";
    }
    return false;
  }

  static bool type_fits(const node& value, const node& rule) {
    const node* type = rule.get("type");
    if (type == nullptr)
      return true;
    if (type->is(node_kind::string))
      return is_type(value, type->text);
    return std::ranges::any_of(type->items,
                               [&](const node& option) { return is_type(value, option.text); });
  }

  static bool scalar_fits(const node& value, const node& rule) {
    const node* choices = rule.get("enum");
    if (choices != nullptr && std::ranges::none_of(choices->items, [&](const node& option) {
          return option.text == value.text && value.is(node_kind::string);
        })) {
      return false;
    }
    const node* pattern = rule.get("pattern");
    if (pattern != nullptr && value.is(node_kind::string) &&
        !std::regex_search(value.text, std::regex(pattern->text))) {
      return false;
    }
    const node* min = rule.get("minimum");
    const node* max = rule.get("maximum");
    return !value.is(node_kind::number) || ((min == nullptr || value.number >= min->number) &&
                                            (max == nullptr || value.number <= max->number));
  }

  bool members_fit(const node& value, const node& rule) const {
    const node* known = rule.get("properties");
    const node* others = rule.get("additionalProperties");
    for (const auto& entry : value.members) {
      const node* own = known != nullptr ? known->get(entry.key) : nullptr;
      if (own == nullptr && entry.key.starts_with('_'))
        continue;
      if (own == nullptr)
        own = others;
      if (own != nullptr && !valid(entry.value, *own)) {
        UNSCOPED_INFO("member " << entry.key);
        return false;
      }
    }
    const node* required = rule.get("required");
    return required == nullptr || !value.is(node_kind::object) ||
           std::ranges::all_of(required->items,
                               [&](const node& key) { return value.get(key.text) != nullptr; });
  }

  bool items_fit(const node& value, const node& rule) const {
    const node* items = rule.get("items");
    return items == nullptr ||
           std::ranges::all_of(value.items, [&](const node& item) { return valid(item, *items); });
  }

  const node& root_;
};

/// What a text of docs/configuration.md holds between backquotes.
names quoted_words(const std::string& text) {
  names out;
  const std::regex word("`([^`\\n]+)`");
  for (std::sregex_iterator hit(text.begin(), text.end(), word), end; hit != end; ++hit) {
    out.insert((*hit)[1]);
  }
  return out;
}

/// The rows of a Markdown table whose first cell is one backquoted key.
std::map<std::string, std::string> table_rows(const std::string& text) {
  std::map<std::string, std::string> out;
  const std::regex row("\\| `([^`]+)` \\|([^\\n]*)");
  for (std::sregex_iterator hit(text.begin(), text.end(), row), end; hit != end; ++hit) {
    out[(*hit)[1]] = (*hit)[2];
  }
  return out;
}

/// The part of a page between a heading and the next one of that level.
std::string section(const std::string& page, const std::string& heading) {
  const std::size_t begin = page.find("\n## " + heading + "\n");
  REQUIRE(begin != std::string::npos);
  return page.substr(begin, page.find("\n## ", begin + 1) - begin);
}

bool is_json_value(std::string_view word) {
  const bool nested = (word.starts_with('[') && word.ends_with(']')) ||
                      (word.starts_with('{') && word.ends_with('}'));
  return nested || std::string_view("\"0123456789").contains(word.front()) || word == "true" ||
         word == "false" || word == "null";
}

/// The values that a table's row writes for its key: those of the columns for type and default, and
/// the lists and objects of the examples beside them.
names values_in(const std::string& row) {
  names out;
  const std::size_t type = row.find('|');
  if (std::ranges::count(row, '|') < 3)
    return out; // a table of something else
  const std::size_t meaning = row.find('|', type + 1);
  for (const auto& word : quoted_words(row.substr(0, meaning)))
    if (is_json_value(word))
      out.insert(word);
  for (const auto& word : quoted_words(row.substr(meaning)))
    if (is_json_value(word) && (word.starts_with('[') || word.starts_with('{')))
      out.insert(word);
  return out;
}

} // namespace

TEST_CASE("reference: the schema knows the keys of the code", "[config][reference]") {
  const node root = schema();
  names roots = set_of(detail::root_keys());
  roots.merge(set_of(detail::container_keys()));
  CHECK(keys_of(at(root, {"properties"})) == roots);
  names server_keys;
  for (const auto& key : detail::server_keys())
    server_keys.emplace(key.name);
  CHECK(keys_of(at(root, {"$defs", "server", "properties"})) == server_keys);
  CHECK(keys_of(at(root, {"properties", "log", "properties"})) == set_of(detail::log_keys()));
  CHECK(keys_of(at(root, {"$defs", "server", "properties", "tls", "properties"})) ==
        set_of(detail::tls_keys()));
  CHECK(keys_of(at(root, {"properties", "limits", "properties"})) ==
        set_of(detail::limit_key_names()));
}

TEST_CASE("reference: the page knows the keys of the code", "[config][reference]") {
  const std::string page = read_file(tree() / "docs" / "configuration.md");
  const names words = quoted_words(page);
  const auto rows = table_rows(page);
  for (const auto& key : detail::root_keys()) {
    CAPTURE(key);
    CHECK(rows.contains(std::string(key)));
  }
  for (const auto& key : detail::server_keys()) {
    CAPTURE(key.name);
    CHECK(words.contains(std::string(key.name)));
    if (key.origin == detail::key_origin::ours)
      CHECK(rows.contains(std::string(key.name)));
  }
  for (const auto& list : {detail::container_keys(), detail::log_keys(), detail::tls_keys()}) {
    for (const auto& key : list) {
      CAPTURE(key);
      CHECK((words.contains(std::string(key)) || page.contains("`" + std::string(key) + ".")));
    }
  }
}

TEST_CASE("reference: limits have the same defaults and bounds everywhere", "[config][reference]") {
  const node root = schema();
  const auto rows = table_rows(read_file(tree() / "docs" / "configuration.md"));
  const tunable_limits defaults;
  for (const auto& key : detail::limit_keys()) {
    const std::string name(key.name);
    CAPTURE(name);
    REQUIRE(rows.contains(name));
    const node& rule = at(root, {"properties", "limits", "properties", name});
    std::string printed;
    if (const auto* size = std::get_if<detail::size_limit>(&key.bound)) {
      const std::size_t value = defaults.*size->value;
      CHECK(value >= size->min);
      CHECK(value <= size->max);
      if (size->unit == detail::limit_unit::bytes) {
        printed = detail::print_bytes(value);
      } else {
        printed = std::to_string(value);
        CHECK(at(rule, {"minimum"}).number == static_cast<double>(size->min));
        CHECK(at(rule, {"maximum"}).number == static_cast<double>(size->max));
        CHECK(
            rows.at(name).contains(std::to_string(size->min) + " to " + std::to_string(size->max)));
      }
    } else {
      printed = detail::print_time(defaults.*std::get<detail::time_limit>(key.bound).value);
    }
    CHECK(at(rule, {"default"}).text == printed);
    CHECK(rows.at(name).contains(printed));
  }
}

TEST_CASE("reference: bounds of other numbers agree", "[config][reference]") {
  const node root = schema();
  CHECK(at(root, {"properties", "workers", "maximum"}).number == nexus::limits::workers_max);
  CHECK(at(root, {"$defs", "server", "properties", "concurrency", "maximum"}).number ==
        nexus::limits::calls_in_flight_max);
  const auto rows = table_rows(read_file(tree() / "docs" / "configuration.md"));
  CHECK(rows.at("workers").contains("0 to " + std::to_string(nexus::limits::workers_max)));
  CHECK(rows.at("concurrency")
            .contains("1 to " + std::to_string(nexus::limits::calls_in_flight_max)));
}

TEST_CASE("reference: the schema accepts the sample and refuses mistakes", "[config][reference]") {
  const node root = schema();
  const validator check(root);
  const auto fits = [&](const std::string& text) {
    const auto parsed = detail::parse_jsonc(text);
    REQUIRE(parsed.root);
    return check.valid(*parsed.root, root);
  };
  CHECK(fits(sample("nexus.json")));
  CHECK(fits(import_text(sample("vscode_mcp.json"), "/cfg/vscode_mcp.json", world()).text));
  CHECK(fits(import_text(sample("codex_config.toml"), "/cfg/codex_config.toml", world()).text));
  for (const char* file : {"claude_code.mcp.json", "windsurf_mcp_config.json", "cursor_mcp.json",
                           "vscode_mcp.json", "cline_mcp_settings.json", "roo_mcp_settings.json",
                           "copilot_mcp-config.json", "antigravity_mcp_config.json"}) {
    CAPTURE(file);
    CHECK(fits(sample(file)));
  }
  for (const char* text :
       {R"({"listn": "x"})", R"({"workers": -1})", R"({"log": {"level": "loud"}})",
        R"({"limits": {"bodyBytes": "4 furlongs"}})", R"({"limits": {"bodyTimeout": true}})",
        R"({"mcpServers": {"a": {"comand": "x"}}})", R"({"mcpServers": {"a": {"lazy": "yes"}}})",
        R"({"mcpServers": {"a": {"args": "x"}}})",
        R"({"mcpServers": {"a": {"timeout": "1 day"}}})"}) {
    CAPTURE(text);
    CHECK_FALSE(fits(text));
  }
}

TEST_CASE("reference: every value that the page writes is valid", "[config][reference]") {
  const std::string page = read_file(tree() / "docs" / "configuration.md");
  const node root = schema();
  const validator check(root);
  const auto accepted = [&](const std::string& text) {
    CAPTURE(text);
    const auto parsed = detail::parse_jsonc(text);
    REQUIRE(parsed.root);
    CHECK(check.valid(*parsed.root, root));
    const loaded out = load_text(text, "/cfg/nexus.json", world());
    CHECK(all_findings(out.findings).empty());
    CHECK(out.value);
  };
  std::size_t count = 0;
  for (const auto& [key, row] : table_rows(section(page, "The gateway"))) {
    if (key == "mcpServers")
      continue;
    for (const std::string& value : values_in(row)) {
      if (value.starts_with("[\"{file:"))
        continue; // a file that is not in this world
      accepted("{\"mcpServers\": {}, \"" + key + "\": " + value + "}");
      ++count;
    }
  }
  for (const auto& [key, row] : table_rows(section(page, "A server"))) {
    const auto is_ours = [&](const detail::server_key& known) {
      return known.name == key && known.origin == detail::key_origin::ours;
    };
    if (std::ranges::none_of(detail::server_keys(), is_ours))
      continue;
    const bool remote = key == "headers" || key == "url" || key == "tls";
    const std::string base = remote ? R"("url": "https://h.example/mcp")" : R"("command": "c")";
    for (const std::string& value : values_in(row)) {
      if (key == "type")
        continue; // the other keys say what is fitting
      std::string text =
          "{\"mcpServers\": {\"s\": {" + base + ", \"" + key + "\": " + value + "}}}";
      const std::size_t token = text.find("${TOKEN}");
      if (token != std::string::npos)
        text.replace(token, 8, "${API_KEY}");
      accepted(text);
      ++count;
    }
  }
  for (const auto& entry : at(root, {"properties"}).members) {
    const node* const usual = entry.value.get("default");
    if (usual != nullptr && usual->is(node_kind::string))
      accepted("{\"mcpServers\": {}, \"" + entry.key + "\": \"" + usual->text + "\"}");
  }
  CHECK(count > 50);
}

TEST_CASE("reference: the page's example is valid", "[config][reference]") {
  const std::string page = read_file(tree() / "docs" / "configuration.md");
  const std::size_t begin = page.find("```jsonc\n") + 9;
  const gateway value = must_load(page.substr(begin, page.find("```", begin) - begin));
  CHECK(value.servers.size() == 2);
}
