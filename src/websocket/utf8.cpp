#include "websocket/utf8.hpp"

#include <cstddef>
#include <cstring>

namespace nexus::websocket {
namespace {

/// How many bytes from the front are ASCII, in steps of eight.
std::size_t ascii_bytes(std::string_view bytes) noexcept {
  constexpr std::uint64_t high_bits = 0x8080'8080'8080'8080;
  std::size_t count = 0;
  for (std::uint64_t word = 0; count + sizeof word <= bytes.size(); count += sizeof word) {
    std::memcpy(&word, bytes.data() + count, sizeof word);
    if ((word & high_bits) != 0)
      break;
  }
  return count;
}

} // namespace

bool utf8_checker::feed(std::string_view bytes) noexcept {
  std::size_t i = 0;
  while (i < bytes.size()) {
    if (missing_ == 0) {
      i += ascii_bytes(bytes.substr(i));
      if (i == bytes.size())
        break;
    }
    const auto byte = static_cast<unsigned char>(bytes[i++]);
    if (missing_ > 0) {
      if (byte < lowest_ || byte > highest_)
        return false;
      --missing_;
      lowest_ = 0x80;
      highest_ = 0xBF;
    } else if (byte >= 0xC2 && byte <= 0xDF) {
      missing_ = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      missing_ = 2;
      lowest_ = byte == 0xE0 ? 0xA0 : 0x80;  // below: overlong
      highest_ = byte == 0xED ? 0x9F : 0xBF; // above: surrogates
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      missing_ = 3;
      lowest_ = byte == 0xF0 ? 0x90 : 0x80;  // below: overlong
      highest_ = byte == 0xF4 ? 0x8F : 0xBF; // above: no code point
    } else if (byte >= 0x80) {
      return false;
    }
  }
  return true;
}

} // namespace nexus::websocket
