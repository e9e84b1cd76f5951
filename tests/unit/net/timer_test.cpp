#include "net/timer.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace nexus;
using net::lazy_timer;
using net::timer;
using net::timer_wheel;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

namespace {

constexpr nanoseconds tick = timer_wheel::tick;
const time_point start = time_point() + hours(1000);

/// The first advance() to this moment or a later one fires a timer that was armed so.
time_point due(time_point now, nanoseconds delay) {
  const nanoseconds since_start = now - start + delay;
  return start + (since_start + tick - nanoseconds(1)) / tick * tick;
}

} // namespace

TEST_CASE("timer fires once, at its tick and never before", "[net][timer]") {
  const auto delay = GENERATE(as<nanoseconds>{}, 1, 999'999, 4'000'000, 4'000'001, 100'000'000,
                              255'999'999, 256'000'000, 256'000'001, 16'384'000'000,
                              1'048'576'000'000, 75'000'000'000, 3'600'000'000'000);
  const auto offset = GENERATE(as<nanoseconds>{}, 0, 1, 3'999'999, 1'234'567'891);
  CAPTURE(delay.count(), offset.count());
  timer_wheel wheel(start);
  const time_point armed_at = start + offset;
  wheel.advance(armed_at);
  int fired = 0;
  timer t([&] { ++fired; });
  wheel.arm(t, armed_at, delay);
  CHECK(t.armed());
  CHECK(wheel.size() == 1);
  const time_point at = due(armed_at, delay);
  CHECK(wheel.advance(armed_at + delay - nanoseconds(1)) == 0);
  CHECK(wheel.advance(at - nanoseconds(1)) == 0);
  CHECK(fired == 0);
  CHECK(wheel.advance(at) == 1);
  CHECK(fired == 1);
  CHECK_FALSE(t.armed());
  CHECK(wheel.size() == 0);
  CHECK(wheel.advance(at + hours(100)) == 0);
}

TEST_CASE("timer with no delay fires at the next tick, even when armed by its action",
          "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  timer t;
  t.set_action([&] {
    if (++fired < 3)
      wheel.arm(t, start + tick * 5, nanoseconds::zero());
  });
  wheel.advance(start + tick * 4);
  wheel.arm(t, start + tick * 4, nanoseconds::zero());
  CHECK(wheel.advance(start + tick * 4) == 0);
  CHECK(wheel.advance(start + tick * 5) == 1);
  CHECK(wheel.advance(start + tick * 6) == 1);
  CHECK(wheel.advance(start + tick * 7) == 1);
  CHECK(fired == 3);
}

TEST_CASE("timer takes negative and endless delays", "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  timer past([&] { ++fired; });
  timer never([&] { FAIL(); });
  wheel.arm(past, start, nanoseconds(-5));
  wheel.arm(never, start, nanoseconds::max());
  CHECK(wheel.advance(start + tick) == 1);
  CHECK(wheel.advance(start + hours(24 * 365)) == 0);
  CHECK(fired == 1);
  CHECK(never.armed());
  CHECK(wheel.until_next(start + hours(24 * 365)).has_value());
}

TEST_CASE("timer cancelled or re-armed fires as last said", "[net][timer]") {
  timer_wheel wheel(start);
  int a = 0, b = 0;
  timer first([&] { ++a; });
  timer second([&] { ++b; });
  wheel.arm(first, start, milliseconds(8));
  wheel.arm(second, start, milliseconds(8));
  first.cancel();
  first.cancel();
  CHECK_FALSE(first.armed());
  wheel.arm(second, start, minutes(5));
  CHECK(wheel.size() == 1);
  wheel.advance(start + minutes(4));
  CHECK(a == 0);
  CHECK(b == 0);
  wheel.advance(start + minutes(5));
  CHECK(b == 1);
}

TEST_CASE("timer may be destroyed, cancelled and armed by actions", "[net][timer]") {
  timer_wheel wheel(start);
  std::string log;
  auto self = std::make_unique<timer>();
  const std::string captured = "still here";
  self->set_action([&, captured] {
    self.reset();
    log += captured; // The action outlives its timer.
  });
  wheel.arm(*self, start, milliseconds(4));
  CHECK(wheel.advance(start + milliseconds(4)) == 1);
  CHECK(log == "still here");

  // Of three timers in one slot, the first to run destroys one and cancels the other.
  auto victim = std::make_unique<timer>([&] { log += " victim"; });
  timer cancelled([&] { log += " cancelled"; });
  timer killer([&] {
    victim.reset();
    cancelled.cancel();
  });
  wheel.arm(*victim, start, milliseconds(40));
  wheel.arm(cancelled, start, milliseconds(40));
  wheel.arm(killer, start, milliseconds(40));
  wheel.advance(start + seconds(1));
  CHECK(log.size() <= std::string("still here victim cancelled").size());
  CHECK(wheel.size() == 0);

  // Re-arming and cancelling itself, then destroying itself, in one action.
  auto busy = std::make_unique<timer>();
  busy->set_action([&] {
    wheel.arm(*busy, start + seconds(1), seconds(1));
    busy->cancel();
    busy->cancel();
    busy.reset();
  });
  wheel.arm(*busy, start + seconds(1), milliseconds(1));
  CHECK(wheel.advance(start + seconds(2)) == 1);
  CHECK(wheel.size() == 0);
}

TEST_CASE("timer keeps its action, or takes the one set while it runs", "[net][timer]") {
  timer_wheel wheel(start);
  int old_action = 0, new_action = 0;
  timer t;
  t.set_action([&] {
    if (++old_action == 2)
      t.set_action([&] { ++new_action; });
  });
  for (int i = 1; i <= 4; ++i) {
    wheel.arm(t, start + seconds(i), milliseconds(4));
    wheel.advance(start + seconds(i) + milliseconds(8));
  }
  CHECK(old_action == 2);
  CHECK(new_action == 2);
}

TEST_CASE("timer outlives its wheel disarmed", "[net][timer]") {
  timer t([] { FAIL(); });
  {
    timer_wheel wheel(start);
    wheel.arm(t, start, seconds(1));
  }
  CHECK_FALSE(t.armed());
  t.cancel();
  timer_wheel other(start);
  other.arm(t, start, seconds(2));
  CHECK(t.armed());
}

TEST_CASE("timer_wheel never sleeps past a timer, on any level", "[net][timer]") {
  // From many places of the wheel, a lone timer must be reached by sleeping as until_next() says,
  // in few steps, and fire at exactly its tick.
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    const auto offset = nanoseconds(random() % (std::uint64_t{1} << (20 + random() % 35)));
    const auto delay = nanoseconds(random() % (std::uint64_t{1} << (10 + random() % 42)));
    timer_wheel wheel(start);
    time_point now = start + offset;
    wheel.advance(now);
    bool fired = false;
    timer t([&] { fired = true; });
    wheel.arm(t, now, delay);
    const time_point at = std::max(due(now, delay), start + ((now - start) / tick + 1) * tick);
    int steps = 0;
    while (!fired) {
      const auto sleep = wheel.until_next(now);
      REQUIRE(sleep.has_value());
      REQUIRE(now + *sleep <= at);
      REQUIRE(++steps <= 12);
      now += *sleep;
      wheel.advance(now);
    }
    REQUIRE(now == at);
    REQUIRE_FALSE(wheel.until_next(now).has_value());
  }
}

TEST_CASE("timer_wheel agrees with a sorted list over random work", "[net][timer]") {
  const unsigned seed = GENERATE(range(1U, 13U));
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr std::size_t count = 200;
  timer_wheel wheel(start);
  time_point now = start;
  std::map<std::size_t, time_point> model; // timer -> when it is due
  std::vector<std::size_t> fired;
  std::vector<std::unique_ptr<timer>> timers(count);
  const auto any_delay = [&] { return nanoseconds(random() % (1ULL << (1 + random() % 44))); };
  const auto arm = [&](std::size_t i, time_point at) {
    const nanoseconds delay = any_delay();
    wheel.arm(*timers[i], at, delay);
    model[i] = delay == nanoseconds::zero() ? due(at, nanoseconds(1)) : due(at, delay);
  };
  std::function<void(std::size_t)> make = [&](std::size_t i) {
    timers[i] = std::make_unique<timer>([&, i] {
      fired.push_back(i);
      REQUIRE(model.contains(i));
      REQUIRE(model[i] <= now);
      model.erase(i);
      const auto other = random() % count;
      switch (random() % 8) {
      case 0: // Arms another one or itself, as if the turn began now.
        arm(other, now);
        break;
      case 1:
        timers[other]->cancel();
        model.erase(other);
        break;
      case 2:
        if (other != i) {
          make(other); // Destroys the old one.
          model.erase(other);
        }
        break;
      default:
        break;
      }
    });
  };
  for (std::size_t i = 0; i < count; ++i)
    make(i);
  for (int step = 0; step < 4000; ++step) {
    const auto i = random() % count;
    if (random() % 3 != 0) {
      make(i); // Destroys the old one, armed or not.
      model.erase(i);
      arm(i, now);
    } else {
      timers[i]->cancel();
      model.erase(i);
    }
    if (random() % 2 == 0)
      continue;
    // What is due must be announced, whatever lies in between.
    if (!model.empty()) {
      const auto first = std::min_element(model.begin(), model.end(),
                                          [](auto& a, auto& b) { return a.second < b.second; });
      const auto sleep = wheel.until_next(now);
      REQUIRE(sleep.has_value());
      REQUIRE(now + *sleep <= std::max(first->second, now));
    }
    now += nanoseconds(random() % (1ULL << (1 + random() % 42)));
    wheel.advance(now);
    for (const auto& [left, at] : model)
      REQUIRE(at > now);
    REQUIRE(wheel.size() == model.size());
  }
  CHECK(fired.size() > 100);
}

TEST_CASE("timer_wheel jumps over a long sleep at once", "[net][timer]") {
  timer_wheel wheel(start);
  std::vector<int> order;
  std::vector<std::unique_ptr<timer>> timers;
  for (int i = 0; i < 50; ++i) {
    timers.push_back(std::make_unique<timer>([&, i] { order.push_back(i); }));
    wheel.arm(*timers.back(), start, minutes(50 - i));
  }
  // A thousand days are 21 thousand million ticks: only a wheel that skips ends this in time.
  CHECK(wheel.advance(start + hours(24'000)) == 50);
  CHECK(std::is_sorted(order.rbegin(), order.rend()));
}

TEST_CASE("lazy_timer fires as timer does, however often it is put off", "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  lazy_timer t([&] { ++fired; });
  time_point now = start;
  // For every message: armed, and cancelled or armed again before it is due.
  for (int message = 0; message < 1000; ++message) {
    wheel.advance(now);
    wheel.arm(t, now, milliseconds(75));
    CHECK(t.armed());
    CHECK(wheel.size() == 1);
    now += milliseconds(10);
    if (message % 3 == 0)
      t.cancel();
  }
  CHECK(fired == 0);
  wheel.advance(now);
  wheel.arm(t, now, milliseconds(75));
  const time_point at = due(now, milliseconds(75));
  wheel.advance(at - nanoseconds(1));
  CHECK(fired == 0);
  wheel.advance(at);
  CHECK(fired == 1);
  CHECK_FALSE(t.armed());
  CHECK(wheel.size() == 0);
}

TEST_CASE("lazy_timer that was cancelled leaves the wheel without its action", "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  lazy_timer t([&] { ++fired; });
  wheel.arm(t, start, milliseconds(75));
  t.cancel();
  CHECK_FALSE(t.armed());
  wheel.advance(start + hours(1));
  CHECK(fired == 0);
  CHECK(wheel.size() == 0);
}

TEST_CASE("lazy_timer can be armed for earlier", "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  lazy_timer t([&] { ++fired; });
  wheel.arm(t, start, minutes(5));
  wheel.arm(t, start, milliseconds(20));
  wheel.advance(due(start, milliseconds(20)));
  CHECK(fired == 1);
  wheel.advance(start + hours(1));
  CHECK(fired == 1);
}

TEST_CASE("lazy_timer's action may arm, cancel and destroy it", "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  auto t = std::make_unique<lazy_timer>();
  const std::string kept = "captured by the action, and longer than a string holds in place";
  std::string seen;
  t->set_action([&, kept] {
    if (++fired < 3)
      return wheel.arm(*t, wheel.fired_at(), milliseconds(8));
    t.reset();
    seen = kept; // the action outlives its timer
  });
  wheel.arm(*t, start, milliseconds(8));
  for (auto now = start; now < start + milliseconds(200); now += milliseconds(4))
    wheel.advance(now);
  CHECK(fired == 3);
  CHECK(seen == kept);
  CHECK(wheel.size() == 0);
}

TEST_CASE("lazy_timer that is destroyed while it is armed does not fire", "[net][timer]") {
  timer_wheel wheel(start);
  int fired = 0;
  {
    lazy_timer t([&] { ++fired; });
    wheel.arm(t, start, milliseconds(8));
  }
  CHECK(wheel.size() == 0);
  wheel.advance(start + hours(1));
  CHECK(fired == 0);
}
