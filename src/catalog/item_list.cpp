#include "catalog/item_list.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "json/walk.hpp"

namespace nexus::catalog {
namespace {

/// Finds the members of a definition that aggregation needs.
class definition_visitor final : public json::visitor {
 public:
  explicit definition_visitor(list_kind kind) : kind_(kind) {}
  json::slice name, meta, schema, output, schema_type, read_only, idempotent;
  std::string_view execution; ///< the member, key and value
  bool has_schema = false;

  step on_key(unsigned depth, std::string_view key, json::kind type) override {
    if (depth == 0) {
      inside_ = container::other;
      if (kind_ != list_kind::tools)
        return step::take;
      if (key == "inputSchema") {
        has_schema = type == json::kind::object;
        inside_ = container::schema;
        return step::enter;
      }
      if (key == "annotations") {
        inside_ = container::annotations;
        return step::enter;
      }
    }
    return step::take;
  }

  void on_member(unsigned depth, const json::member& found) override {
    if (depth == 0) {
      if (found.key == words_of(kind_).key)
        name = found.value;
      if (found.key == "_meta")
        meta = found.value;
      if (found.key == "inputSchema")
        schema = found.value;
      if (found.key == "outputSchema")
        output = found.value;
      if (found.key == "execution" && kind_ == list_kind::tools)
        execution = found.span;
      return;
    }
    if (inside_ == container::schema && found.key == "type")
      schema_type = found.value;
    if (inside_ == container::annotations && found.key == "readOnlyHint")
      read_only = found.value;
    if (inside_ == container::annotations && found.key == "idempotentHint")
      idempotent = found.value;
  }

 private:
  enum class container : std::uint8_t { other, schema, annotations };
  list_kind kind_;
  container inside_ = container::other;
};

/// Finds a definition's schema, whatever it is.
class schema_finder final : public json::visitor {
 public:
  json::slice schema;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == "inputSchema")
      schema = found.value;
  }
};

std::uint32_t offset_in(std::string_view whole, std::string_view part) {
  return static_cast<std::uint32_t>(part.data() - whole.data());
}

/// Clients refuse a whole list over one tool whose schema is not that of an object, so such a
/// schema is made one with the least change. @param type the schema's own; absent when it has none
std::string repaired(std::string_view definition, json::slice schema, json::slice type) {
  constexpr std::string_view object_type = R"("type":"object")";
  std::string text(definition);
  if (!schema) {
    text.pop_back();
    return text + R"(,"inputSchema":{)" + std::string(object_type) + "}}";
  }
  if (!schema.is(json::kind::object))
    return text.replace(offset_in(definition, schema.raw), schema.raw.size(),
                        "{" + std::string(object_type) + "}");
  if (type)
    return text.replace(offset_in(definition, type.raw), type.raw.size(), R"("object")");
  const bool empty = schema.raw.find('"') == std::string_view::npos;
  return text.insert(offset_in(definition, schema.raw) + 1,
                     std::string(object_type) + (empty ? "" : ","));
}

/// `execution` says how a tool takes part in the tasks of 2025-11-25, which are not passed on.
std::string without_member(std::string_view definition, std::string_view member) {
  std::string text(definition);
  auto from = offset_in(definition, member);
  auto to = from + member.size();
  const auto blank = [&](std::size_t at) {
    return std::string_view(" \t\r\n,").contains(text[at]);
  };
  while (blank(to))
    ++to;
  if (text[to] == '}') // it was the last one: the comma stands before it
    while (blank(from - 1))
      --from;
  return text.erase(from, to - from);
}

/// The user interface that a tool's _meta names, in the present form or the one before it.
/// @source MCP Apps (SEP-1865)
class interface_visitor final : public json::visitor {
 public:
  json::slice uri;
  step on_key(unsigned depth, std::string_view key, json::kind) override {
    inside_ui_ = inside_ui_ && depth > 0;
    if (depth == 0 && key == "ui")
      inside_ui_ = true;
    return depth == 0 && inside_ui_ ? step::enter : step::take;
  }
  void on_member(unsigned depth, const json::member& found) override {
    if ((depth == 1 && inside_ui_ && found.key == "resourceUri") ||
        (depth == 0 && found.key == "ui/resourceUri" && !uri))
      uri = found.value;
  }

