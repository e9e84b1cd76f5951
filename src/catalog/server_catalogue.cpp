#include "catalog/server_catalogue.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace nexus::catalog {
namespace {

/// Finds the members of a tool definition that aggregation needs.
class tool_visitor final : public json::visitor {
 public:
  json::slice name, meta, schema_type, read_only, idempotent;
  bool has_schema = false;

  step on_key(unsigned depth, std::string_view key, json::kind type) override {
    if (depth == 0) {
      inside_ = container::other;
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
      if (found.key == "name")
        name = found.value;
      if (found.key == "_meta")
        meta = found.value;
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

class element_collector final : public json::element_sink {
 public:
  std::vector<json::slice> elements;
  bool on_element(std::size_t, json::slice value) override {
    elements.push_back(value);
    return elements.size() <= limits::tools_per_server_max;
  }
};

} // namespace

std::string_view server_catalogue::definition(const tool& t) const noexcept {
  return std::string_view(text_).substr(t.definition_offset, t.definition_bytes);
}

const tool* server_catalogue::find(std::string_view name) const noexcept {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tools_[found->second];
}

catalogue_builder::catalogue_builder(std::vector<std::string> include,
                                     std::vector<std::string> exclude)
    : include_(std::move(include)), exclude_(std::move(exclude)),
      building_(std::make_shared<server_catalogue>()) {}

bool catalogue_builder::wanted(std::string_view name) const {
  const auto matches = [&](const std::string& pattern) { return glob_match(pattern, name); };
  if (!include_.empty() && std::none_of(include_.begin(), include_.end(), matches))
    return false;
  return std::none_of(exclude_.begin(), exclude_.end(), matches);
}

bool catalogue_builder::full() const noexcept {
  return building_->tools_.size() >= limits::tools_per_server_max;
}

result<> catalogue_builder::add_page(json::slice tools, json::scanner& scanner) {
  element_collector collector;
  if (auto walked = scanner.scan_array(tools.raw, collector); !walked)
    return std::unexpected(walked.error());
  for (const auto& element : collector.elements) {
    if (full()) {
      building_->problems_.push_back(fmt::format("lists more than {} tools; the rest is left out",
                                                 limits::tools_per_server_max));
      break;
    }
    add_tool(element, scanner);
  }
  return {};
}

void catalogue_builder::add_tool(json::slice definition, json::scanner& scanner) {
  auto& c = *building_;
  const auto refuse = [&](std::string why) { c.problems_.push_back(std::move(why)); };
  tool_visitor found;
  if (!definition.is(json::kind::object))
    return refuse("an entry of tools is no object");
  if (auto walked = scanner.scan_object(definition.raw, found); !walked)
    return refuse("a tool definition is unusable: " + walked.error().message);
  if (!found.name.is(json::kind::string))
    return refuse("a tool has no name");
  tool t;
  t.name = json::unquote(found.name);
  if (t.name.empty() || t.name.size() > limits::name_bytes_max)
    return refuse(fmt::format("a tool name has {} bytes; 1 to {} are served", t.name.size(),
                              limits::name_bytes_max));
  if (!wanted(t.name))
    return;
  if (!names_.insert(t.name).second)
    return refuse(fmt::format("tool '{}' is listed twice", t.name));
  if (!found.has_schema)
    t.problem = "inputSchema is missing or no object";
  else if (found.schema_type.raw != "\"object\"")
    t.problem = "inputSchema is not of type \"object\"";
  std::string_view text = definition.raw;
  std::string rewritten;
  if (!t.problem.empty()) {
    c.problems_.push_back(fmt::format("tool '{}': {}", t.name, t.problem));
    schema_finder whole;
    static_cast<void>(scanner.scan_object(text, whole)); // it was scanned before
    rewritten = repaired(text, whole.schema, found.schema_type);
    json::ensure_padding(rewritten);
    text = rewritten;
    found = {};
    if (auto walked = scanner.scan_object(text, found); !walked)
      return refuse("a tool definition is unusable: " + walked.error().message);
  }
  t.read_only = found.read_only.raw == "true" || found.idempotent.raw == "true";
  t.name_offset = offset_in(text, found.name.raw);
  t.name_bytes = static_cast<std::uint32_t>(found.name.raw.size());
  if (found.meta) {
    t.meta_offset = offset_in(text, found.meta.raw);
    t.meta_bytes = static_cast<std::uint32_t>(found.meta.raw.size());
  }
  if (!c.text_.empty())
    c.text_ += ',';
  t.definition_offset = static_cast<std::uint32_t>(c.text_.size());
  t.definition_bytes = static_cast<std::uint32_t>(text.size());
  c.text_ += text;
  c.tools_.push_back(std::move(t));
}

std::shared_ptr<const server_catalogue> catalogue_builder::finish() {
  auto& c = *building_;
  for (std::uint32_t i = 0; i < c.tools_.size(); ++i)
    c.by_name_.emplace(c.tools_[i].name, i);
  return std::move(building_);
}

} // namespace nexus::catalog
