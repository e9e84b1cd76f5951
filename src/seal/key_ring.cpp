#include "seal/key_ring.hpp"

#include <algorithm>
#include <bitset>
#include <optional>

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/limits.hpp"

namespace nexus::seal {
namespace {

class seal_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "seal"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
    case errc::malformed:
      return "not a sealed text";
    case errc::unknown_key:
      return "sealed under an unknown key";
    case errc::not_authentic:
      return "altered, or used elsewhere than it was sealed for";
    case errc::expired:
      return "expired";
    case errc::too_large:
      return "too large to be sealed";
    case errc::bad_key:
      return "bad key";
    case errc::no_randomness:
      return "no random bytes";
    }
    return "unknown";
  }
};

const seal_category category;

/// Fewer different bytes than this are a placeholder: 32 random ones have at least 20.
constexpr std::size_t distinct_bytes_min = 12;

/// HKDF-Expand of one block (RFC 5869 s2.3). The secret is uniformly random, so there is nothing to
/// extract.
std::array<unsigned char, sealing_key::bytes> derive(std::string_view secret,
                                                     std::string_view purpose) {
  std::string info(purpose);
  info += '\x01';
  std::array<unsigned char, sealing_key::bytes> out{};
  unsigned int written = 0;
  const auto* done =
      HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(info.data()), info.size(), out.data(), &written);
  NEXUS_ASSERT(done != nullptr && written == out.size());
  return out;
}

sealing_key key_of(std::string_view secret) {
  sealing_key key;
  key.material = derive(secret, "nexus seal 1 key");
  const auto id = derive(secret, "nexus seal 1 id");
  for (std::size_t i = 0; i < 4; ++i)
    key.id = key.id << 8 | id[i];
  return key;
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool decode_hex(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0)
      return false;
    out += static_cast<char>(high << 4 | low);
  }
  return text.size() % 2 == 0;
}

/// The secret that `text` writes, in `out`. @returns what is wrong with it, or null
const char* read_secret(std::string_view text, std::string& out) {
  const bool read = text.size() == 2 * sealing_key::bytes
                        ? decode_hex(text, out)
                        : decode_base64(text, base64_form::standard, out) ||
                              decode_base64(text, base64_form::url, out);
  if (!read || out.size() != sealing_key::bytes)
    return "is not 32 bytes in hexadecimal or base64";
  std::bitset<256> distinct;
  for (const char c : out)
    distinct.set(static_cast<unsigned char>(c));
  return distinct.count() < distinct_bytes_min ? "is not random" : nullptr;
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), category};
}

sealing_key::~sealing_key() {
  OPENSSL_cleanse(material.data(), material.size());
}

result<key_ring> key_ring::random() {
  std::array<unsigned char, sealing_key::bytes> secret{};
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1)
    return fail(errc::no_randomness, "no random bytes for a key");
  key_ring ring;
  ring.keys_.push_back(key_of({reinterpret_cast<const char*>(secret.data()), secret.size()}));
  OPENSSL_cleanse(secret.data(), secret.size());
  return ring;
}

result<key_ring> key_ring::from_secrets(std::span<const std::string> secrets) {
  if (secrets.empty() || secrets.size() > limits::sealing_keys_max)
    return fail(errc::bad_key,
                "1 to " + std::to_string(limits::sealing_keys_max) + " sealing keys are needed");
  key_ring ring;
  std::string secret;
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    const char* wrong = read_secret(secrets[i], secret);
    std::optional<sealing_key> key;
    if (wrong == nullptr) {
      key = key_of(secret);
      const auto same = [&key](const sealing_key& other) { return other.id == key->id; };
      if (std::any_of(ring.keys_.begin(), ring.keys_.end(), same))
        wrong = "is there twice";
    }
    OPENSSL_cleanse(secret.data(), secret.size());
    if (wrong != nullptr)
      return fail(errc::bad_key, "sealing key " + std::to_string(i + 1) + " " + wrong);
    ring.keys_.push_back(*key);
  }
  return ring;
}

} // namespace nexus::seal
