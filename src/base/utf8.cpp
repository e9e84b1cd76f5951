#include "base/utf8.hpp"

namespace nexus {
namespace {

/// The length of a sequence by its first byte, and the bounds of its second byte.
struct sequence {
  std::size_t length;
  unsigned char second_min;
  unsigned char second_max;
};

sequence sequence_of(unsigned char first) noexcept {
  if (first < 0x80)
    return {1, 0, 0};
  if (first >= 0xC2 && first <= 0xDF)
    return {2, 0x80, 0xBF};
  if (first == 0xE0)
    return {3, 0xA0, 0xBF};
  if (first == 0xED)
    return {3, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF)
    return {3, 0x80, 0xBF};
  if (first == 0xF0)
    return {4, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3)
    return {4, 0x80, 0xBF};
  if (first == 0xF4)
    return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

} // namespace

utf8_step next_utf8(std::string_view text) noexcept {
  if (text.empty())
    return {};
  const sequence expected = sequence_of(static_cast<unsigned char>(text[0]));
  std::size_t bytes = 1;
  for (; bytes < expected.length && bytes < text.size(); ++bytes) {
    const auto byte = static_cast<unsigned char>(text[bytes]);
    const bool fits = bytes == 1 ? byte >= expected.second_min && byte <= expected.second_max
                                 : (byte & 0xC0) == 0x80;
    if (!fits)
      break;
  }
  return {bytes, bytes == expected.length};
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size() + 16);
  while (!text.empty()) {
    const utf8_step next = next_utf8(text);
    valid += next.valid ? text.substr(0, next.bytes) : "\xEF\xBF\xBD";
    text.remove_prefix(next.bytes);
  }
  return valid;
}

} // namespace nexus
