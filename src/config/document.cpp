#include "config/document.hpp"

#include <algorithm>
#include <cmath>

namespace nexus::config::detail {

const member* node::find(std::string_view key) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const member& entry) { return entry.key == key; });
  return found == members.end() ? nullptr : &*found;
}

const node* node::get(std::string_view key) const {
  const member* entry = find(key);
  return entry != nullptr ? &entry->value : nullptr;
}

std::string_view kind_name(node_kind kind) {
  switch (kind) {
  case node_kind::null:
    return "null";
  case node_kind::boolean:
    return "boolean";
  case node_kind::number:
    return "number";
  case node_kind::string:
    return "string";
  case node_kind::array:
    return "list";
  case node_kind::object:
    return "object";
  }
  return "value";
}

std::string shorten(std::string_view text) {
  constexpr std::size_t shown = 60;
  if (text.size() <= shown)
    return std::string(text);
  std::size_t end = shown - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string quote(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += hex[byte >> 4U];
      out += hex[byte & 0xFU];
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

std::string to_json(const node& value, std::size_t indent_level) {
  const std::string inner(2 * (indent_level + 1), ' ');
  const std::string outer(2 * indent_level, ' ');
  std::string out;
  switch (value.kind) {
  case node_kind::null:
    return "null";
  case node_kind::boolean:
    return value.truth ? "true" : "false";
  case node_kind::number:
    // TOML has nan and inf, JSON has not.
    return std::isfinite(value.number) ? value.text : "null";
  case node_kind::string:
    return quote(value.text);
  case node_kind::array:
    for (const node& item : value.items) {
      out += (out.empty() ? "[\n" : ",\n") + inner + to_json(item, indent_level + 1);
    }
    return out.empty() ? "[]" : out + "\n" + outer + "]";
  case node_kind::object:
    for (const member& entry : value.members) {
      out += (out.empty() ? "{\n" : ",\n") + inner + quote(entry.key) + ": " +
             to_json(entry.value, indent_level + 1);
    }
    return out.empty() ? "{}" : out + "\n" + outer + "}";
  }
  return out;
}

} // namespace nexus::config::detail
