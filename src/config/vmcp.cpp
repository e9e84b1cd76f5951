#include "config/vmcp.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "config/gateway_section.hpp"
#include "config/vmcp_reader.hpp"

namespace nexus::config {
namespace detail {
namespace {

constexpr std::string_view root_names[] = {
    "id",          "title", "description", "instructions",   "select",
    "exclude",     "tools", "prompts",     "resources",      "names",
    "limits",      "ttl",   "idle",        "exposure",       "exposureThreshold",
    "pinnedTools", "hints", "schemaProof", "checkArguments", "port",
};
constexpr std::string_view selector_names[] = {"servers",   "tools",       "tags",
                                               "readOnly",  "destructive", "idempotent",
                                               "openWorld", "query",       "limit"};
constexpr std::string_view tool_names[] = {"server",      "tool",  "name",    "title",
                                           "description", "fixed", "defaults"};
constexpr std::string_view prompt_names[] = {"server",      "prompt", "name",    "title",
                                             "description", "fixed",  "defaults"};
constexpr std::string_view resource_names[] = {"uri", "name", "title", "description"};
constexpr std::string_view limit_names[] = {"concurrency", "callsPerMinute", "cacheBytes"};
constexpr std::string_view naming_names[] = {"prefixed", "bare"};

class vmcp_reader {
 public:
  vmcp_reader(const node& value, findings& out) : root_(value), findings_(out) {}

  vmcp_definition run(std::string id) {
    known_keys(root_, "the virtual MCP", root_names);
    out_.id = id.empty() ? text(root_, "id") : std::move(id);
    if (!out_.id.empty() && !is_vmcp_id(out_.id))
      findings_.error(root_.at,
                      "the id " + quote(shorten(out_.id)) + " of a virtual MCP is not usable",
                      "1 to 64 of a-z, 0-9 and -, beginning with a letter or digit");
    out_.title = text(root_, "title");
    out_.description = text(root_, "description");
    out_.instructions = text(root_, "instructions");
    out_.select = selectors("select");
    out_.exclude = selectors("exclude");
    read_tools();
    read_prompts();
    read_resources();
    if (const node* names = root_.get("names"))
      if (const auto choice = read_choice(*names, "names", naming_names, findings_))
        out_.names = static_cast<naming>(*choice);
    out_.surface = read_surface(root_, findings_);
    read_limits();
    out_.ttl = time("ttl");
    out_.idle = time("idle");
    read_port();
    out_.position = findings_.position(root_.at);
    out_.text = to_json(root_, 0);
    return std::move(out_);
  }

 private:
  void known_keys(const node& object, std::string_view where,
                  std::span<const std::string_view> known) {
    for (const member& entry : object.members)
      if (std::ranges::find(known, std::string_view(entry.key)) == known.end() &&
          !entry.key.starts_with('_') && !entry.key.starts_with("//"))
        findings_.unknown_key(entry.at, entry.key, where, known);
  }

  std::string text(const node& object, std::string_view key) {
    const node* value = object.get(key);
    const auto read = value != nullptr ? read_string(*value, key, findings_) : std::nullopt;
    return read ? read->text : std::string();
  }

  std::vector<std::string> texts(const node& object, std::string_view key) {
    std::vector<std::string> out;
    if (const node* list = object.get(key))
      for (const text_at& item : read_list(*list, key, findings_))
        out.push_back(item.text);
    return out;
  }

  std::optional<bool> flag(const node& object, std::string_view key) {
    const node* value = object.get(key);
    return value != nullptr ? read_boolean(*value, key, findings_) : std::nullopt;
  }

  std::optional<milliseconds> time(std::string_view key) {
    const node* value = root_.get(key);
    const auto read =
        value != nullptr ? read_time(*value, key, milliseconds{1000}, findings_) : std::nullopt;
    return read ? bounded_time(*read, value->at, key, milliseconds{1}, limits::vmcp_time_max,
                               findings_)
                : std::nullopt;
  }

  std::vector<vmcp_selector> selectors(std::string_view key) {
    std::vector<vmcp_selector> out;
    const node* list = root_.get(key);
    if (list == nullptr)
      return out;
    if (!list->is(node_kind::array)) {
      findings_.wrong_kind(*list, "a list of selectors", key);
      return out;
    }
    for (const node& entry : list->items) {
      if (!entry.is(node_kind::object)) {
        findings_.wrong_kind(entry, "a selector, an object", key);
        continue;
      }
      known_keys(entry, "a selector", selector_names);
      vmcp_selector one;
      one.servers = texts(entry, "servers");
      one.tools = texts(entry, "tools");
      one.tags = texts(entry, "tags");
      one.read_only = flag(entry, "readOnly");
      one.destructive = flag(entry, "destructive");
      one.idempotent = flag(entry, "idempotent");
      one.open_world = flag(entry, "openWorld");
      one.query = text(entry, "query");
      one.limit = limits::meta_search_default;
      if (const node* limit = entry.get("limit"))
        one.limit = read_count(*limit, "limit", 1, limits::search_results_max, findings_)
                        .value_or(one.limit);
      out.push_back(std::move(one));
    }
    return out;
  }

  std::string object_text(const node& holder, std::string_view key) {
    const node* value = holder.get(key);
    if (value == nullptr)
      return {};
    if (!value->is(node_kind::object)) {
      findings_.wrong_kind(*value, "an object of arguments", key);
      return {};
    }
    return to_json(*value, 0);
  }

