#include "catalog/parameter_headers.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "json/walk.hpp"

namespace nexus::catalog {
namespace {

constexpr std::string_view annotation = "x-mcp-header";

/// Keywords whose value is a schema, or an array of schemas.
constexpr std::array schema_keywords{std::string_view("items"),
                                     std::string_view("prefixItems"),
                                     std::string_view("additionalItems"),
                                     std::string_view("contains"),
                                     std::string_view("additionalProperties"),
                                     std::string_view("unevaluatedItems"),
                                     std::string_view("unevaluatedProperties"),
                                     std::string_view("propertyNames"),
                                     std::string_view("contentSchema"),
                                     std::string_view("allOf"),
                                     std::string_view("anyOf"),
                                     std::string_view("oneOf"),
                                     std::string_view("not"),
                                     std::string_view("if"),
                                     std::string_view("then"),
                                     std::string_view("else")};
/// Keywords whose value has schemas as members.
constexpr std::array map_keywords{std::string_view("patternProperties"), std::string_view("$defs"),
                                  std::string_view("definitions"),
                                  std::string_view("dependentSchemas")};

template <class Words>
bool is_one_of(std::string_view key, const Words& words) noexcept {
  return std::find(words.begin(), words.end(), key) != words.end();
}

/// RFC 9110 s5.6.2.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

class schema_reader {
 public:
  parameter_headers read;

  /// @param reachable by `properties` keys alone
  void visit(json::slice schema, bool reachable) {
    json::slice header, type;
    for (json::member_walk m(schema); m.next();) {
      const auto key = m.key();
      if (key == annotation)
        header = m.value();
      else if (key == "type")
        type = m.value();
      else if (key == "properties")
        visit_members(m.value(), reachable);
      else if (is_one_of(key, map_keywords))
        visit_members(m.value(), false);
      else if (is_one_of(key, schema_keywords))
        visit_all(m.value());
    }
    if (header)
      note(header, type, reachable && !path_.empty());
  }

 private:
  void visit_members(json::slice schemas, bool reachable) {
    for (json::member_walk m(schemas); m.next();) {
      path_.emplace_back(m.key());
      visit(m.value(), reachable);
      path_.pop_back();
    }
  }
  void visit_all(json::slice schemas) {
    if (!schemas.is(json::kind::array))
      return visit(schemas, false);
    for (json::element_walk e(schemas); e.next();)
      visit(e.value(), false);
  }

  void note(json::slice header, json::slice type, bool reachable) {
    if (!read.problem.empty())
      return;
    const auto name = header.is(json::kind::string) ? json::unquote(header) : std::string();
    const bool typed =
        type.raw == R"("string")" || type.raw == R"("integer")" || type.raw == R"("boolean")";
    const auto same = [&](const parameter_header& other) { return iequals(other.name, name); };
    if (!is_token(name) || name.size() > limits::name_bytes_max)
      read.problem = fmt::format("{} {} is no header name", annotation, header.raw.substr(0, 64));
    else if (!reachable)
      read.problem =
          fmt::format("{} '{}' stands where no property of the arguments is", annotation, name);
    else if (!typed)
      read.problem = fmt::format("{} '{}' is on property '{}', which is no string, integer or "
                                 "boolean",
                                 annotation, name, path_.back());
    else if (std::any_of(read.found.begin(), read.found.end(), same))
      read.problem = fmt::format("{} '{}' is used twice", annotation, name);
    else
      read.found.push_back({name, path_});
  }

  std::vector<std::string> path_;
};

} // namespace

parameter_headers read_parameter_headers(json::slice schema) {
  // An escaped key may hide the word.
  if (schema.raw.find(annotation) == std::string_view::npos &&
      schema.raw.find("\\u") == std::string_view::npos)
    return {};
  schema_reader reader;
  reader.visit(schema, true);
  if (!reader.read.problem.empty())
    reader.read.found.clear();
  return std::move(reader.read);
}

} // namespace nexus::catalog
