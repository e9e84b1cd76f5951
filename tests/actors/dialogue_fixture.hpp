#pragma once

#include <caf/scheduler/test_coordinator.hpp>

#include "fused_fixture.hpp"

/// Actors whose messages run one after the other on the test's thread, in a time that passes only
/// when the test says so.
namespace nexus::actors::test {

class fake_clock final : public clock {
 public:
  [[nodiscard]] time_point now() const noexcept override { return now_; }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const noexcept override {
    return {};
  }
  void advance(nanoseconds by) { now_ += by; }

 private:
  time_point now_{seconds(1'000)};
};

struct testing_config : caf::actor_system_config {
  testing_config() { set("scheduler.policy", caf::atom("testing")); }
};

struct dialogue {
  fake_clock time;
  deaf_control control;
  engine::process process;
  std::unique_ptr<engine::worker> home; ///< runs nothing unless asked to
  testing_config config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());

  explicit dialogue(const config::gateway& settings = {}) : process(1, settings, time) {
    process.plane = &control;
    home = plain_factory(process, net::reactor_kind::epoll).make_worker({0});
  }

  /// Lets actors talk until all are silent.
  void settle() { scheduler.run(); }
  template <class Actor, class Message>
  void tell(const Actor& whom, Message message) {
    caf::anon_send(whom, std::move(message));
    settle();
  }
  void pass(nanoseconds by) {
    time.advance(by);
    scheduler.advance_time(by);
    settle();
  }
  /// Runs what was posted to the worker, and what that tells the actors.
  void run_worker() {
    home->reactor().poll();
    settle();
  }
};

} // namespace nexus::actors::test
