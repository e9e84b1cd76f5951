#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// A connection to a server that carries every message in both directions: the pipes of a child
/// process, or a 2024-11-05 event stream with its POST address.
namespace nexus::engine {

class channel_handler {
 public:
  virtual ~channel_handler() = default;
  /// The channel can be written to.
  virtual void on_channel_open() = 0;
  /// One message; json::padding_bytes follow it.
  virtual void on_channel_text(std::string_view text) = 0;
  /// The channel ended by itself; the last callback. `untouched`: nothing was ever received.
  virtual void on_channel_closed(const std::string& reason, bool untouched) = 0;
};

class channel {
 public:
  virtual ~channel() = default;
  /// Sends one message. @pre `message` is JSON on one line
  virtual void send(std::string_view message) = 0;
  /// Bytes that the server has not taken yet.
  [[nodiscard]] virtual std::size_t queued_bytes() const noexcept = 0;
  /// Of a child process; 0 otherwise.
  [[nodiscard]] virtual int pid() const noexcept { return 0; }
};

} // namespace nexus::engine
