#include "tests/unit/net/net_fixture.hpp"

#include <netinet/in.h>

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

namespace {

struct outcome {
  int calls = 0;
  result<stream_ptr> made = fail({}, "");
  reactor::connect_handler handler() {
    return [this](result<stream_ptr> m) {
      ++calls;
      made = std::move(m);
    };
  }
};

/// A port of 127.0.0.1 that nobody listens on.
std::uint16_t closed_port(reactor& r) {
  return server(r).socket->local().port;
}

/// A socket that listens and never accepts, with its queue filled: connecting to it gets no answer.
struct deaf_listener {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::vector<int> fillers;
  endpoint at{"127.0.0.1", 0};
  deaf_listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(fd, generic, size) == 0);
    REQUIRE(::listen(fd, 0) == 0);
    REQUIRE(::getsockname(fd, generic, &size) == 0);
    at.port = ntohs(address.sin_port);
    for (int i = 0; i < 4; ++i) {
      fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      ::connect(fillers.back(), generic, size);
    }
  }
  ~deaf_listener() {
    for (const int filler : fillers)
      ::close(filler);
    ::close(fd);
  }
};

} // namespace

TEST_CASE("connect reports a refused connection", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  outcome seen;
  const endpoint to{"127.0.0.1", closed_port(*r)};
  auto pending = r->connect({to, seconds(5), {}}, seen.handler());
  CHECK(seen.calls == 0);
  REQUIRE(run_until(*r, [&] { return seen.calls == 1; }));
  REQUIRE_FALSE(seen.made.has_value());
  CHECK(seen.made.error().code == make_error_code(errc::connect_failed));
  CHECK(seen.made.error().message.find(to.to_string()) != std::string::npos);
  CHECK(seen.made.error().message.find("refused") != std::string::npos);
}

TEST_CASE("connect tries localhost's addresses in turn", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  stream_ptr accepted;
  // The first address of localhost is refused here, the second one answers.
  auto six = r->listen({"::1", 0}, [&](stream_ptr s, const endpoint& peer) {
    CHECK(peer.host == "::1");
    accepted = std::move(s);
  });
  if (!six)
    return; // No IPv6 on this machine.
  outcome seen;
  auto pending = r->connect({{"localhost", (*six)->local().port}, seconds(5), {}}, seen.handler());
  REQUIRE(run_until(*r, [&] { return seen.calls == 1 && accepted; }));
  CHECK(seen.made.has_value());
}

TEST_CASE("connect gives up at its deadline", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  deaf_listener deaf;
  outcome seen;
  const auto begin = std::chrono::steady_clock::now();
  auto pending = r->connect({deaf.at, milliseconds(120), {}}, seen.handler());
  REQUIRE(run_until(*r, [&] { return seen.calls == 1; }));
  CHECK(std::chrono::steady_clock::now() - begin >= milliseconds(120));
  CHECK(std::chrono::steady_clock::now() - begin < seconds(5));
  REQUIRE_FALSE(seen.made.has_value());
  CHECK(seen.made.error().code == make_error_code(errc::timed_out));
}

TEST_CASE("connect that is cancelled tells nothing", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  deaf_listener deaf;
  server listening(*r);
  outcome seen;
  for (int turns = 0; turns < 4; ++turns) {
    auto slow = r->connect({deaf.at, milliseconds(100), {}}, seen.handler());
    auto quick = r->connect({listening.socket->local(), seconds(5), {}}, seen.handler());
    auto named = r->connect({{"nexus.invalid", 80}, seconds(5), {}}, seen.handler());
    for (int i = 0; i < turns; ++i)
      if (seen.calls == 0)
        r->poll();
    if (seen.calls != 0)
      break; // Loopback was quicker than this test.
  }
  const int calls = seen.calls;
  run_for(*r, milliseconds(200));
  CHECK(seen.calls == calls);
  seen.made = fail({}, "");
}

TEST_CASE("connect may be cancelled by its own handler", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  server listening(*r);
  for (const auto port : {listening.socket->local().port, closed_port(*r)}) {
    std::unique_ptr<pending_connect> pending;
    bool called = false;
    pending = r->connect({{"127.0.0.1", port}, seconds(5), {}},
                         [&, text = std::string("captured")](result<stream_ptr>) {
                           pending.reset();
                           called = text == "captured";
                         });
    REQUIRE(run_until(*r, [&] { return called; }));
  }
}

