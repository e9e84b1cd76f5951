#include "seal/sealer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/limits.hpp"

namespace nexus::seal {
namespace {

constexpr unsigned char format_version = 1;
constexpr std::size_t key_id_bytes = 4, nonce_bytes = 12, expiry_bytes = 8, tag_bytes = 16;
constexpr std::size_t prefix_bytes = 9; ///< of the nonce; the count has the rest
constexpr std::size_t nonce_offset = 1 + key_id_bytes;
constexpr std::size_t body_offset = nonce_offset + nonce_bytes;
constexpr std::size_t payload_offset = body_offset + expiry_bytes;
constexpr std::size_t overhead_bytes = payload_offset + tag_bytes;
constexpr std::uint32_t nonces_per_prefix = 1U << 24;

constexpr std::size_t text_bytes(std::size_t raw) noexcept {
  return (raw * 4 + 2) / 3;
}

struct context_deleter {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using context = std::unique_ptr<EVP_CIPHER_CTX, context_deleter>;

enum class direction : int { decrypt = 0, encrypt = 1 };

unsigned char* as_bytes(char* text) noexcept {
  return reinterpret_cast<unsigned char*>(text);
}
const unsigned char* as_bytes(const char* text) noexcept {
  return reinterpret_cast<const unsigned char*>(text);
}

/// A context with its key schedule made; each message sets the nonce only.
context make_context(const sealing_key& key, direction way) {
  context made(EVP_CIPHER_CTX_new());
  NEXUS_ASSERT(made && EVP_CipherInit_ex(made.get(), EVP_aes_256_gcm(), nullptr,
                                         key.material.data(), nullptr, static_cast<int>(way)) == 1);
  static_assert(nonce_bytes == 12, "what GCM takes unless told otherwise");
  return made;
}

template <class Integer>
void put(unsigned char* to, Integer value) noexcept {
  for (std::size_t i = sizeof value; i-- > 0; value = static_cast<Integer>(value >> 8))
    to[i] = static_cast<unsigned char>(value);
}

template <class Integer>
Integer get(const char* from) noexcept {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<Integer>(value << 8 | static_cast<unsigned char>(from[i]));
  return value;
}

/// The time that so many milliseconds mean, or the nearest that the clock can tell.
wall_time time_of(std::uint64_t written) noexcept {
  using std::chrono::milliseconds;
  constexpr auto earliest = std::chrono::ceil<milliseconds>(wall_time::min().time_since_epoch());
  constexpr auto latest = std::chrono::floor<milliseconds>(wall_time::max().time_since_epoch());
  return wall_time{std::clamp(milliseconds(static_cast<std::int64_t>(written)), earliest, latest)};
}

std::unexpected<error> refuse(errc code) {
  return fail(code, "unknown, altered or expired");
}

} // namespace

struct sealer::impl {
  struct opener {
    std::uint32_t id;
    context decrypt;
  };

  explicit impl(const key_ring& keys)
      : key_id(keys.current().id), encrypt(make_context(keys.current(), direction::encrypt)) {
    for (const sealing_key& key : keys.all())
      openers.push_back({key.id, make_context(key, direction::decrypt)});
  }

  void take_nonce(unsigned char* to) noexcept {
    if (used == nonces_per_prefix) {
      // Fails only where the operating system has no entropy to seed with; then nothing is safe.
      NEXUS_ASSERT(RAND_bytes(prefix.data(), static_cast<int>(prefix.size())) == 1);
      used = 0;
    }
    std::memcpy(to, prefix.data(), prefix.size());
    to[prefix_bytes] = static_cast<unsigned char>(used >> 16);
    to[prefix_bytes + 1] = static_cast<unsigned char>(used >> 8);
    to[prefix_bytes + 2] = static_cast<unsigned char>(used);
    ++used;
  }

