#include "fused_fixture.hpp"

using namespace nexus;
using namespace nexus::actors;
using namespace nexus::actors::test;

namespace {

using clock_type = std::chrono::steady_clock;

// Every spawn below passes an argument: without any, CAF 0.17.6 dereferences a null pointer to an
// empty tuple, which the assertions of the standard library catch.

caf::behavior echo(caf::event_based_actor*, std::int32_t more) {
  return {[more](std::int32_t x) { return x + more; }};
}

/// Plays a number down with its peer and tells the last receiver's count.
caf::behavior player(caf::event_based_actor* self, const caf::actor& judge) {
  return {[self, judge](const caf::actor& peer, std::int32_t left) {
    if (left == 0)
      self->send(judge, std::int32_t{0});
    else
      self->send(peer, caf::actor(self), left - 1);
  }};
}

} // namespace

TEST_CASE("actors talk to each other on fused workers", "[actors][scheduler]") {
  const auto workers = GENERATE(as<std::size_t>{}, 1, 2);
  CAPTURE(workers);
  fused_system f(workers);
  caf::scoped_actor self(*f.system);
  const caf::actor judge(self);
  constexpr std::int32_t pairs = 20;
  for (std::int32_t i = 0; i < pairs; ++i) {
    const auto a = f.system->spawn(player, judge), b = f.system->spawn(player, judge);
    self->send(a, b, std::int32_t{5'000});
  }
  for (std::int32_t done = 0; done < pairs; ++done) {
    bool told = false;
    self->receive([&](std::int32_t) { told = true; }, caf::after(patience) >> [] {});
    REQUIRE(told);
  }
}

TEST_CASE("a sleeping worker wakes for every message from outside", "[actors][scheduler]") {
  fused_system f(2);
  caf::scoped_actor self(*f.system);
  const auto peer = f.system->spawn(echo, 1);
  int slow = 0;
  std::int32_t trips = 0;
  const auto end = clock_type::now() + seconds(2);
  for (auto asked = clock_type::now(); asked < end || trips < 100; asked = clock_type::now()) {
    std::int32_t answer = -1;
    self->send(peer, trips);
    self->receive([&](std::int32_t x) { answer = x; }, caf::after(patience) >> [] {});
    REQUIRE(answer == ++trips);
    // What a lost wake-up costs: nobody looks before the sleep is over.
    slow += clock_type::now() - asked > fused_policy::sleep_max * 9 / 10;
  }
  CHECK(slow <= 3); // a machine that is busy with something else may stall as long
}

TEST_CASE("posts and wake-ups reach sleeping workers", "[actors][scheduler]") {
  fused_system f(2);
  for (int i = 0; i < 2'000; ++i) {
    const worker_id to{static_cast<std::uint32_t>(i % 2)};
    REQUIRE(f.ask<std::uint32_t>(to, [](engine::worker& w) { return w.id().value; }) == to.value);
  }
}

TEST_CASE("a worker that has too much lets a sleeping one take it", "[actors][scheduler]") {
  fused_system f(2);
  caf::scoped_actor self(*f.system);
  constexpr std::int32_t jobs = 200;
  const caf::actor judge(self);
  // All of them are spawned, and so queued, on one worker.
  f.system->spawn(
      [](caf::event_based_actor* parent, const caf::actor& told) {
        for (std::int32_t i = 0; i < jobs; ++i)
          parent->spawn(
              [](caf::event_based_actor* child, const caf::actor& judge_of_all) {
                const auto end = clock_type::now() + milliseconds(2);
                while (clock_type::now() < end) {
                }
                child->send(judge_of_all, std::int32_t{1});
              },
              told);
      },
      judge);
  for (std::int32_t done = 0; done < jobs; ++done) {
    bool told = false;
    self->receive([&](std::int32_t) { told = true; }, caf::after(patience) >> [] {});
    REQUIRE(told);
  }
  CHECK(f.steals() > 0);
}

TEST_CASE("a busy actor does not keep its worker from the reactor", "[actors][scheduler]") {
  fused_system f(1);
  const auto restless = f.system->spawn(
      [](caf::event_based_actor* self, std::int32_t first) -> caf::behavior {
        self->send(self, first);
        return {[self](std::int32_t x) { self->send(self, x); }};
      },
      0);
  for (int i = 0; i < 100; ++i)
    CHECK(f.ask<bool>({0}, [](engine::worker&) { return true; }));
  caf::anon_send_exit(restless, caf::exit_reason::user_shutdown);
}

TEST_CASE("delayed messages come when they are due", "[actors][scheduler]") {
  fused_system f(2);
  caf::scoped_actor self(*f.system);
  const caf::actor judge(self);
  const auto start = clock_type::now();
  f.system->spawn(
      [](caf::event_based_actor* late, const caf::actor& told_to) -> caf::behavior {
        late->delayed_send(late, milliseconds(50), std::int32_t{1});
        return {[late, told_to](std::int32_t x) {
          late->send(told_to, x);
          late->quit();
        }};
      },
      judge);
  bool told = false;
  self->receive([&](std::int32_t) { told = true; }, caf::after(patience) >> [] {});
  CHECK(told);
  CHECK(clock_type::now() - start >= milliseconds(50));
}

TEST_CASE("a system ends while its workers sleep, work and post to each other",
          "[actors][scheduler]") {
  const auto workers = GENERATE(as<std::size_t>{}, 1, 2, 4);
  CAPTURE(workers);
  const auto start = clock_type::now();
  constexpr int rounds = 20;
  for (int round = 0; round < rounds; ++round) {
    fused_system f(workers);
    f.system->await_actors_before_shutdown(false);
    if (round % 2 == 0) {
      std::this_thread::sleep_for(milliseconds(5)); // all are asleep by now
      continue;
    }
    for (int i = 0; i < 4; ++i)
      f.system->spawn(
          [&f](caf::event_based_actor* self, std::int32_t first) -> caf::behavior {
            self->send(self, first);
            return {[self, &f](std::int32_t x) {
              f.process.post_to_all([](engine::worker&) {});
              self->delayed_send(self, std::chrono::microseconds(50), x);
            }};
          },
          i);
    std::this_thread::sleep_for(milliseconds(2));
  }
  CHECK(clock_type::now() - start < patience);
}