TEST_CASE("connect reports a name that does not exist", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  outcome seen;
  auto pending = r->connect({{"nexus.invalid", 80}, seconds(10), {}}, seen.handler());
  REQUIRE(run_until(*r, [&] { return seen.calls == 1; }));
  REQUIRE_FALSE(seen.made.has_value());
  const auto code = seen.made.error().code;
  // Without a name server the question itself may take too long.
  CHECK(
      (code == make_error_code(errc::resolve_failed) || code == make_error_code(errc::timed_out)));
  CHECK(seen.made.error().message.find("nexus.invalid") != std::string::npos);
}

TEST_CASE("connect asks the system for other names", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  server listening(*r);
  outcome seen;
  // No numeric address to this program, but one to getaddrinfo, which so needs no name server.
  auto pending =
      r->connect({{"127.1", listening.socket->local().port}, seconds(10), {}}, seen.handler());
  REQUIRE(run_until(*r, [&] { return seen.calls == 1 && listening.accepted.size() == 1; }));
  CHECK(seen.made.has_value());
  seen.made = fail({}, "");
}

TEST_CASE("connect bounds the TLS handshake by its deadline", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  server silent(*r);
  outcome seen;
  auto pending =
      r->connect({silent.socket->local(), milliseconds(100), tls_client_options{}}, seen.handler());
  auto cancelled = r->connect({silent.socket->local(), milliseconds(100), tls_client_options{}},
                              [](result<stream_ptr>) { FAIL(); });
  REQUIRE(run_until(*r, [&] { return silent.accepted.size() == 2; }));
  cancelled.reset();
  REQUIRE(run_until(*r, [&] { return seen.calls == 1; }));
  REQUIRE_FALSE(seen.made.has_value());
  CHECK(seen.made.error().code == make_error_code(errc::timed_out));
  CHECK(seen.made.error().message.find("TLS handshake") != std::string::npos);
  REQUIRE(run_until(*r, [&] { return r->counters().streams == 2; })); // Both clients are closed.
}

TEST_CASE("a reactor ends while a name is looked up", "[net][connect]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  outcome seen;
  std::vector<std::unique_ptr<pending_connect>> pending;
  for (int i = 0; i < 10; ++i)
    pending.push_back(r->connect({{"nexus.invalid", 80}, seconds(10), {}}, seen.handler()));
  r.reset();
  CHECK(seen.calls == 0);
}

TEST_CASE("endpoint takes addresses apart", "[net][endpoint]") {
  struct row {
    const char* text;
    const char* host; // null: refused
    std::uint16_t port;
  };
  const auto [text, host, port] = GENERATE(table<const char*, const char*, std::uint16_t>({
      {"127.0.0.1:3000", "127.0.0.1", 3000},
      {"localhost:0", "localhost", 0},
      {":8080", "", 8080},
      {"*:80", "*", 80},
      {"example.com:65535", "example.com", 65535},
      {"[::1]:3000", "::1", 3000},
      {"[::]:1", "::", 1},
      {"", nullptr, 0},
      {"localhost", nullptr, 0},
      {"localhost:", nullptr, 0},
      {"localhost:65536", nullptr, 0},
      {"localhost:99999999999", nullptr, 0},
      {"localhost:-1", nullptr, 0},
      {"localhost:+1", nullptr, 0},
      {"localhost:80 ", nullptr, 0},
      {"localhost:8o", nullptr, 0},
      {"local host:80", nullptr, 0},
      {"http://localhost:80", nullptr, 0},
      {"::1:80", nullptr, 0},
      {"[::1]", nullptr, 0},
      {"[::1:80", nullptr, 0},
      {"[localhost]:80", nullptr, 0},
      {"[]:80", nullptr, 0},
      {"user@host:80", nullptr, 0},
  }));
  CAPTURE(text);
  const auto parsed = endpoint::parse(text);
  REQUIRE(parsed.has_value() == (host != nullptr));
  if (!parsed) {
    CHECK(parsed.error().code == make_error_code(errc::listen_failed));
    CHECK_FALSE(parsed.error().message.empty());
    return;
  }
  CHECK(parsed->host == host);
  CHECK(parsed->port == port);
  CHECK(endpoint::parse(parsed->to_string())->host == host);
}
