#include "json/lexical.hpp"

#include "base/assert.hpp"

namespace nexus::json::lexical {
namespace {

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// The position after the digits that start at `at`.
std::size_t skip_digits(std::string_view token, std::size_t at) noexcept {
  while (at < token.size() && is_digit(token[at]))
    ++at;
  return at;
}

int hex_value(char c) noexcept {
  if (is_digit(c))
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/// The four hexadecimal digits at `at`, or a value above 0xFFFF when they are not there.
std::uint32_t hex4(std::string_view text, std::size_t at) noexcept {
  constexpr std::uint32_t none = 0x10000;
  if (text.size() < at + 4)
    return none;
  std::uint32_t code = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = hex_value(text[i]);
    if (digit < 0)
      return none;
    code = code << 4 | static_cast<std::uint32_t>(digit);
  }
  return code;
}

constexpr bool is_high_surrogate(std::uint32_t code) {
  return code >= 0xD800 && code <= 0xDBFF;
}
constexpr bool is_low_surrogate(std::uint32_t code) {
  return code >= 0xDC00 && code <= 0xDFFF;
}

char simple_escape(char c) noexcept {
  switch (c) {
  case '"':
  case '\\':
  case '/':
    return c;
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return '\0';
  }
}

/// Appends the code point of the \u escape whose digits start at `at`; returns the position after
/// it, or after its partner when it begins a surrogate pair.
std::size_t unescape_unicode(std::string_view inner, std::size_t at, lone_surrogate policy,
                             std::string& out) {
  std::uint32_t code = hex4(inner, at);
  at += 4;
  if (is_high_surrogate(code) && inner.substr(at, 2) == "\\u") {
    const std::uint32_t low = hex4(inner, at + 2);
    if (is_low_surrogate(low)) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      at += 6;
    }
  }
  const bool lone = code >= 0xD800 && code <= 0xDFFF;
  append_code_point(out, lone && policy == lone_surrogate::replace ? 0xFFFD : code);
  return at;
}

} // namespace

bool is_number(std::string_view token) noexcept {
  std::size_t at = !token.empty() && token[0] == '-' ? 1 : 0;
  if (at == token.size() || !is_digit(token[at]))
    return false;
  at = token[at] == '0' ? at + 1 : skip_digits(token, at);
  if (at < token.size() && token[at] == '.') {
    const std::size_t fraction = at + 1;
    at = skip_digits(token, fraction);
    if (at == fraction)
      return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-'))
      ++at;
    const std::size_t exponent = at;
    at = skip_digits(token, exponent);
    if (at == exponent)
      return false;
  }
  return at == token.size();
}

bool valid_escapes(std::string_view inner) noexcept {
  std::size_t at = inner.find('\\');
  while (at != std::string_view::npos) {
    if (at + 1 == inner.size())
      return false;
    if (inner[at + 1] == 'u') {
      if (hex4(inner, at + 2) > 0xFFFF)
        return false;
      at += 6;
    } else {
      if (simple_escape(inner[at + 1]) == '\0')
        return false;
      at += 2;
    }
    at = inner.find('\\', at);
  }
  return true;
}

void unescape(std::string_view inner, lone_surrogate policy, std::string& out) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t escape = inner.find('\\', at);
    out.append(inner.substr(at, escape - at));
    if (escape == std::string_view::npos)
      return;
    NEXUS_DASSERT(escape + 1 < inner.size());
    if (inner[escape + 1] == 'u') {
      at = unescape_unicode(inner, escape + 2, policy, out);
    } else {
      out += simple_escape(inner[escape + 1]);
      at = escape + 2;
    }
  }
}

void append_code_point(std::string& out, std::uint32_t code) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80 | (code >> shift & 0x3F));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

} // namespace nexus::json::lexical
