#include "seal/digest.hpp"

#include <openssl/sha.h>

namespace nexus::seal {

digest sha256(std::string_view text) noexcept {
  digest out;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return out;
}

std::string to_hex(const digest& of) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * of.size());
  for (const unsigned char byte : of) {
    out += digits[byte >> 4];
    out += digits[byte & 0xF];
  }
  return out;
}

} // namespace nexus::seal
