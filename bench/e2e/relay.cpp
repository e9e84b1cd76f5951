// nexus_e2e_relay: the floor that the gateway and its peers are measured against.

#include "bench/e2e/relay.hpp"
#include "bench/e2e/sockets.hpp"

#include <charconv>
#include <csignal>
#include <string_view>

namespace {

constexpr const char* usage =
    "usage: nexus_e2e_relay --listen-port N --to-port N [--reactor epoll|io_uring]";

std::uint16_t port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || port == 0)
    nexus::bench::die(usage);
  return port;
}

} // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::uint16_t listen_port = 0;
  std::uint16_t server_port = 0;
  std::string_view reactor = "epoll";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--listen-port")
      listen_port = port_of(argv[i + 1]);
    else if (name == "--to-port")
      server_port = port_of(argv[i + 1]);
    else if (name == "--reactor")
      reactor = argv[i + 1];
    else
      nexus::bench::die(usage);
  }
  if (listen_port == 0 || server_port == 0)
    nexus::bench::die(usage);
  nexus::bench::raise_file_limit();
  if (reactor == "epoll")
    nexus::bench::run_epoll_relay(listen_port, server_port);
  if (reactor == "io_uring")
    nexus::bench::run_uring_relay(listen_port, server_port);
  nexus::bench::die(usage);
}
