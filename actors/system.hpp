#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "engine/control.hpp"
#include "net/reactor.hpp"

/// The running gateway behind one plain class: nothing of CAF shows.
namespace nexus {

/// A gateway of this process: workers, actors, servers. One at a time.
class gateway_system {
 public:
  /// Starts the workers and begins to connect the servers; does not wait for them.
  /// @param ports which virtual MCPs get ports of their own
  /// @errors net::errc::unsupported when the reactor asked for is not to be had
  [[nodiscard]] static result<std::unique_ptr<gateway_system>>
  start(const config::gateway& settings, engine::own_ports ports);
  virtual ~gateway_system() = default;

  /// Accepts HTTP clients on every worker. @returns the bound address
  /// @errors net::errc::listen_failed
  [[nodiscard]] virtual result<net::endpoint> listen(const net::endpoint& at) = 0;
  /// Serves one client over two descriptors. @param on_finished called once, on a worker's thread
  virtual void serve_stdio(int read_fd, int write_fd, std::function<void()> on_finished) = 0;
  /// Makes the servers those of `settings`: unchanged ones keep their connections.
  virtual void apply(const config::gateway& settings) = 0;
  /// Counts a reload for the metrics.
  virtual void count_reload(bool ok) = 0;
  /// How many servers are ready, and how many there are.
  struct progress {
    std::size_t ready = 0, down = 0, idle = 0, all = 0;
  };
  [[nodiscard]] virtual progress servers() = 0;
  /// Stops: refuses what is new, lets calls end within limits.drain_timeout, stops the servers.
  /// Blocks the caller.
  virtual void drain() = 0;
};

} // namespace nexus
