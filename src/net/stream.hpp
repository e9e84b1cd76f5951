#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "base/result.hpp"

/// Byte streams on a reactor: TCP connections, pipes to child processes, TLS over TCP.
/// Everything here belongs to the thread of the reactor that made it.
namespace nexus::net {

enum class errc {
  connect_failed = 1, ///< refused, unreachable, name not found
  timed_out,          ///< connect, TLS handshake or a stalled peer
  reset,              ///< the peer reset the connection, or EPIPE
  write_queue_full,   ///< the peer takes too little: limits::write_queue_bytes_max reached
  tls_failed,         ///< handshake or certificate verification
  listen_failed,      ///< address in use, no permission
  spawn_failed,       ///< a child process could not be started
  resolve_failed,     ///< the name has no address
  unsupported,        ///< this kernel or sandbox lacks what the reactor needs
  closed,             ///< closed by this side
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// So many bytes behind what on_data() gets may be read, whatever they are: parsers that look at
/// whole vectors need not copy the text to do so.
inline constexpr std::size_t readable_beyond_bytes = 64;

/// Receives what happens on a stream. Handlers may call any method of the stream, and may destroy
/// its stream_ptr, from within a callback.
class stream_handler {
 public:
  virtual ~stream_handler() = default;
  /// Bytes that arrived, with readable_beyond_bytes behind them; valid during the call only.
  virtual void on_data(std::string_view bytes) = 0;
  /// The peer will send nothing more; writing may still work.
  virtual void on_end() = 0;
  /// The write queue fell below limits::write_queue_low_bytes after having been above
  /// limits::write_queue_high_bytes.
  virtual void on_drained() {}
  /// The stream failed (reset, write_queue_full, tls_failed, timed_out). The last callback.
  virtual void on_error(const error& reason) = 0;
};

struct stream_releaser;

/// A byte stream. Reading starts when a handler is set. Writing is buffered: append to out(), then
/// flush(); what all callers of one reactor turn appended leaves in one system call at its end.
class stream {
 public:
  stream() = default;
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  /// Starts reading; replaces the handler when there is one. @pre handler outlives the stream_ptr
  virtual void set_handler(stream_handler& handler) = 0;
  /// The bytes to send next. Append only; valid until the next call of any method.
  [[nodiscard]] virtual std::string& out() = 0;
  /// Has out() sent at the end of this turn.
  virtual void flush() = 0;
  /// Bytes that the kernel has not taken yet, out() included.
  [[nodiscard]] virtual std::size_t queued_bytes() const noexcept = 0;
  /// The same with what the kernel has taken and the peer has not. @cost a system call
  [[nodiscard]] virtual std::size_t unread_bytes() const noexcept = 0;
  /// Stops and restarts on_data(): back-pressure for the peer.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Ends the sending side once everything queued is sent (FIN; close of a child's stdin).
  virtual void shutdown_write() = 0;

 protected:
  /// Closes at once, drops what is queued, and frees the object when the kernel holds none of its
  /// buffers any more. No callback follows. Called by stream_ptr alone.
  virtual void release() noexcept = 0;
  /// Lets go as close_after_flush() says. A stream over another one passes it on to that one.
  virtual void release_after_flush() noexcept { release(); }
  virtual ~stream() = default;
  friend struct stream_releaser;
  friend void close_after_flush(std::unique_ptr<stream, stream_releaser> closing);
};

struct stream_releaser {
  void operator()(stream* s) const noexcept { s->release(); }
};
/// Owns a stream; destroying it closes the stream.
using stream_ptr = std::unique_ptr<stream, stream_releaser>;

/// Destroys the pointer after everything queued has been sent, or when the peer takes nothing for
/// limits::write_stall_timeout: the last answer of a connection. The sending side ends then, and a
/// socket is read and discarded until its peer ends too or limits::linger_timeout has passed: a
/// socket closed over unread bytes resets the connection and may destroy the answer.
void close_after_flush(stream_ptr closing);

} // namespace nexus::net

template <>
struct std::is_error_code_enum<nexus::net::errc> : std::true_type {};
