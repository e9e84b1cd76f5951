#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.hpp"

/// State that a client carries for us: encrypted, authenticated, bound to its use, and expiring.
namespace nexus::seal {

enum class errc {
  malformed = 1, ///< a text that seal() never writes: alphabet, length, version
  unknown_key,   ///< sealed under a key that this ring does not hold
  not_authentic, ///< altered, of another kind, or bound to something else
  expired,       ///< authentic, and too late
  too_large,     ///< a payload beyond limits::sealed_payload_bytes_max
  bad_key,       ///< a configured key that is none
  no_randomness, ///< the operating system gave no random bytes
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// One key, derived from a configured or random secret. Wiped when destroyed.
struct sealing_key {
  static constexpr std::size_t bytes = 32;
  std::uint32_t id = 0; ///< follows from the secret, so replicas agree without being told
  std::array<unsigned char, bytes> material{};

  sealing_key() = default;
  sealing_key(const sealing_key&) = default;
  sealing_key& operator=(const sealing_key&) = default;
  ~sealing_key();
};

/// The keys of a process: the first seals, all of them open. To rotate, put the new secret in front
/// and drop the old one once nothing sealed under it can still be valid.
/// @thread immutable once made
class key_ring {
 public:
  /// A ring that lives as long as the process: what it seals is worthless after a restart and on
  /// other replicas. @errors no_randomness
  [[nodiscard]] static result<key_ring> random();

  /// A ring of configured secrets, the current one first. Each is 32 random bytes, written as 64
  /// hexadecimal digits or as base64 in either form (`openssl rand -hex 32`). Replicas with the
  /// same secrets open each other's state.
  /// @errors bad_key: none, more than limits::sealing_keys_max, one that is not 32 bytes, repeats,
  /// or is obviously not random. The message names its position, never its text.
  [[nodiscard]] static result<key_ring> from_secrets(std::span<const std::string> secrets);

  [[nodiscard]] const sealing_key& current() const noexcept { return keys_.front(); }
  [[nodiscard]] std::span<const sealing_key> all() const noexcept { return keys_; }

 private:
  key_ring() = default;
  std::vector<sealing_key> keys_; ///< never empty
};

} // namespace nexus::seal

template <>
struct std::is_error_code_enum<nexus::seal::errc> : std::true_type {};
