#include "tests/unit/net/net_fixture.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/limits.hpp"

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

TEST_CASE("tcp echoes messages of every size", "[net][tcp]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  const auto size = GENERATE(as<std::size_t>{}, 1, 2, 255, 4096, 16'383, 16'384, 16'385, 65'536,
                             65'537, 1'000'003, 16U << 20U);
  CAPTURE(size);
  tcp_pair pair(*r);
  auto& peer = pair.peer();
  peer.seen.data_hook = [&](std::string_view bytes) { peer.send(bytes); };
  const std::string message = pattern(size);
  pair.client.send(message);
  REQUIRE(run_until(*r, [&] { return pair.client.seen.data.size() >= size; }));
  CHECK(pair.client.seen.data == message);
  CHECK(pair.client.stream->queued_bytes() == 0);
  CHECK(pair.client.seen.errors.empty());
}

TEST_CASE("tcp keeps order over many small writes", "[net][tcp]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  tcp_pair pair(*r);
  std::string sent;
  for (unsigned i = 0; i < 2000; ++i) {
    const std::string part = std::to_string(i) + ",";
    sent += part;
    pair.client.send(part);
    if (i % 7 == 0)
      r->poll();
  }
  REQUIRE(run_until(*r, [&] { return pair.peer().seen.data.size() >= sent.size(); }));
  CHECK(pair.peer().seen.data == sent);
}

TEST_CASE("tcp half close delivers everything first, then the end, once", "[net][tcp]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  tcp_pair pair(*r);
  auto& peer = pair.peer();
  const std::string message = pattern(3'000'000);
  pair.client.send(message);
  pair.client.stream->shutdown_write();
  REQUIRE(run_until(*r, [&] { return peer.seen.ends == 1; }));
  CHECK(peer.seen.data == message);
  CHECK(pair.client.seen.ends == 0);
  // The other direction still works.
  peer.send("answer");
  peer.stream->shutdown_write();
  REQUIRE(run_until(*r, [&] { return pair.client.seen.ends == 1; }));
  CHECK(pair.client.seen.data == "answer");
  run_for(*r, milliseconds(20));
  CHECK(peer.seen.ends == 1);
  CHECK(pair.client.seen.errors.empty());
}

TEST_CASE("tcp reports a reset as an error, the last callback", "[net][tcp]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  server listening(*r);
  const int raw = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(listening.socket->local().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(raw, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  REQUIRE(run_until(*r, [&] { return listening.accepted.size() == 1; }));
  auto& peer = *listening.accepted[0];
  const linger hard{1, 0};
  ::setsockopt(raw, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(raw);
  REQUIRE(run_until(*r, [&] { return !peer.seen.errors.empty(); }));
  CHECK(peer.seen.failed_with(errc::reset));
  CHECK(peer.seen.ends == 0);
  // What is written now goes nowhere and tells nothing.
  peer.send("into the void");
  run_for(*r, milliseconds(20));
  CHECK(peer.seen.errors.size() == 1);
  CHECK(peer.stream->queued_bytes() == 0);
}

TEST_CASE("accepted and connected sockets do not wait for more to send", "[net][tcp]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  tcp_pair pair(*r);
  // Descriptors are not part of the interface: every TCP socket of this process is looked at.
  int sockets = 0;
  for (int fd = 3; fd < 100; ++fd) {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
      continue;
    if (protocol != IPPROTO_TCP)
      continue;
    int no_delay = 0;
    size = sizeof no_delay;
    REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
    CHECK(no_delay != 0);
    ++sockets;
  }
  CHECK(sockets == 3);
}

TEST_CASE("five hundred connections talk at once", "[net][tcp]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  server listening(*r);
  constexpr std::size_t count = 500;
  std::vector<end_point> clients(count);
  std::vector<std::unique_ptr<pending_connect>> pending;
  std::size_t connected = 0;
  for (auto& client : clients)
    pending.push_back(
        r->connect({listening.socket->local(), seconds(10), {}}, [&](result<stream_ptr> made) {
          REQUIRE(made.has_value());
          client.set(std::move(*made));
          ++connected;
        }));
  REQUIRE(run_until(*r, [&] { return connected == count && listening.accepted.size() == count; }));
  CHECK(r->counters().streams == 2 * count);
  for (auto& peer : listening.accepted)
    peer->seen.data_hook = [p = peer.get()](std::string_view bytes) { p->send(bytes); };
  for (int round = 1; round <= 5; ++round) {
    for (std::size_t i = 0; i < count; ++i)
      clients[i].send(pattern(300, static_cast<unsigned>(i)));
    REQUIRE(run_until(*r, [&] {
      for (auto& client : clients)
        if (client.seen.data.size() < 300U * static_cast<unsigned>(round))
          return false;
      return true;
    }));
  }
  for (std::size_t i = 0; i < count; ++i)
    CHECK(clients[i].seen.data.substr(1200) == pattern(300, static_cast<unsigned>(i)));
  for (auto& client : clients)
    client.stream.reset();
  REQUIRE(run_until(*r, [&] {
    for (auto& peer : listening.accepted)
      if (peer->seen.ends + static_cast<int>(peer->seen.errors.size()) == 0)
        return false;
    return true;
  }));
  CHECK(r->counters().streams == count);
}
