#pragma once

#include <cstdint>

namespace nexus::bench {

/// The floor of every proxy: each client connection gets a server connection of its own, and bytes
/// go from one to the other without a look at them. Both never return.
[[noreturn]] void run_epoll_relay(std::uint16_t listen_port, std::uint16_t server_port);
[[noreturn]] void run_uring_relay(std::uint16_t listen_port, std::uint16_t server_port);

} // namespace nexus::bench
