#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "bench/mock/delay_queue.hpp"
#include "bench/mock/mcp_server.hpp"
#include "net/reactor.hpp"

namespace nexus::mock {

class http_peer;

/// All servers of the fleet on one port: server N at /N/mcp.
class http_front {
 public:
  /// @lifetime `settings` and `on` outlive it
  http_front(const options& settings, net::reactor& on);
  ~http_front();
  http_front(const http_front&) = delete;
  http_front& operator=(const http_front&) = delete;

  /// @returns where it listens; a failure says why not
  [[nodiscard]] result<net::endpoint> listen();
  [[noreturn]] void run();

 private:
  friend class http_peer;
  /// An answer that waits, for a connection that may be gone by then.
  struct waiting {
    std::uint64_t peer;
    reply answer;
  };

  void accept(net::stream_ptr accepted);
  /// Its object lives on until the end of the turn.
  void forget(std::uint64_t peer);

  const options& settings_;
  net::reactor& reactor_;
  std::vector<std::unique_ptr<mcp_server>> servers_; ///< server N is at N - 1
  std::unique_ptr<net::listener> listener_;
  std::unordered_map<std::uint64_t, std::unique_ptr<http_peer>> peers_;
  std::vector<std::unique_ptr<http_peer>> gone_;
  std::uint64_t next_peer_ = 1;
  std::uint64_t sessions_ = 0; ///< begun so far; their ids are counted
  delay_queue<waiting> waiting_;
};

} // namespace nexus::mock
