/// nexus-mock: a fleet of MCP servers that take as long, say as much and fail as often as they are
/// told, from one process on the gateway's own reactor.

#include <csignal>
#include <filesystem>
#include <fmt/core.h>

#include "bench/e2e/sockets.hpp"
#include "bench/mock/http_front.hpp"
#include "bench/mock/options.hpp"
#include "bench/mock/stdio_front.hpp"

namespace {

using namespace nexus;

int serve(const mock::options& settings) {
  bench::raise_file_limit();
  auto reactor = net::reactor::create(settings.reactor);
  if (!reactor)
    bench::die(fmt::format("nexus-mock: {}", reactor.error().message));
  if (settings.over == mock::transport::stdio)
    return mock::stdio_front(settings, **reactor).run();
  mock::http_front front(settings, **reactor);
  const auto at = front.listen();
  if (!at)
    bench::die(fmt::format("nexus-mock: {}", at.error().message));
  fmt::print(stderr, "{} servers at http://{}/1/mcp and so on\n", settings.servers,
             at->to_string());
  front.run();
}

} // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto read = mock::parse_options({argv + 1, static_cast<std::size_t>(argc - 1)});
  if (!read) {
    fmt::print(stderr, "nexus-mock: {}\n{}", read.error(), mock::usage());
    return 2;
  }
  if (read->help) {
    fmt::print("{}", mock::usage());
    return 0;
  }
  if (read->print_config) {
    fmt::print("{}", mock::gateway_config(
                         *read, std::filesystem::read_symlink("/proc/self/exe").string()));
    return 0;
  }
  return serve(*read);
}
