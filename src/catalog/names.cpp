#include "catalog/names.hpp"

#include <algorithm>
#include <array>

#include <openssl/sha.h>

#include "base/limits.hpp"

namespace nexus::catalog {
namespace {

bool portable_character(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

std::string sanitised(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !portable_character(c); }, '_');
  return out;
}

/// The first `bytes` of a SHA-256, in hexadecimal.
std::string digest_of(std::string_view text, std::size_t bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) {
    out += digits[digest[i] >> 4];
    out += digits[digest[i] & 15];
  }
  return out;
}

/// `_` and eight hexadecimal digits over server NUL tool.
std::string fingerprint(std::string_view server, std::string_view tool) {
  std::string text(server);
  text += '\0';
  text += tool;
  return '_' + digest_of(text, 4);
}

std::string with_fingerprint(std::string readable, std::string_view server, std::string_view tool) {
  const std::string suffix = fingerprint(server, tool);
  readable.resize(std::min(readable.size(), limits::public_name_bytes_max - suffix.size()));
  return readable + suffix;
}

} // namespace

bool is_portable_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= limits::public_name_bytes_max &&
         std::all_of(name.begin(), name.end(), portable_character);
}

std::string prefixed_name(std::string_view server, std::string_view tool) {
  std::string name(server);
  name += "__";
  name += tool;
  if (is_portable_name(name))
    return name;
  return with_fingerprint(sanitised(name), server, tool);
}

std::string aliased_name(std::string_view server, std::string_view tool) {
  return with_fingerprint(sanitised(std::string(server) + "__" + std::string(tool)), server, tool);
}

std::string bare_name(std::string_view server, std::string_view tool) {
  if (is_portable_name(tool))
    return std::string(tool);
  return with_fingerprint(sanitised(tool), server, tool);
}

std::string content_fingerprint(std::string_view text) {
  return digest_of(text, 8);
}

} // namespace nexus::catalog