 private:
  bool inside_ui_ = false;
};

class element_collector final : public json::element_sink {
 public:
  explicit element_collector(std::size_t most) : most_(most) {}
  std::vector<json::slice> elements;
  bool on_element(std::size_t, json::slice value) override {
    elements.push_back(value);
    return elements.size() <= most_;
  }

 private:
  const std::size_t most_;
};

std::size_t items_max(list_kind kind) noexcept {
  return kind == list_kind::templates ? limits::resource_templates_per_server_max
                                      : limits::tools_per_server_max;
}

std::size_t name_bytes_max(list_kind kind) noexcept {
  return family_of(kind) == family::resources ? limits::resource_uri_bytes_max
                                              : limits::name_bytes_max;
}

} // namespace

const list_words& words_of(list_kind kind) noexcept {
  static constexpr std::array<list_words, list_kinds.size()> words{{
      {"tools/list", "tools", "name", "tool"},
      {"prompts/list", "prompts", "name", "prompt"},
      {"resources/list", "resources", "uri", "resource"},
      {"resources/templates/list", "resourceTemplates", "uriTemplate", "resource template"},
  }};
  return words[index_of(kind)];
}

const family_words& words_of(family of) noexcept {
  static constexpr std::array<family_words, families.size()> words{{
      {"tools", "notifications/tools/list_changed", "toolsListChanged"},
      {"prompts", "notifications/prompts/list_changed", "promptsListChanged"},
      {"resources", "notifications/resources/list_changed", "resourcesListChanged"},
  }};
  return words[index_of(of)];
}

void cache_hints::merge(const cache_hints& other) noexcept {
  ttl_ms = std::min(ttl_ms, other.ttl_ms);
  is_private = is_private || other.is_private;
}

std::string cache_hints::text() const {
  return fmt::format(R"("ttlMs":{},"cacheScope":"{}")", ttl_ms, is_private ? "private" : "public");
}

std::string_view item_list::definition(const item& i) const noexcept {
  return std::string_view(text_).substr(i.definition_offset, i.definition_bytes);
}

json::slice item_list::input_schema(const item& i) const noexcept {
  return {definition(i).substr(i.schema_offset, i.schema_bytes), json::kind::object};
}

const item* item_list::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &items_[found->second];
}

list_builder::list_builder(list_kind kind, const cache_hints& hints,
                           std::vector<std::string> include, std::vector<std::string> exclude)
    : kind_(kind), include_(std::move(include)), exclude_(std::move(exclude)),
      building_(std::make_shared<item_list>()) {
  building_->hints_ = hints;
}

bool list_builder::wanted(std::string_view name) const {
  const auto matches = [&](const std::string& pattern) { return glob_match(pattern, name); };
  if (!include_.empty() && std::none_of(include_.begin(), include_.end(), matches))
    return false;
  return std::none_of(exclude_.begin(), exclude_.end(), matches);
}

bool list_builder::full() const noexcept {
  return building_->items_.size() >= items_max(kind_);
}

result<> list_builder::add_page(json::slice entries, json::scanner& scanner) {
  element_collector collector(items_max(kind_));
  if (auto walked = scanner.scan_array(entries.raw, collector); !walked)
    return std::unexpected(walked.error());
  for (const auto& element : collector.elements) {
    if (full()) {
      refuse(fmt::format("lists more than {} {}s; the rest is left out", items_max(kind_),
                         words_of(kind_).noun));
      break;
    }
    add(element, scanner);
  }
  return {};
}

