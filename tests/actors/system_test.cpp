#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actors/system.hpp"
#include "base/limits.hpp"
#include "fused_fixture.hpp"

using namespace nexus;
using nexus::actors::test::eventually;

namespace {

/// A legacy MCP server in a dozen lines of shell: one tool that says which process it is.
constexpr std::string_view shell_server = R"sh(
while read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  case $line in
  *'"initialize"'*) r='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
  *'"tools/list"'*) r='{"tools":[{"name":"pid","inputSchema":{"type":"object"}}]}' ;;
  *'"tools/call"'*) r='{"content":[{"type":"text","text":"pid '$$'"}]}' ;;
  *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id"; continue ;;
  *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$r"
done
)sh";

config::server shell(const std::string& name) {
  config::server s;
  s.name = name;
  s.argv = {"/bin/sh", "-c", std::string(shell_server)};
  return s;
}

config::gateway settings_with(std::vector<config::server> servers) {
  config::gateway g;
  g.workers = 2;
  g.servers = std::move(servers);
  return g;
}

struct running {
  std::unique_ptr<gateway_system> system;
  net::endpoint at;

  explicit running(const config::gateway& settings) {
    auto started = gateway_system::start(settings, engine::own_ports::none);
    REQUIRE(started.has_value());
    system = std::move(*started);
    auto bound = system->listen({"127.0.0.1", 0});
    REQUIRE(bound.has_value());
    at = *bound;
  }
  bool reaches(std::size_t ready, std::size_t down, std::size_t idle, std::size_t all) const {
    return eventually([&] {
      const auto p = system->servers();
      return p.ready == ready && p.down == down && p.idle == idle && p.all == all;
    });
  }
  /// A modern request on a connection of its own; the whole response.
  std::string ask(const std::string& method, const std::string& params,
                  const std::string& name = "") const {
    const std::string body = R"({"jsonrpc":"2.0","id":"q","method":")" + method +
                             R"(","params":{)" + params + (params.empty() ? "" : ",") +
                             R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                             R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
    std::string request =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " +
        method + (name.empty() ? "" : "\r\nMcp-Name: " + name) +
        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(at.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    timeval limit{30, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()));
    std::string response;
    char buffer[4096];
    // A child that starts may interrupt the wait.
    for (ssize_t n = 0;
         (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0 || (n < 0 && errno == EINTR);)
      response.append(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
    ::close(fd);
    return response;
  }
  /// The process that answered the tool, or 0.
  int call_pid(const std::string& tool) const {
    const auto response = ask("tools/call", R"("name":")" + tool + "\"", tool);
    const auto found = response.find("\"pid ");
    INFO(response);
    CHECK(found != std::string::npos);
    return found == std::string::npos ? 0 : std::atoi(response.c_str() + found + 5);
  }
};

bool gone(int pid) {
  return eventually([&] { return ::kill(pid, 0) != 0; });
}

} // namespace

TEST_CASE("the threads of workers bear their names", "[actors][system]") {
  const auto settings = settings_with({});
  running gateway(settings);
  CHECK(eventually([] {
    std::set<std::string> names;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string name;
      std::getline(file, name);
      names.insert(name);
    }
    return names.contains("worker-0") && names.contains("worker-1");
  }));
}

TEST_CASE("a gateway connects, serves, reloads and ends", "[actors][system]") {
  auto settings = settings_with({shell("one"), shell("two")});
  int first = 0, second = 0;
  {
    running gateway(settings);
    REQUIRE(gateway.reaches(2, 0, 0, 2));
    const auto list = gateway.ask("tools/list", "");
    CHECK(list.find("\"one__pid\"") != std::string::npos);
    CHECK(list.find("\"two__pid\"") != std::string::npos);
    first = gateway.call_pid("one__pid");
    second = gateway.call_pid("two__pid");
    CHECK(first != second);

    // Unchanged servers keep their processes, removed ones end theirs.
    settings.servers = {shell("three"), shell("one")};
    gateway.system->apply(settings);
    REQUIRE(gateway.reaches(2, 0, 0, 2));
    CHECK(gone(second));
    CHECK(eventually(
        [&] { return gateway.ask("tools/list", "").find("\"three__pid\"") != std::string::npos; }));
    CHECK(gateway.ask("tools/list", "").find("\"two__pid\"") == std::string::npos);
    CHECK(gateway.call_pid("one__pid") == first);

    // A changed server is a new process under the old name.
    settings.servers[1].call_timeout = milliseconds(5'000);
    gateway.system->apply(settings);
    CHECK(gone(first));
    REQUIRE(gateway.reaches(2, 0, 0, 2));
    const auto third = gateway.call_pid("one__pid");
    CHECK(third != first);

    gateway.system->drain();
    CHECK(gone(third));
  }
}

TEST_CASE("a server that dies is connected again", "[actors][system]") {
  running gateway(settings_with({shell("one")}));
  REQUIRE(gateway.reaches(1, 0, 0, 1));
  const auto before = gateway.call_pid("one__pid");
  REQUIRE(::kill(before, SIGKILL) == 0);
  int after = 0;
  CHECK(eventually([&] {
    const auto response = gateway.ask("tools/call", R"("name":"one__pid")", "one__pid");
    const auto found = response.find("\"pid ");
    after = found == std::string::npos ? 0 : std::atoi(response.c_str() + found + 5);
    return after != 0 && after != before;
  }));
  gateway.system->drain();
  CHECK(gone(after));
}

TEST_CASE("a lazy server starts with the first call", "[actors][system]") {
  auto lazy = shell("one");
  lazy.lazy = true;
  running gateway(settings_with({lazy}));
  REQUIRE(gateway.reaches(0, 0, 1, 1));
  CHECK(gateway.call_pid("one__pid") > 0);
  CHECK(gateway.reaches(1, 0, 0, 1));
}

TEST_CASE("servers that cannot work do not disturb the others", "[actors][system]") {
  auto missing = shell("missing"), unusable = shell("unusable"), mute = shell("mute");
  missing.argv = {"/nonexistent/server"};
  unusable.unusable_reason = "an input is not set";
  mute.argv = {"/bin/sh", "-c", "exit 3"};
  running gateway(settings_with({missing, unusable, shell("good"), mute}));
  // "mute" is tried again and again, and is connecting or down.
  CHECK(eventually([&] {
    const auto p = gateway.system->servers();
    return p.all == 4 && p.ready == 1 && p.down >= 2;
  }));
  CHECK(gateway.call_pid("good__pid") > 0);
  const auto refused = gateway.ask("tools/call", R"("name":"unusable__x")", "unusable__x");
  CHECK(refused.find("error") != std::string::npos);
}

TEST_CASE("a gateway ends at any moment", "[actors][system]") {
  for (int round = 0; round < 10; ++round) {
    running gateway(settings_with({shell("one"), shell("two"), shell("three")}));
    std::this_thread::sleep_for(milliseconds(7 * round));
    if (round % 2 == 0)
      gateway.system->apply(settings_with({shell("two"), shell("four")}));
    if (round % 3 == 0)
      gateway.system->drain();
  }
}
