#include "tests/unit/net/net_fixture.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

namespace {

/// In a child of its own, whose kernel refuses to set a ring up. @returns an exit code
int create_without_ring(int refusal) {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(refusal)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{4, const_cast<sock_filter*>(program)};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return 1;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    return 2;
  const auto ring = reactor::create(reactor_kind::io_uring);
  if (ring || ring.error().code != make_error_code(errc::unsupported))
    return 3;
  const auto fallback = reactor::create(reactor_kind::automatic);
  if (!fallback || (*fallback)->kind() != reactor_kind::epoll)
    return 4;
  const std::string reason = std::generic_category().message(refusal);
  if ((*fallback)->fallback_reason().find(reason) == std::string::npos)
    return 5;
  return (*fallback)->fallback_reason() == ring.error().message ? 0 : 6;
}

} // namespace

TEST_CASE("reactor falls back to epoll wherever io_uring is refused", "[net][reactor]") {
  const int refusal = GENERATE(ENOSYS, EPERM, EACCES, EINVAL, ENOMEM);
  CAPTURE(refusal);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0)
    ::_exit(create_without_ring(refusal));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("reactor handles more events at once than its queues hold", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  const std::size_t room = std::min<std::size_t>(files.rlim_cur, 12'000);
  auto r = make_reactor(kind);
  std::vector<std::unique_ptr<raw_pair>> pairs;
  for (std::size_t i = 0; i < (room - 100) / 2; ++i) {
    pairs.push_back(std::make_unique<raw_pair>(*r));
    auto& ours = pairs.back()->ours;
    ours.seen.data_hook = [&ours](std::string_view bytes) { ours.send(bytes); };
  }
  run_for(*r, milliseconds(20));
  for (auto& pair : pairs)
    pair->say("a");
  for (auto& pair : pairs)
    pair->say("bc");
  std::size_t complete = 0;
  std::vector<std::string> heard(pairs.size());
  REQUIRE(turn_until(*r, [&] {
    complete = 0;
    for (std::size_t i = 0; i < pairs.size(); ++i)
      if (heard[i].size() < 3)
        heard[i] += pairs[i]->heard();
      else
        ++complete;
    return complete == pairs.size();
  }));
  for (const auto& text : heard)
    CHECK(text == "abc");
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
  CHECK(r->counters().waits - before <= 10); // one that does not sleep counts thousands
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

TEST_CASE("reactor spins for two parties and sleeps between many", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  const auto parties = GENERATE(1U, 2U, 3U, 8U);
  CAPTURE(name_of(kind), parties);
  const auto r = make_reactor(kind);
  std::vector<std::unique_ptr<raw_pair>> pairs;
  for (unsigned i = 0; i < parties; ++i)
    pairs.push_back(std::make_unique<raw_pair>(*r));
  constexpr std::size_t rounds = 400;
  const auto before = r->counters().waits;
  for (std::size_t i = 0; i < rounds; ++i) {
    auto& one = *pairs[i % parties];
    const auto heard = one.ours.seen.data.size();
    one.say("x");
    REQUIRE(run_until(*r, [&] { return one.ours.seen.data.size() > heard; }));
  }
  // What is spun through is no sleep. The machine may be busy, and make some waits long.
  const auto sleeps = r->counters().waits - before;
  if (parties <= 2)
    CHECK(sleeps < rounds / 2);
  else
    CHECK(sleeps >= rounds - 10);
}

TEST_CASE("reactor spins through a conversation and sleeps after it", "[net][reactor]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  const auto r = make_reactor(kind);
  constexpr int rounds = 500;
  int heard = 0;
  std::atomic<bool> stop = false;
  std::atomic<int> asked = 0;
  std::thread peer([&] {
    for (int said = 0; !stop.load();) {
      if (said == asked.load()) {
        std::this_thread::yield();
        continue;
      }
      ++said;
      r->post([&] { ++heard; });
    }
  });
  for (int i = 0; i < rounds; ++i) {
    ++asked;
    while (heard < i + 1)
      r->wait(seconds(5));
  }
  stop = true;
  peer.join();
  CHECK(heard == rounds);
  // Whatever it learnt from that, a silent quarter of a second costs next to nothing.
  const auto cpu = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
  };
  const auto before = cpu();
  const auto end = std::chrono::steady_clock::now() + milliseconds(250);
  while (std::chrono::steady_clock::now() < end)
    r->wait(milliseconds(25));
  CHECK(cpu() - before < milliseconds(20));
}
