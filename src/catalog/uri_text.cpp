#include "catalog/uri_text.hpp"

#include <algorithm>

namespace nexus::catalog::uri_text {
namespace {

constexpr bool is_unreserved(char c) noexcept {
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/// What may stand in a URI as it is. @source RFC 3986 s2
constexpr bool is_uri_byte(char c) noexcept {
  return is_unreserved(c) ||
         std::string_view(":/?#[]@!$&'()*+,;=").find(c) != std::string_view::npos;
}

constexpr int hex_value(char c) noexcept {
  if (is_digit(c))
    return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void append_triplet(std::string& out, unsigned byte) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  out += '%';
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

} // namespace

int triplet_at(std::string_view text, std::size_t index) noexcept {
  if (index + 2 >= text.size() || text[index] != '%')
    return -1;
  const int high = hex_value(text[index + 1]), low = hex_value(text[index + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string normalised(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (const int byte = triplet_at(text, i); byte >= 0) {
      if (is_unreserved(static_cast<char>(byte)))
        out += static_cast<char>(byte);
      else
        append_triplet(out, static_cast<unsigned>(byte));
      i += 2;
    } else if (is_uri_byte(c)) {
      out += c;
    } else {
      append_triplet(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_plain(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), is_uri_byte);
}

} // namespace nexus::catalog::uri_text
