#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "base/limits.hpp"
#include "seal/key_ring.hpp"

namespace nexus::seal {
namespace {

// One secret in its three forms.
const std::string hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
const std::string base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string base64url = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

result<key_ring> ring_of(std::vector<std::string> secrets) {
  return key_ring::from_secrets(secrets);
}

/// Hexadecimal digits of 32 bytes that count up from `first`.
std::string secret_from(unsigned first) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (unsigned i = first; i < first + 32; ++i) {
    out += digits[i / 16 % 16];
    out += digits[i % 16];
  }
  return out;
}

TEST_CASE("key_ring reads a secret in each of its forms", "[seal][key_ring]") {
  const auto ring = ring_of({hex});
  REQUIRE(ring);
  REQUIRE(ring->all().size() == 1);
  for (const std::string& form : {base64, base64url}) {
    const auto other = ring_of({form});
    REQUIRE(other);
    CHECK(other->current().id == ring->current().id);
    CHECK(other->current().material == ring->current().material);
  }
}

TEST_CASE("key_ring derives other keys than the secrets themselves", "[seal][key_ring]") {
  const auto ring = ring_of({hex, secret_from(1)});
  REQUIRE(ring);
  CHECK(ring->current().material[0] + ring->current().material[1] != 1);
  CHECK(ring->all()[0].id != ring->all()[1].id);
  CHECK(ring->all()[0].material != ring->all()[1].material);
  CHECK(ring->current().id == ring->all()[0].id);
}

TEST_CASE("key_ring refuses what is no secret, and does not repeat it", "[seal][key_ring]") {
  const std::string zeros(64, '0');
  std::string few;
  while (few.size() < 64)
    few += "0123456789abcdef";
  for (const std::string& bad :
       {std::string{}, std::string{"changeme"}, hex.substr(2), hex + "20",
        std::string{"g"} + hex.substr(1), base64.substr(1), base64 + "=", base64url + "g",
        std::string{"?"} + base64url.substr(1), zeros, few,
        std::string{"passwordpasswordpasswordpassword"}, std::string(32, 'x')}) {
    CAPTURE(bad);
    const auto ring = ring_of({hex, bad});
    REQUIRE_FALSE(ring);
    CHECK(ring.error().code == errc::bad_key);
    CHECK(ring.error().message.find("sealing key 2") == 0);
    CHECK((bad.empty() ||
           (ring.error().message + ring.error().detail).find(bad) == std::string::npos));
  }
}

TEST_CASE("key_ring refuses no key, too many, and one twice", "[seal][key_ring]") {
  CHECK_FALSE(ring_of({}));
  CHECK_FALSE(ring_of({hex, base64}));
  std::vector<std::string> many;
  for (unsigned i = 0; i < limits::sealing_keys_max; ++i)
    many.push_back(secret_from(i));
  CHECK(ring_of(many));
  many.push_back(secret_from(100));
  CHECK_FALSE(ring_of(many));
}

TEST_CASE("key_ring draws different keys at random", "[seal][key_ring]") {
  const auto one = key_ring::random(), other = key_ring::random();
  REQUIRE((one && other));
  CHECK(one->current().material != other->current().material);
  CHECK(one->current().id != other->current().id);
}

} // namespace
} // namespace nexus::seal
