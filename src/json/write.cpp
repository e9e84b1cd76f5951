#include "json/write.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include <simdjson.h>

#include "base/utf8.hpp"

namespace nexus::json {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

/// Bytes that a string cannot hold as they are, and the first byte of U+2028 and U+2029.
constexpr std::array<bool, 256> needs_care = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 0x20; ++c)
    table[c] = true;
  table['"'] = table['\\'] = table[0xE2] = true;
  return table;
}();

/// True if one of the eight bytes at `text` may need care.
bool any_needs_care(const char* text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t highs = ones << 7;
  std::uint64_t word;
  std::memcpy(&word, text, sizeof word);
  const auto has_zero = [](std::uint64_t bytes) { return (bytes - ones) & ~bytes & highs; };
  const std::uint64_t controls = (word - ones * 0x20) & ~word & highs;
  return (controls | has_zero(word ^ ones * '"') | has_zero(word ^ ones * '\\') |
          has_zero(word ^ ones * 0xE2)) != 0;
}

/// The length of the run at the start of `text` that is copied as it stands.
std::size_t plain_run(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at + 8 <= text.size() && !any_needs_care(text.data() + at))
    at += 8;
  while (at < text.size() && !needs_care[static_cast<unsigned char>(text[at])])
    ++at;
  return at;
}

/// Appends the escape of the ASCII character `c`.
void append_escape(std::string& out, char c) {
  switch (c) {
  case '"':
  case '\\':
    out += '\\';
    out += c;
    return;
  case '\b':
    out += "\\b";
    return;
  case '\f':
    out += "\\f";
    return;
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
    out += "\\u00";
    out += hex_digits[static_cast<unsigned char>(c) >> 4];
    out += hex_digits[static_cast<unsigned char>(c) & 0xF];
  }
}

/// The inside of a string. @pre `text` is UTF-8
void append_valid(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t run = plain_run(text);
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty())
      return;
    if (text[0] != '\xE2') {
      append_escape(out, text[0]);
      text.remove_prefix(1);
      continue;
    }
    const std::string_view character = text.substr(0, 3);
    if (character == "\xE2\x80\xA8")
      out += "\\u2028";
    else if (character == "\xE2\x80\xA9")
      out += "\\u2029";
    else
      out += character;
    text.remove_prefix(3);
  }
}

} // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  if (simdjson::validate_utf8(text.data(), text.size()))
    append_valid(out, text);
  else
    append_valid(out, replace_invalid_utf8(text));
  out += '"';
}

void append_int(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

std::string& object_writer::key(std::string_view name) {
  if (!first_)
    out_ += ',';
  first_ = false;
  out_ += '"';
  out_ += name;
  out_ += "\":";
  return out_;
}

object_writer& object_writer::string(std::string_view name, std::string_view value) {
  append_string(key(name), value);
  return *this;
}

object_writer& object_writer::integer(std::string_view name, std::int64_t value) {
  append_int(key(name), value);
  return *this;
}

object_writer& object_writer::boolean(std::string_view name, bool value) {
  key(name) += value ? "true" : "false";
  return *this;
}

object_writer& object_writer::raw(std::string_view name, std::string_view json) {
  key(name) += json;
  return *this;
}

} // namespace nexus::json
