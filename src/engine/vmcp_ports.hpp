#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "engine/vmcps.hpp"
#include "net/socket.hpp"

namespace nexus::engine {

/// A port with a socket for each worker that clients queue at already. Without sockets: none.
struct opened_port {
  std::uint16_t number = 0;
  std::vector<net::unique_fd> sockets;
};

class process;

/// Opens a port where the gateway listens. @errors net::errc::listen_failed
[[nodiscard]] result<opened_port> open_own_port(const process& shared, std::uint16_t port);

/// Which ports virtual MCPs have, and had. What is given back rests until the connections of its
/// last virtual MCP have ended, and is taken again after all others. @thread its owner's
class vmcp_ports {
 public:
  /// Opens a port; fails with the reason when somebody else has it.
  using opener = std::function<result<opened_port>(std::uint16_t port)>;
  explicit vmcp_ports(opener open) : open_(std::move(open)) {}

  void set_range(config::port_range range) noexcept { range_ = range; }
  /// A port that no virtual MCP gets. @param whose for people
  void reserve(std::uint16_t port, std::string whose);

  [[nodiscard]] bool in_range(std::uint16_t port) const noexcept {
    return port >= range_.first && port <= range_.last;
  }

  /// Takes a port for a virtual MCP. @param wish the port, or 0 for one of the range
  /// @errors std::errc::address_in_use names the port, or the range, and who has it
  [[nodiscard]] result<opened_port> take(std::string_view id, std::uint16_t wish);
  /// @param last counts the connections that are left; null: nobody has come
  void give_back(std::uint16_t port, own_port_ptr last);

 private:
  struct rest {
    std::uint64_t since = 0; ///< a sequence number
    own_port_ptr last;
  };
  [[nodiscard]] result<opened_port> take_any(std::string_view id);
  [[nodiscard]] result<opened_port> try_port(std::string_view id, std::uint16_t port);

  opener open_;
  config::port_range range_;
  std::map<std::uint16_t, std::string> holders_;
  std::map<std::uint16_t, rest> rests_;
  std::uint64_t sequence_ = 0;
};

} // namespace nexus::engine
