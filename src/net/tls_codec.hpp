#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "net/stream.hpp"
#include "net/tls_session.hpp"

namespace nexus::net::detail {

/// OpenSSL between ciphertext that is lent to it and the buffer of a stream. A BIO of our own lets
/// it read and write these in place, without the copies of OpenSSL's memory BIOs. Calls nobody
/// back.
class tls_codec {
 public:
  enum class progress : std::uint8_t { done, wants_input, failed };

  /// What one round of decryption brought.
  struct reading {
    std::size_t bytes = 0;
    bool ended = false; ///< close_notify came; said again by every later round
    bool wants_input = false;
    std::optional<error> failure;
  };

  /// Ciphertext goes to `transport.out()`. @pre `transport` outlives the last call but destruction
  tls_codec(ssl_ptr session, stream& transport, std::string host);
  ~tls_codec() = default;
  tls_codec(const tls_codec&) = delete; // OpenSSL knows its address
  tls_codec& operator=(const tls_codec&) = delete;

  /// Lends ciphertext; empty takes the loan back.
  void lend(std::string_view input) noexcept { input_ = input; }
  /// What of the loan has not been taken.
  [[nodiscard]] std::string_view rest() const noexcept { return input_; }

  [[nodiscard]] progress handshake();
  /// Fills `plain` as far as the loan goes. A failure is worded at once: whoever runs next may use
  /// OpenSSL and its error queue.
  [[nodiscard]] reading decrypt(std::span<char> plain);
  /// Encrypts all of `plain`. @returns why that is impossible for good
  [[nodiscard]] std::optional<error> encrypt(std::string_view plain);
  /// Tells the peer that nothing follows.
  void close_notify();

  /// Whether decrypt() has something without another loan.
  [[nodiscard]] bool has_pending() const noexcept;
  /// Whether the transport has to be flushed since the last call.
  [[nodiscard]] bool take_written() noexcept { return std::exchange(written_, false); }
  /// The last operation's failure.
  [[nodiscard]] error describe_failure() const { return describe_tls_failure(*session_, host_); }
  [[nodiscard]] const std::string& host() const noexcept { return host_; }

 private:
  struct bio; // what OpenSSL calls

  stream& transport_;
  ssl_ptr session_;
  std::string host_;
  std::string_view input_;
  bool written_ = false;
};

} // namespace nexus::net::detail
