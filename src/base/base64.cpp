#include "base/base64.hpp"

#include <array>

namespace nexus {
namespace {

constexpr std::string_view standard_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Above every digit, so that one comparison finds it in four digits at once.
constexpr std::uint32_t no_digit = 1U << 24;

using value_table = std::array<std::uint32_t, 256>;

constexpr value_table values_of(std::string_view digits) {
  value_table table{};
  table.fill(no_digit);
  for (std::uint32_t i = 0; i < digits.size(); ++i)
    table[static_cast<unsigned char>(digits[i])] = i;
  return table;
}

constexpr value_table standard_values = values_of(standard_digits);
constexpr value_table url_values = values_of(url_digits);

constexpr std::uint32_t byte_at(std::string_view bytes, std::size_t index) noexcept {
  return static_cast<unsigned char>(bytes[index]);
}

} // namespace

void append_base64(std::string& out, std::string_view bytes, base64_form form) {
  const std::string_view digits = form == base64_form::url ? url_digits : standard_digits;
  const std::size_t tail = bytes.size() % 3;
  const std::size_t whole = bytes.size() - tail;
  const std::size_t tail_digits = tail == 0 ? 0 : form == base64_form::url ? tail + 1 : 4;
  const std::size_t before = out.size();
  out.resize(before + whole / 3 * 4 + tail_digits);
  char* to = out.data() + before;
  for (std::size_t i = 0; i < whole; i += 3, to += 4) {
    const std::uint32_t bits =
        byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
    to[0] = digits[bits >> 18];
    to[1] = digits[bits >> 12 & 63];
    to[2] = digits[bits >> 6 & 63];
    to[3] = digits[bits & 63];
  }
  if (tail == 0)
    return;
  const std::uint32_t bits =
      byte_at(bytes, whole) << 16 | (tail == 2 ? byte_at(bytes, whole + 1) << 8 : 0);
  to[0] = digits[bits >> 18];
  to[1] = digits[bits >> 12 & 63];
  if (tail == 2)
    to[2] = digits[bits >> 6 & 63];
  else if (form == base64_form::standard)
    to[2] = '=';
  if (form == base64_form::standard)
    to[3] = '=';
}

bool decode_base64(std::string_view text, base64_form form, std::string& out) {
  if (form == base64_form::standard) {
    if (text.size() % 4 != 0)
      return false;
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding)
      text.remove_suffix(1);
  }
  const value_table& values = form == base64_form::url ? url_values : standard_values;
  const std::size_t tail = text.size() % 4;
  if (tail == 1)
    return false;
  const std::size_t whole = text.size() - tail;
  out.resize(whole / 4 * 3 + (tail == 0 ? 0 : tail - 1));
  char* to = out.data();
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < whole; i += 4, to += 3) {
    const std::uint32_t a = values[byte_at(text, i)], b = values[byte_at(text, i + 1)];
    const std::uint32_t c = values[byte_at(text, i + 2)], d = values[byte_at(text, i + 3)];
    bad |= a | b | c | d;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    to[0] = static_cast<char>(bits >> 16);
    to[1] = static_cast<char>(bits >> 8);
    to[2] = static_cast<char>(bits);
  }
  if (tail != 0) {
    const std::uint32_t a = values[byte_at(text, whole)], b = values[byte_at(text, whole + 1)];
    const std::uint32_t c = tail == 3 ? values[byte_at(text, whole + 2)] : 0;
    bad |= a | b | c;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6;
    to[0] = static_cast<char>(bits >> 16);
    if (tail == 3)
      to[1] = static_cast<char>(bits >> 8);
    if ((bits & (tail == 3 ? 0xFFU : 0xFFFFU)) != 0)
      return false;
  }
  return bad < no_digit;
}

} // namespace nexus
