#include "search/document.hpp"

#include "base/limits.hpp"
#include "json/walk.hpp"

namespace nexus::search {
namespace {

class schema_reader {
 public:
  explicit schema_reader(document& to) : to_(to) {}

  void read(json::slice schema, unsigned depth) {
    if (depth > limits::search_schema_depth_max)
      return;
    for (json::member_walk m(schema); m.next() && !full();) {
      const std::string_view key = m.key();
      if (key == "properties")
        read_properties(m.value(), depth);
      else if (key == "enum" || key == "const")
        read_values(m.value());
      else if (key == "description" || key == "title")
        read_text(m.value(), depth);
      else if (key == "items" || key == "additionalProperties" || key == "prefixItems" ||
               key == "anyOf" || key == "oneOf" || key == "allOf")
        read_schemas(m.value(), depth);
    }
  }

 private:
  [[nodiscard]] bool full() const noexcept {
    return to_.parameter_names.size() >= limits::search_parameters_max ||
           to_.parameter_texts.size() >= limits::search_parameters_max;
  }

  void read_properties(json::slice properties, unsigned depth) {
    for (json::member_walk m(properties); m.next() && !full();) {
      to_.parameter_names.emplace_back(m.key());
      read(m.value(), depth + 1);
    }
  }

  void read_schemas(json::slice value, unsigned depth) {
    if (!value.is(json::kind::array)) {
      read(value, depth + 1);
      return;
    }
    for (json::element_walk e(value); e.next() && !full();)
      read(e.value(), depth + 1);
  }

  void read_values(json::slice value) {
    read_text(value, 1);
    for (json::element_walk e(value); e.next() && !full();)
      read_text(e.value(), 1);
  }

  /// The schema's own description says nothing about a parameter.
  void read_text(json::slice value, unsigned depth) {
    if (depth > 0 && value.is(json::kind::string))
      to_.parameter_texts.push_back(json::unquote(value));
  }

  document& to_;
};

std::string text_of(json::slice object, std::string_view key) {
  const json::slice value = json::find_member(object, key);
  return value.is(json::kind::string) ? json::unquote(value) : std::string();
}

} // namespace

std::string_view name_of(field of) noexcept {
  switch (of) {
  case field::name:
    return "name";
  case field::title:
    return "title";
  case field::server:
    return "server";
  case field::description:
    return "description";
  case field::parameter_name:
    return "parameter";
  case field::parameter_text:
    return "parameterDescription";
  }
  return {};
}

void read_parameters(document& to, json::slice schema) {
  schema_reader(to).read(schema, 0);
}

result<document> read_document(json::scanner& scanner, std::string_view line) {
  const auto value = scanner.validate(line);
  if (!value)
    return std::unexpected(value.error());
  if (!value->is(json::kind::object))
    return fail(json::errc::wrong_type, "a tool is a JSON object");
  document out;
  out.name = text_of(*value, "name");
  if (out.name.empty())
    return fail(json::errc::wrong_type, "a tool has a \"name\", a string that is not empty");
  out.id = text_of(*value, "id");
  if (out.id.empty())
    out.id = out.name;
  out.server = text_of(*value, "server");
  out.title = text_of(*value, "title");
  out.description = text_of(*value, "description");
  read_parameters(out, json::find_member(*value, "inputSchema"));
  return out;
}

} // namespace nexus::search