  std::uint32_t key_id;
  context encrypt;
  std::vector<opener> openers;
  std::array<unsigned char, prefix_bytes> prefix{};
  std::uint32_t used = nonces_per_prefix; ///< of this prefix: none is drawn yet
  std::string raw;                        ///< the text at hand, decoded
};

namespace {

/// Gives `cipher` the additional data: header, kind and the length of each part, then the parts. No
/// two bindings give the same bytes.
void authenticate(EVP_CIPHER_CTX* cipher, const char* header, kind what, const binding& to) {
  NEXUS_ASSERT(to.request.size() <= binding_parts_max);
  std::array<std::string_view, binding_parts_max + 2> parts{to.principal, to.server};
  std::copy(to.request.begin(), to.request.end(), parts.begin() + 2);
  const std::size_t count = to.request.size() + 2;

  std::array<unsigned char, nonce_offset + 2 + 8 * (binding_parts_max + 2)> head{};
  std::memcpy(head.data(), header, nonce_offset);
  head[nonce_offset] = static_cast<unsigned char>(what);
  head[nonce_offset + 1] = static_cast<unsigned char>(count);
  std::size_t at = nonce_offset + 2;
  for (std::size_t i = 0; i < count; ++i, at += 8)
    put(head.data() + at, std::uint64_t{parts[i].size()});
  int taken = 0;
  int good = EVP_CipherUpdate(cipher, nullptr, &taken, head.data(), static_cast<int>(at));
  for (std::size_t i = 0; i < count; ++i) {
    if (!parts[i].empty())
      good &= EVP_CipherUpdate(cipher, nullptr, &taken, as_bytes(parts[i].data()),
                               static_cast<int>(parts[i].size()));
  }
  NEXUS_ASSERT(good == 1);
}

} // namespace

sealer::sealer(const key_ring& keys) : impl_(std::make_unique<impl>(keys)) {}
sealer::~sealer() = default;
sealer::sealer(sealer&&) noexcept = default;
sealer& sealer::operator=(sealer&&) noexcept = default;

void sealer::skip_nonces_for_test(std::uint32_t count) noexcept {
  impl_->used = std::min(impl_->used + count, nonces_per_prefix);
}

result<std::string> sealer::seal(kind what, std::string_view payload, const binding& to,
                                 wall_time expires_at) {
  if (payload.size() > limits::sealed_payload_bytes_max)
    return fail(errc::too_large, "state too large");
  std::string& raw = impl_->raw;
  raw.resize(overhead_bytes + payload.size());
  unsigned char* bytes = as_bytes(raw.data());
  bytes[0] = format_version;
  put(bytes + 1, impl_->key_id);
  impl_->take_nonce(bytes + nonce_offset);
  const auto expiry =
      std::chrono::duration_cast<std::chrono::milliseconds>(expires_at.time_since_epoch());
  put(bytes + body_offset, static_cast<std::uint64_t>(expiry.count()));
  std::copy(payload.begin(), payload.end(), raw.begin() + payload_offset);

  EVP_CIPHER_CTX* cipher = impl_->encrypt.get();
  NEXUS_ASSERT(EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr, bytes + nonce_offset, 1) == 1);
  authenticate(cipher, raw.data(), what, to);
  const int plain_bytes = static_cast<int>(expiry_bytes + payload.size());
  int written = 0, rest = 0;
  unsigned char* tag = bytes + body_offset + plain_bytes;
  NEXUS_ASSERT(EVP_CipherUpdate(cipher, bytes + body_offset, &written, bytes + body_offset,
                                plain_bytes) == 1 &&
               written == plain_bytes);
  NEXUS_ASSERT(EVP_CipherFinal_ex(cipher, tag, &rest) == 1 && rest == 0);
  NEXUS_ASSERT(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag) == 1);

  std::string text;
  append_base64(text, raw, base64_form::url);
  return text;
}

result<opened> sealer::open(kind what, std::string_view text, const binding& to, wall_time now) {
  constexpr std::size_t longest = text_bytes(overhead_bytes + limits::sealed_payload_bytes_max);
  std::string& raw = impl_->raw;
  if (text.size() < text_bytes(overhead_bytes) || text.size() > longest ||
      !decode_base64(text, base64_form::url, raw) ||
      static_cast<unsigned char>(raw[0]) != format_version)
    return refuse(errc::malformed);
  const auto id = get<std::uint32_t>(raw.data() + 1);
  const auto found = std::find_if(impl_->openers.begin(), impl_->openers.end(),
                                  [id](const impl::opener& each) { return each.id == id; });
  if (found == impl_->openers.end())
    return refuse(errc::unknown_key);

  EVP_CIPHER_CTX* cipher = found->decrypt.get();
  unsigned char* bytes = as_bytes(raw.data());
  NEXUS_ASSERT(EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr, bytes + nonce_offset, 0) == 1);
  authenticate(cipher, raw.data(), what, to);
  const int plain_bytes = static_cast<int>(raw.size() - body_offset - tag_bytes);
  int written = 0, rest = 0;
  unsigned char* tag = bytes + body_offset + plain_bytes;
  NEXUS_ASSERT(EVP_CipherUpdate(cipher, bytes + body_offset, &written, bytes + body_offset,
                                plain_bytes) == 1 &&
               written == plain_bytes);
  NEXUS_ASSERT(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, tag_bytes, tag) == 1);
  if (EVP_CipherFinal_ex(cipher, tag, &rest) != 1)
    return refuse(errc::not_authentic);

  const wall_time expires_at = time_of(get<std::uint64_t>(raw.data() + body_offset));
  if (now >= expires_at)
    return refuse(errc::expired);
  return opened{raw.substr(payload_offset, raw.size() - overhead_bytes), expires_at};
}

} // namespace nexus::seal
