#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "net/stream.hpp"
#include "net/timer.hpp"

/// One reactor per worker thread: its ring (or epoll set), timers and posted work.
namespace nexus::net {

enum class reactor_kind : std::uint8_t { automatic, io_uring, epoll };

/// `HOST:PORT` taken apart. IPv6 hosts stand in brackets.
struct endpoint {
  std::string host;
  std::uint16_t port = 0;
  [[nodiscard]] std::string to_string() const;
  /// @errors listen_failed with the reason
  [[nodiscard]] static result<endpoint> parse(std::string_view text);
};

/// A TCP listener. Destroying it stops accepting.
class listener {
 public:
  virtual ~listener() = default;
  /// The bound address: the real port when 0 was asked for.
  [[nodiscard]] virtual endpoint local() const = 0;
};

struct tls_client_options {
  bool verify = true;                     ///< chain and host name
  std::string server_name;                ///< SNI and host name to verify
  std::string ca_file;                    ///< PEM; the system's store when empty
  std::string certificate_file, key_file; ///< client certificate, optional
};

struct connect_options {
  endpoint to;
  milliseconds timeout{10'000}; ///< name lookup, TCP and TLS together
  std::optional<tls_client_options> tls;
};

/// Cancels a pending connect when destroyed.
class pending_connect {
 public:
  virtual ~pending_connect() = default;
};

/// Counters of one reactor, read by the metrics scrape from any thread.
struct reactor_counters {
  std::uint64_t turns = 0; ///< loop iterations that found work
  std::uint64_t waits = 0; ///< sleeps
  std::uint64_t system_calls = 0;
  std::uint64_t completions = 0; ///< I/O events handled
  std::uint64_t posted = 0;      ///< functions posted by other threads
  std::uint64_t streams = 0;     ///< open now
};

class reactor {
 public:
  /// @errors unsupported when io_uring was asked for and the kernel or a seccomp filter refuses it;
  ///         `automatic` falls back to epoll and says so through `fallback_reason()`
  [[nodiscard]] static result<std::unique_ptr<reactor>> create(reactor_kind kind);
  virtual ~reactor() = default;

  [[nodiscard]] virtual reactor_kind kind() const noexcept = 0;
  /// Why `automatic` did not take io_uring; empty otherwise.
  [[nodiscard]] virtual const std::string& fallback_reason() const noexcept = 0;

  /// Handles everything that is ready without sleeping: posts, I/O, due timers; then sends what
  /// streams flushed. @returns how many events were handled
  ///
  /// What is flushed between two calls leaves with the next one. io_uring also keeps what is
  /// flushed during a call for the next one, which then submits, waits and collects in one system
  /// call: call poll() or wait() in a loop.
  virtual std::size_t poll() = 0;
  /// As poll(), but first sleeps until something is ready, a timer is due, `max` has passed, or
  /// wake() is called; a signal may end the sleep early. @returns how many events were handled
  virtual std::size_t wait(nanoseconds max) = 0;
  /// Ends a wait() from any thread. Cheap when the reactor does not sleep.
  virtual void wake() noexcept = 0;
  /// Runs `work` on this reactor's thread in its next turn; wakes it. @thread any
  virtual void post(unique_function<void()> work) = 0;

  /// Monotonic time, read once per turn.
  [[nodiscard]] virtual time_point now() const noexcept = 0;
  [[nodiscard]] virtual timer_wheel& timers() noexcept = 0;

  /// Listens with SO_REUSEPORT, so that every worker may hold a listener on one port.
  /// TCP_NODELAY is set on accepted connections.
  using accept_handler = unique_function<void(stream_ptr accepted, const endpoint& peer)>;
  [[nodiscard]] virtual result<std::unique_ptr<listener>> listen(const endpoint& at,
                                                                 accept_handler on_accept) = 0;
  /// As listen(), on a socket of open_listener(), which is taken over.
  [[nodiscard]] virtual std::unique_ptr<listener> accept_on(int listening_fd,
                                                            accept_handler on_accept) = 0;
  using connect_handler = unique_function<void(result<stream_ptr> connected)>;
  [[nodiscard]] virtual std::unique_ptr<pending_connect> connect(connect_options options,
                                                                 connect_handler on_done) = 0;
  /// Takes descriptors over: `read_fd` and `write_fd` may be equal (a socket) or -1 (one way).
  /// What is no socket gets O_NONBLOCK, which is taken back when the stream closes it.
  [[nodiscard]] virtual stream_ptr adopt(int read_fd, int write_fd) = 0;

  [[nodiscard]] virtual reactor_counters counters() const noexcept = 0;

  void arm(timer& t, nanoseconds delay) { timers().arm(t, now(), delay); }
  void arm(lazy_timer& t, nanoseconds delay) { timers().arm(t, now(), delay); }
};

} // namespace nexus::net
