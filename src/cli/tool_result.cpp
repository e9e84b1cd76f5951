#include "cli/tool_result.hpp"

#include <fmt/format.h>

#include "cli/json_reading.hpp"

namespace nexus::cli {
namespace {

/// Bytes behind a base64 text.
std::size_t decoded_bytes(std::string_view base64) {
  while (base64.ends_with('='))
    base64.remove_suffix(1);
  return base64.size() * 3 / 4;
}

std::string or_else(std::string text, std::string_view otherwise) {
  return text.empty() ? std::string(otherwise) : text;
}

std::string describe_resource(json::scanner& scanner, json::slice resource) {
  if (!resource.is(json::kind::object))
    return "[resource]";
  const auto members = json_object::read(scanner, resource.raw);
  if (!members)
    return "[resource]";
  if ((*members)["text"].is(json::kind::string))
    return members->text("text");
  return fmt::format("[{}, {} bytes, {}]",
                     or_else(members->text("mimeType"), "application/octet-stream"),
                     decoded_bytes(members->text("blob")), members->text("uri"));
}

struct content_item {
  std::string text;
  bool is_text = false;
};

content_item describe_content(json::scanner& scanner, json::slice item) {
  if (!item.is(json::kind::object))
    return {"[content that is no object]", false};
  const auto members = json_object::read(scanner, item.raw);
  if (!members)
    return {"[content that cannot be read]", false};
  const std::string type = members->text("type");
  if (type == "text")
    return {members->text("text"), true};
  if (type == "image" || type == "audio") {
    return {fmt::format("[{}, {} bytes]", or_else(members->text("mimeType"), type),
                        decoded_bytes(members->text("data"))),
            false};
  }
  if (type == "resource_link")
    return {fmt::format("[link {} {}]", members->text("name"), members->text("uri")), false};
  if (type == "resource")
    return {describe_resource(scanner, (*members)["resource"]), false};
  return {fmt::format("[{}]", or_else(type, "content without a type")), false};
}

} // namespace

result<tool_text> describe_result(json::scanner& scanner, std::string_view json) {
  const auto members = json_object::read(scanner, json);
  if (!members)
    return std::unexpected(members.error());
  tool_text out;
  if (members->text("resultType") == "input_required")
    out.outcome = tool_outcome::wants_input;
  else if (members->is_true("isError"))
    out.outcome = tool_outcome::failed;
  bool has_text = false;
  const auto add = [&out](std::string_view text) {
    out.text += text;
    if (!text.ends_with('\n'))
      out.text += '\n';
  };
  if ((*members)["content"].is(json::kind::array)) {
    const auto items = json_elements(scanner, (*members)["content"].raw);
    if (!items)
      return std::unexpected(items.error());
    for (const json::slice& item : *items) {
      const content_item described = describe_content(scanner, item);
      has_text = has_text || described.is_text;
      add(described.text);
    }
  }
  const json::slice structured = (*members)["structuredContent"];
  if (structured && !structured.is(json::kind::null) && !has_text)
    add(indented(structured.raw));
  return out;
}

} // namespace nexus::cli
