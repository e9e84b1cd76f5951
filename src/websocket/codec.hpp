#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "websocket/handshake.hpp"

namespace nexus::websocket {

/// What a Close frame says. Peers send others too. @source RFC 6455 s7.4.1
enum class close_code : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  none = 1005, ///< stands for a Close frame without a code; never sent
  bad_text = 1007,
  policy = 1008,
  too_large = 1009,
  internal_error = 1011,
};

/// Receives what a peer sends. May call the codec's send_text(), send_ping() and close(); must not
/// feed, move or destroy it.
class handler {
 public:
  virtual ~handler() = default;
  /// A whole text message. json::padding_bytes are readable behind it. It may be swapped or moved
  /// away; what is left there is cleared after the call.
  virtual void on_text(std::string& message) = 0;
  /// The peer closes, or answers our Close; nothing follows. `reason` is UTF-8, of at most 123
  /// bytes.
  virtual void on_close(std::uint16_t code, std::string_view reason) = 0;
};

struct codec_limits {
  std::size_t message_bytes_max = limits::http_request_body_bytes_max;
  std::size_t fragments_max = limits::websocket_fragments_max;
  std::size_t control_frames_per_second = limits::websocket_control_frames_per_second;
};

enum class phase : std::uint8_t {
  open,
  closing, ///< our Close is sent, the peer's is awaited: its messages are dropped
  closed,  ///< nothing more is read or sent: flush output() and close the connection
};

/// The frames of one connection behind its handshake: bytes in, messages out, and back.
///
/// wslay's frame layer reads and writes the headers and takes the mask off. Its event layer is not
/// used: it checks the text of a Close frame by how the bytes were cut, reserves what a frame only
/// announces, and counts no fragments.
///
/// What is refused depends on the bytes only, never on how they were cut. A refusal queues a Close
/// frame with its code and ends the connection. @thread one
class codec {
 public:
  explicit codec(const codec_limits& bounds = {});
  ~codec();
  codec(codec&&) noexcept;
  codec& operator=(codec&&) noexcept;

  /// Takes all of `bytes`. Pings are answered in output(), one pong each. Bytes behind a Close or a
  /// refusal are ignored.
  /// @errors protocol_error, bad_text, unsupported_data, too_large, flood: now_phase() is then
  /// closed
  [[nodiscard]] result<> feed(std::string_view bytes, time_point now, handler& receiver);

  /// Queues one message, of all pieces in a row. Does nothing unless open. @pre UTF-8
  void send_text(std::span<const std::string_view> pieces);
  void send_text(std::string_view message) { send_text({&message, 1}); }
  /// Queues a ping. Does nothing unless open. @pre at most 125 bytes
  void send_ping(std::string_view payload = {});
  /// Queues a Close, and awaits the peer's. Does nothing unless open. The caller sets a time for
  /// it.
  /// @pre `code` is not none; `reason` is UTF-8: what is beyond 123 bytes is cut off
  void close(close_code code, std::string_view reason = {});

  /// What is to be sent: the owner takes it from there and clears it, in its own time. A peer that
  /// pings and does not read is slowed by not feeding what it sends while this is not sent.
  [[nodiscard]] std::string& output() noexcept;
  [[nodiscard]] phase now_phase() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace nexus::websocket