  void read_tools() {
    const node* list = root_.get("tools");
    if (list == nullptr)
      return;
    if (!list->is(node_kind::array))
      return findings_.wrong_kind(*list, "a list of tools", "tools");
    for (const node& entry : list->items) {
      if (!entry.is(node_kind::object)) {
        findings_.wrong_kind(entry, "an object with server and tool", "tools");
        continue;
      }
      known_keys(entry, "a tool of a virtual MCP", tool_names);
      out_.tools.push_back(item(entry, "tool"));
      if (out_.tools.back().server.empty() || out_.tools.back().own_name.empty())
        findings_.error(entry.at, "a tool of a virtual MCP needs \"server\" and \"tool\"");
    }
  }

  /// @param own_key the member that says what its server calls it
  vmcp_item item(const node& entry, std::string_view own_key) {
    vmcp_item one;
    one.server = text(entry, "server");
    one.own_name = text(entry, own_key);
    one.name = text(entry, "name");
    one.title = text(entry, "title");
    one.description = text(entry, "description");
    one.fixed = object_text(entry, "fixed");
    one.defaults = object_text(entry, "defaults");
    return one;
  }

  /// Calls `take` for the objects of a list that may hold patterns too.
  template <class Take>
  void read_mixed(std::string_view key, std::vector<std::string>& patterns,
                  std::string_view expected, Take take) {
    const node* list = root_.get(key);
    if (list == nullptr)
      return;
    if (!list->is(node_kind::array))
      return findings_.wrong_kind(*list, "a list of patterns and objects", key);
    for (const node& entry : list->items) {
      if (entry.is(node_kind::string))
        patterns.push_back(entry.text);
      else if (entry.is(node_kind::object))
        take(entry);
      else
        findings_.wrong_kind(entry, expected, key);
    }
  }

  void read_prompts() {
    read_mixed("prompts", out_.prompt_patterns, "a pattern, or an object with server and prompt",
               [this](const node& entry) {
                 known_keys(entry, "a prompt of a virtual MCP", prompt_names);
                 const auto& one = out_.prompts.emplace_back(item(entry, "prompt"));
                 if (one.server.empty() || one.own_name.empty())
                   findings_.error(entry.at,
                                   "a prompt of a virtual MCP needs \"server\" and \"prompt\"");
                 for (const std::string_view key : {"fixed", "defaults"})
                   check_prompt_arguments(entry, key);
               });
  }

  void check_prompt_arguments(const node& entry, std::string_view key) {
    const node* arguments = entry.get(key);
    if (arguments == nullptr || !arguments->is(node_kind::object))
      return;
    for (const member& one : arguments->members)
      if (!one.value.is(node_kind::string))
        findings_.wrong_kind(one.value, "a string: arguments of prompts have no other type",
                             one.key);
  }

  void read_resources() {
    read_mixed("resources", out_.resource_patterns, "a pattern, or an object with uri",
               [this](const node& entry) {
                 known_keys(entry, "a resource of a virtual MCP", resource_names);
                 if (out_.resources.emplace_back(item(entry, "uri")).own_name.empty())
                   findings_.error(entry.at, "a resource of a virtual MCP needs \"uri\"");
               });
  }

  void read_port() {
    const node* value = root_.get("port");
    if (value == nullptr)
      return;
    if (value->is(node_kind::string) && value->text == "auto")
      out_.port = 0;
    else if (!value->is(node_kind::number))
      findings_.wrong_kind(*value, "a number from 1 to 65535 or \"auto\"", "port");
    else if (const auto number = read_count(*value, "port", 1, 65'535, findings_))
      out_.port = static_cast<std::uint16_t>(*number);
  }

  void read_limits() {
    const node* object = root_.get("limits");
    if (object == nullptr)
      return;
    if (!object->is(node_kind::object))
      return findings_.wrong_kind(*object, "an object of limits", "limits");
    known_keys(*object, "\"limits\"", limit_names);
    const auto count = [&](std::string_view key, std::size_t least, std::size_t& to) {
      if (const node* value = object->get(key))
        to = read_count(*value, key, least, limits::tunable_count_max, findings_).value_or(to);
    };
    count("concurrency", 1, out_.concurrency);
    count("callsPerMinute", 0, out_.calls_per_minute);
    if (const node* value = object->get("cacheBytes"))
      out_.cache_bytes = read_bytes(*value, "cacheBytes", 0, limits::tunable_bytes_max, findings_)
                             .value_or(out_.cache_bytes);
  }

  const node& root_;
  findings& findings_;
  vmcp_definition out_;
};

} // namespace

vmcp_definition read_vmcp(const node& value, std::string id, findings& out) {
  return vmcp_reader(value, out).run(std::move(id));
}

} // namespace detail

bool is_vmcp_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= limits::vmcp_id_bytes_max && id.front() != '-' &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

result<vmcp_definition> parse_vmcp(std::string_view json) {
  const auto invalid = [](std::string why) {
    return fail(std::make_error_code(std::errc::invalid_argument), std::move(why));
  };
  const auto read = detail::parse_jsonc(json);
  if (!read.root)
    return invalid(fmt::format("line {}, column {}: {}", read.error.at.line, read.error.at.column,
                               read.error.message));
  if (!read.root->is(detail::node_kind::object))
    return invalid("a virtual MCP is a JSON object");
  detail::findings found("definition");
  auto out = detail::read_vmcp(*read.root, {}, found);
  std::string problems;
  for (const auto& one : found.take()) // an unknown key would be ignored, which nobody wants here
    problems += (problems.empty() ? "" : "; ") + one.to_string();
  if (!problems.empty())
    return invalid(std::move(problems));
  return out;
}

} // namespace nexus::config
