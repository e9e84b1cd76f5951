#include "base/log_line.hpp"

#include <cmath>

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace nexus::log {
namespace {

/// What a terminal may obey: the controls of ASCII and the C1 ones, which begin with C2 in UTF-8.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1)
    return first < 0x20 || first == 0x7f;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const utf8_step next = next_utf8(text);
    const std::string_view character = text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
    if (!next.valid) {
      out += "\\ufffd";
    } else if (is_control(character)) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(character.back()));
    } else {
      if (character == "\"" || character == "\\")
        out += '\\';
      out += character;
    }
  }
  out += '"';
}

bool stands_unquoted(std::string_view text) {
  if (text.empty())
    return false;
  while (!text.empty()) {
    const utf8_step next = next_utf8(text);
    const std::string_view character = text.substr(0, next.bytes);
    if (!next.valid || is_control(character) || character == " " || character == "\"" ||
        character == "=")
      return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

void append_value(std::string& out, const field& f, format form) {
  std::visit(
      [&](const auto& value) {
        using type = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<type, std::string_view>) {
          if (form == format::text && stands_unquoted(value))
            out += value;
          else
            append_quoted(out, value);
        } else if constexpr (std::is_same_v<type, double>) {
          // JSON has no word for them.
          out += std::isfinite(value) ? fmt::format("{}", value) : "null";
        } else {
          out += fmt::format("{}", value);
        }
      },
      f.value);
}

} // namespace

std::string format_line(format form, std::string_view component, std::string_view event,
                        std::initializer_list<field> fields) {
  if (form == format::text) {
    std::string line = fmt::format("{}: {}", component, event);
    for (const auto& f : fields) {
      line += fmt::format(" {}=", f.name);
      append_value(line, f, form);
    }
    return line;
  }
  std::string line = fmt::format(R"("component":"{}","event":"{}")", component, event);
  for (const auto& f : fields) {
    line += fmt::format(R"(,"{}":)", f.name);
    append_value(line, f, form);
  }
  return line;
}

} // namespace nexus::log
