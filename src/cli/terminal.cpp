#include "cli/terminal.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace nexus::cli {
namespace {

struct character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first character of a text that is not empty.
/// @source Unicode 15.0 table 3-7
character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80)
    return {lead, 1, true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes)
    return {};
  std::uint32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80)
      return {};
    code = code << 6U | (byte(i) & 0x3FU);
  }
  const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
    return {};
  return {code, bytes, true};
}

struct range {
  std::uint32_t first, last;
};

template <std::size_t Count>
bool within(const std::array<range, Count>& ranges, std::uint32_t code) {
  return std::ranges::any_of(ranges,
                             [code](const range& r) { return code >= r.first && code <= r.last; });
}

/// C0, DEL and C1; line separators; what reorders the text around it.
constexpr std::array<range, 5> unsafe = {
    {{0x00, 0x1F}, {0x7F, 0x9F}, {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFFF9, 0xFFFB}}};
/// Combining marks, joiners, variation selectors.
constexpr std::array<range, 6> narrow = {{{0x300, 0x36F},
                                          {0x200B, 0x200F},
                                          {0x20D0, 0x20FF},
                                          {0xFE00, 0xFE0F},
                                          {0xFEFF, 0xFEFF},
                                          {0xE0100, 0xE01EF}}};
/// East Asian wide characters and emoji. @source Unicode 15.0 EastAsianWidth.txt, coarsely
constexpr std::array<range, 11> wide = {{{0x1100, 0x115F},
                                         {0x2E80, 0x303E},
                                         {0x3041, 0xA4CF},
                                         {0xAC00, 0xD7A3},
                                         {0xF900, 0xFAFF},
                                         {0xFE30, 0xFE6F},
                                         {0xFF00, 0xFF60},
                                         {0xFFE0, 0xFFE6},
                                         {0x1F300, 0x1F64F},
                                         {0x1F680, 0x1F9FF},
                                         {0x20000, 0x3FFFD}}};

std::size_t width_of(std::uint32_t code) {
  return within(narrow, code) ? 0 : within(wide, code) ? 2 : 1;
}

void append_escaped(std::string& out, std::uint32_t code) {
  switch (code) {
  case '\n':
    out += "\\n";
    return;
  case '\r':
    out += "\\r";
    return;
  case '\t':
    out += "\\t";
    return;
  default:
    out += code < 0x80 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
  }
}

std::string_view sequence_of(tone how) {
  switch (how) {
  case tone::strong:
    return "\x1b[1m";
  case tone::faint:
    return "\x1b[2m";
  case tone::good:
    return "\x1b[32m";
  case tone::caution:
    return "\x1b[33m";
  case tone::bad:
    return "\x1b[31m";
  case tone::plain:
    break;
  }
  return {};
}

} // namespace

std::string visible(std::string_view text, line_breaks breaks) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const character c = first_of(text);
    const bool kept = breaks == line_breaks::keep && (c.code == '\n' || c.code == '\t');
    if (!c.valid)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    else if (within(unsafe, c.code) && !kept)
      append_escaped(out, c.code);
    else
      out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const character c = first_of(text);
    columns += c.valid ? width_of(c.code) : 1;
    text.remove_prefix(c.bytes);
  }
  return columns;
}

std::string clip(std::string_view text, std::size_t columns) {
  constexpr std::string_view ellipsis = "...";
  if (display_width(text) <= columns)
    return std::string(text);
  const std::size_t room = columns - std::min(columns, ellipsis.size());
  std::size_t used = 0, bytes = 0;
  while (bytes < text.size()) {
    const character c = first_of(text.substr(bytes));
    used += c.valid ? width_of(c.code) : 1;
    if (used > room)
      break;
    bytes += c.bytes;
  }
  return std::string(text.substr(0, bytes)) + std::string(ellipsis.substr(0, columns));
}

std::string toned(std::string_view text, tone how, bool colour) {
  if (!colour || how == tone::plain || text.empty())
    return std::string(text);
  return std::string(sequence_of(how)) + std::string(text) + "\x1b[0m";
}

} // namespace nexus::cli
