#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "seal/key_ring.hpp"

namespace nexus::seal {

using wall_time = std::chrono::system_clock::time_point;

/// What a sealed text is for. One kind never opens as another. The values are on the wire between
/// replicas of different versions: a number is never used again for something else.
enum class kind : std::uint8_t {
  request_state = 1,
  cursor = 2,
  task = 3,
  event_id = 4,
  session = 5,
};

/// Where a sealed text may be used: it opens only under an equal binding, part by part. Nothing of
/// it is in the text. Parts that do not matter for a kind stay empty, on both sides.
struct binding {
  std::string_view principal; ///< who it was given to
  std::string_view server;    ///< whom it concerns
  /// What it was the answer to: method, name, canonical arguments... at most binding_parts_max.
  /// They are authenticated as they are, which costs less than a digest of them would.
  std::span<const std::string_view> request = {};
};
inline constexpr std::size_t binding_parts_max = 8;

struct opened {
  std::string payload;
  wall_time expires_at;
};

/// Seals and opens with AES-256-GCM:
///
///     base64url(version 1 | key id 4 | nonce 12 | encrypted(expiry 8 | payload) | tag 16)
///
/// with version, key id, kind and binding as additional data. It is AES rather than
/// ChaCha20-Poly1305 because every server processor of today has instructions for it; one cipher
/// for all, and not the better one of each machine, because replicas open each other's texts.
///
/// A nonce that repeats under one key would give the key of the authentication away. Each sealer
/// draws nine random bytes and counts in the other three; when the count ends it draws anew. Among
/// a million draws under one key, by whatever workers, replicas and restarts (or 16 million million
/// texts), two are the same with a probability of 1 to 10^10: rotate keys before that.
///
/// @thread one: a sealer per worker, all made from one key_ring. Its contexts and buffers are
/// reused. A copy, or a process forked from this one, would repeat nonces: it cannot be copied.
/// @cost for 200 bytes of payload and 290 of binding, 1.1 microseconds to seal and 0.8 to open or
/// to refuse (AMD EPYC, OpenSSL 3.0, a loaded machine, November 2026: nexus_bench_seal, median of
/// 5)
class sealer {
 public:
  explicit sealer(const key_ring& keys);
  ~sealer();
  sealer(sealer&&) noexcept;
  sealer& operator=(sealer&&) noexcept;

  /// @returns base64url without padding: fit for JSON strings, URLs and header fields as it is
  /// @errors too_large, for payloads that a server chooses
  [[nodiscard]] result<std::string> seal(kind what, std::string_view payload, const binding& to,
                                         wall_time expires_at);

  /// What seal() was given, if kind and binding are the same and `now` is before the expiry.
  /// @errors malformed, unknown_key, not_authentic, expired. They share one message, so that a
  /// caller which passes it on tells an attacker nothing; the code is for counters and the log.
  [[nodiscard]] result<opened> open(kind what, std::string_view text, const binding& to,
                                    wall_time now);

  /// Takes `count` nonces without using them.
  void skip_nonces_for_test(std::uint32_t count) noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace nexus::seal