void list_builder::add(json::slice definition, json::scanner& scanner) {
  auto& list = *building_;
  const auto noun = words_of(kind_).noun;
  definition_visitor found(kind_);
  if (!definition.is(json::kind::object))
    return refuse(fmt::format("an entry of {} is no object", words_of(kind_).array));
  if (auto walked = scanner.scan_object(definition.raw, found); !walked)
    return refuse(fmt::format("a {} definition is unusable: {}", noun, walked.error().message));
  if (!found.name.is(json::kind::string))
    return refuse(fmt::format("a {} has no {}", noun, words_of(kind_).key));
  item made;
  made.name = json::unquote(found.name);
  if (made.name.empty() || made.name.size() > name_bytes_max(kind_))
    return refuse(fmt::format("a {} {} has {} bytes; 1 to {} are served", noun, words_of(kind_).key,
                              made.name.size(), name_bytes_max(kind_)));
  if (!wanted(made.name))
    return;
  if (!names_.insert(made.name).second)
    return refuse(fmt::format("{} '{}' is listed twice", noun, made.name));
  if (kind_ == list_kind::tools && !found.has_schema)
    made.problem = "inputSchema is missing or no object";
  else if (kind_ == list_kind::tools && found.schema_type.raw != "\"object\"")
    made.problem = "inputSchema is not of type \"object\"";
  std::string_view text = definition.raw;
  std::string rewritten;
  const auto read_again = [&] {
    json::ensure_padding(rewritten);
    text = rewritten;
    found = definition_visitor(kind_);
    return scanner.scan_object(text, found).has_value();
  };
  bool readable = true;
  if (!found.execution.empty()) {
    rewritten = without_member(text, found.execution);
    readable = read_again();
  }
  if (readable && !made.problem.empty()) {
    refuse(fmt::format("{} '{}': {}", noun, made.name, made.problem));
    schema_finder whole;
    static_cast<void>(scanner.scan_object(text, whole)); // it was scanned before
    rewritten = repaired(text, whole.schema, found.schema_type);
    readable = read_again();
  }
  if (!readable)
    return refuse(fmt::format("the definition of {} '{}' is unusable", noun, made.name));
  if (kind_ == list_kind::tools && !note_schemas(made, found.schema, found.output))
    return;
  made.read_only = found.read_only.raw == "true" || found.idempotent.raw == "true";
  made.name_offset = offset_in(text, found.name.raw);
  made.name_bytes = static_cast<std::uint32_t>(found.name.raw.size());
  if (kind_ == list_kind::tools) {
    made.schema_offset = offset_in(text, found.schema.raw);
    made.schema_bytes = static_cast<std::uint32_t>(found.schema.raw.size());
  }
  if (found.meta) {
    made.meta_offset = offset_in(text, found.meta.raw);
    made.meta_bytes = static_cast<std::uint32_t>(found.meta.raw.size());
    note_interface(found.meta, scanner);
  }
  if (!list.text_.empty())
    list.text_ += ',';
  made.definition_offset = static_cast<std::uint32_t>(list.text_.size());
  made.definition_bytes = static_cast<std::uint32_t>(text.size());
  list.text_ += text;
  list.items_.push_back(std::move(made));
}

bool list_builder::note_schemas(item& made, json::slice input, json::slice output) {
  auto headers = read_parameter_headers(input);
  if (drops_wrong_headers_ && !headers.problem.empty()) {
    refuse(fmt::format("tool '{}' is left out: {}", made.name, headers.problem));
    return false;
  }
  made.headers = std::move(headers.found);
  made.wraps_output = output && json::find_member(output, "type").raw != R"("object")";
  return true;
}

void list_builder::note_interface(json::slice meta, json::scanner& scanner) {
  if (kind_ != list_kind::tools || meta.raw.find("resourceUri") == std::string_view::npos)
    return;
  interface_visitor found;
  if (!meta.is(json::kind::object) || !scanner.scan_object(meta.raw, found) ||
      !found.uri.is(json::kind::string) || found.uri.raw.size() > limits::resource_uri_bytes_max)
    return;
  auto uri = json::unquote(found.uri);
  if (interfaces_.insert(uri).second)
    building_->interface_uris_.push_back(std::move(uri));
}

item_list_ptr list_builder::finish() {
  auto& list = *building_;
  for (std::uint32_t i = 0; i < list.items_.size(); ++i)
    list.by_name_.emplace(list.items_[i].name, i);
  return std::move(building_);
}

} // namespace nexus::catalog
