#include "tests/unit/net/net_fixture.hpp"

#include <atomic>
#include <csignal>
#include <thread>

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

TEST_CASE("reactor takes io_uring where it is allowed, and says why not elsewhere",
          "[net][reactor]") {
  auto automatic = reactor::create(reactor_kind::automatic);
  REQUIRE(automatic.has_value());
  const auto ring = reactor::create(reactor_kind::io_uring);
  if (ring) {
    CHECK((*automatic)->kind() == reactor_kind::io_uring);
    CHECK((*automatic)->fallback_reason().empty());
  } else {
    CHECK((*automatic)->kind() == reactor_kind::epoll);
    CHECK((*automatic)->fallback_reason() == ring.error().message);
    CHECK(ring.error().code == make_error_code(errc::unsupported));
  }
  CHECK(make_reactor(reactor_kind::epoll)->fallback_reason().empty());
}

TEST_CASE("reactor ignores SIGPIPE for the process", "[net][reactor]") {
  make_reactor(reactor_kind::epoll);
  struct sigaction action {};
  REQUIRE(::sigaction(SIGPIPE, nullptr, &action) == 0);
  CHECK(action.sa_handler == SIG_IGN);
}

TEST_CASE("reactor sleeps no longer than asked, nor past a timer", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  // A signal may end a wait early, and so does the kernel when it tidies up after another ring.
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i)
    CHECK(r->wait(milliseconds(30)) == 0);
  auto slept = std::chrono::steady_clock::now() - begin;
  CHECK(slept >= milliseconds(30));
  CHECK(slept < seconds(5));
  bool fired = false;
  timer t([&] { fired = true; });
  begin = std::chrono::steady_clock::now();
  r->poll();
  r->arm(t, milliseconds(20));
  REQUIRE(run_until(
      *r, [&] { return fired; }, seconds(10), std::chrono::hours(1)));
  slept = std::chrono::steady_clock::now() - begin;
  CHECK(slept >= milliseconds(20));
  CHECK(slept < seconds(5));
  CHECK(r->now() <= std::chrono::steady_clock::now());
  CHECK(r->counters().waits >= 2);
}

TEST_CASE("reactor idle polls cost io_uring no system call", "[net][reactor]") {
  if (kinds_here().size() < 2)
    return;
  auto r = make_reactor(reactor_kind::io_uring);
  r->poll();
  r->poll();
  const auto before = r->counters().system_calls;
  for (int i = 0; i < 100; ++i)
    r->poll();
  CHECK(r->counters().system_calls == before);
}

TEST_CASE("reactor runs posted work in order, on its thread", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  std::vector<int> order;
  const auto here = std::this_thread::get_id();
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i)
      r->post([&, i] {
        CHECK(std::this_thread::get_id() == here);
        order.push_back(i);
      });
  });
  REQUIRE(run_until(*r, [&] { return order.size() == 1000; }));
  other.join();
  CHECK(std::is_sorted(order.begin(), order.end()));
  // Work that posts work: the next turn does it, and no turn is endless.
  int depth = 0;
  std::function<void()> again = [&] {
    if (++depth < 5)
      r->post([&] { again(); });
  };
  r->post([&] { again(); });
  for (int turn = 1; turn <= 5; ++turn) {
    r->wait(std::chrono::hours(1));
    CHECK(depth == turn);
  }
  CHECK(r->counters().posted == 1005);
}

TEST_CASE("reactor wait ends by a wake, also by one that came before it", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  r->wake();
  r->wake();
  const auto begin = std::chrono::steady_clock::now();
  r->wait(seconds(30));
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(20));
    r->wake();
  });
  r->wait(seconds(30));
  other.join();
  CHECK(std::chrono::steady_clock::now() - begin < seconds(20));
  // Wakes are not saved up: at most one more return, then it sleeps.
  const auto before = r->counters().waits;
  const auto last = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - last < milliseconds(50))
    r->wait(milliseconds(50));
  CHECK(r->counters().waits - before <= 3);
}

namespace {

/// Two reactors on two threads pass a ball back and forth. A lost wake-up ends it: neither waits
/// for less than a minute.
std::uint64_t ping_pong(reactor_kind first, reactor_kind second, std::uint64_t rounds) {
  struct side {
    std::unique_ptr<reactor> r;
    std::atomic<bool> ready{false};
    std::uint64_t hits = 0;
  };
  side a, b;
  std::atomic<bool> over{false};
  std::function<void(side&, side&)> hit = [&](side& here, side& there) {
    if (++here.hits >= rounds) {
      over = true;
      there.r->wake();
      return;
    }
    there.r->post([&] { hit(there, here); });
  };
  const auto run = [&](side& here, reactor_kind kind) {
    here.r = std::move(*reactor::create(kind));
    here.ready = true;
    while (!a.ready || !b.ready)
      std::this_thread::yield();
    while (!over)
      here.r->wait(seconds(60));
  };
  std::thread other([&] { run(b, second); });
  std::thread one([&] { run(a, first); });
  while (!a.ready || !b.ready)
    std::this_thread::yield();
  a.r->post([&] { hit(a, b); });
  one.join();
  other.join();
  return a.hits + b.hits;
}

} // namespace

TEST_CASE("two reactors wake one another without ever losing a wake-up", "[net][reactor]") {
  const auto kinds = kinds_here();
  const auto first = GENERATE_COPY(from_range(kinds));
  const auto second = GENERATE_COPY(from_range(kinds));
  CAPTURE(name_of(first), name_of(second));
#ifdef NEXUS_SANITIZED
  constexpr std::uint64_t rounds = 10'000;
#else
  constexpr std::uint64_t rounds = 100'000;
#endif
  const auto begin = std::chrono::steady_clock::now();
  CHECK(ping_pong(first, second, rounds) >= 2 * rounds - 1);
  CHECK(std::chrono::steady_clock::now() - begin < seconds(55));
}

TEST_CASE("reactor survives posts and wakes of many threads while it works", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  pair.ours.seen.data_hook = [&](std::string_view bytes) { pair.ours.send(bytes); };
  std::atomic<int> running{4};
  int done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        if (i % 3 == 0)
          r->wake();
        r->post([&] { ++done; });
        static_cast<void>(r->counters().turns);
      }
      --running;
    });
  std::string heard;
  std::size_t said = 0;
  REQUIRE(turn_until(*r, [&] {
    if (said < 5000) {
      pair.say("x");
      ++said;
    }
    heard += pair.heard();
    return running == 0 && done == 8000 && heard.size() == said && said > 100;
  }));
  for (auto& thread : threads)
    thread.join();
}
