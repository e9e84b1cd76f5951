#include "net/socket.hpp"
#include "tests/unit/net/net_fixture.hpp"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/wait.h>

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

TEST_CASE("listeners share a port, so that every worker may have one", "[net][listen]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  server first(*r);
  const endpoint at = first.socket->local();
  std::vector<stream_ptr> accepted;
  auto second =
      r->listen(at, [&](stream_ptr s, const endpoint&) { accepted.push_back(std::move(s)); });
  REQUIRE(second.has_value());
  CHECK((*second)->local().port == at.port);
  std::vector<std::unique_ptr<pending_connect>> pending;
  std::vector<stream_ptr> clients;
  for (int i = 0; i < 64; ++i)
    pending.push_back(r->connect({at, seconds(5), {}}, [&](result<stream_ptr> made) {
      REQUIRE(made.has_value());
      clients.push_back(std::move(*made));
    }));
  REQUIRE(run_until(
      *r, [&] { return clients.size() == 64 && accepted.size() + first.accepted.size() == 64; }));
  CHECK(accepted.size() > 5);
  CHECK(first.accepted.size() > 5);
}

TEST_CASE("accept_on serves clients that queued before", "[net][listen]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  auto socket = open_listener({"127.0.0.1", 0});
  REQUIRE(socket.has_value());
  const auto at = local_endpoint(socket->get());
  // Whoever asks whether the port is free learns that it is not.
  CHECK_FALSE(check_address_free(at).has_value());
  std::vector<stream_ptr> clients, accepted;
  const auto pending = r->connect({at, seconds(5), {}}, [&](result<stream_ptr> made) {
    REQUIRE(made.has_value());
    clients.push_back(std::move(*made));
  });
  REQUIRE(run_until(*r, [&] { return clients.size() == 1; }));
  auto listening = r->accept_on(
      socket->release(), [&](stream_ptr s, const endpoint&) { accepted.push_back(std::move(s)); });
  CHECK(listening->local().port == at.port);
  REQUIRE(run_until(*r, [&] { return accepted.size() == 1; }));
  // Its connection stays, and does not keep the port.
  listening.reset();
  CHECK(run_until(*r, [&] { return check_address_free(at).has_value(); }));
}

TEST_CASE("listen says what is wrong with an address", "[net][listen]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  const auto refused = [&](const endpoint& at, std::string_view hint) {
    const auto made = r->listen(at, [](stream_ptr, const endpoint&) {});
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code == make_error_code(errc::listen_failed));
    CHECK(made.error().message.find(at.to_string()) != std::string::npos);
    CHECK(made.error().message.find(hint) != std::string::npos);
  };
  // A plain listener without SO_REUSEPORT keeps its port for itself.
  const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(other, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(other, 1) == 0);
  REQUIRE(::getsockname(other, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  refused({"127.0.0.1", ntohs(address.sin_port)}, "choose another one");
  ::close(other);
  refused({"192.0.2.1", 0}, "no interface");
  refused({"example.com", 0}, "numeric");
  CHECK(r->listen({"localhost", 0}, [](stream_ptr, const endpoint&) {}).has_value());
  CHECK(r->listen({"", 0}, [](stream_ptr, const endpoint&) {}).has_value());
}

namespace {

/// Runs in a child of its own, whose descriptors are few. @returns an exit code, 0 for success
int accept_without_descriptors(reactor_kind kind) {
  auto made = reactor::create(kind);
  if (!made)
    return 1;
  reactor& r = **made;
  std::vector<stream_ptr> accepted;
  auto listening = r.listen(
      {"127.0.0.1", 0}, [&](stream_ptr s, const endpoint&) { accepted.push_back(std::move(s)); });
  if (!listening)
    return 2;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons((*listening)->local().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<int> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(clients.back(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      return 3;
  }
  // The next free descriptor is the limit: nothing can be accepted.
  const int next = ::dup(0);
  ::close(next);
  const rlimit few{static_cast<rlim_t>(next), 20000};
  if (::setrlimit(RLIMIT_NOFILE, &few) != 0)
    return 4;
  const auto before = r.counters().system_calls;
  run_for(r, milliseconds(200));
  if (accepted.size() == 8)
    return 5;
  if (r.counters().system_calls - before > 100)
    return 6; // It spins.
  const rlimit many{20000, 20000};
  if (::setrlimit(RLIMIT_NOFILE, &many) != 0)
    return 7;
  if (!run_until(
          r, [&] { return accepted.size() == 8; }, seconds(5)))
    return 8;
  return 0;
}

} // namespace

TEST_CASE("a listener without descriptors waits for some and goes on", "[net][listen]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0)
    ::_exit(accept_without_descriptors(kind));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
