#include <deque>

#include "actors/server.hpp"
#include "dialogue_fixture.hpp"

using namespace nexus;
using namespace nexus::actors;
using namespace nexus::actors::test;

namespace {

constexpr std::uint64_t first_link = 100;

/// What the registry heard that no check has taken yet.
using heard_list = std::deque<server_changed>;

registry_actor::behavior_type recorder(registry_actor::pointer, heard_list* heard) {
  return {[](const server_order&) {},
          [heard](const server_changed& event) { heard->push_back(event); },
          [](const publish_snapshot&) {}, [](const review_usage&) {}, [](const pins_accepted&) {}};
}

lifecycle_actor::behavior_type counter(lifecycle_actor::pointer, int* retired) {
  return {[](const apply_settings&) {},
          [](const session_opened&) {},
          [](const session_ended&) {},
          [](const log_level_changed&) {},
          [retired](const server_retired&) { ++*retired; },
          [](const branch_wanted&) {},
          [](const branch_done&) {},
          [](const sweep_sessions&) {}};
}

/// A server actor between a registry and a lifecycle that only listen.
struct fixture : dialogue {
  heard_list heard;
  int retired = 0;
  registry_actor registry = system.spawn(recorder, &heard);
  lifecycle_actor lifecycle = system.spawn(counter, &retired);
  std::shared_ptr<config::server> settings = std::make_shared<config::server>();
  server_actor server;
  std::uint64_t link = first_link;

  fixture() { settings->name = "s"; }
  ~fixture() {
    for (const auto& actor :
         {caf::actor_cast<caf::actor>(registry), caf::actor_cast<caf::actor>(lifecycle),
          caf::actor_cast<caf::actor>(server)})
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    settle();
    // Every test has looked at all that was said.
    CHECK(heard.empty());
  }

  void begin() {
    server = system.spawn(server_behavior, server_setup{&process, registry, lifecycle, 0,
                                                        first_link, settings, nullptr});
    tell(server, begin_server{});
  }
  /// The next thing that the registry heard is a state of the server.
  void expect(engine::server_state state, const std::string& reason = {}) {
    INFO("expected " << engine::to_string(state));
    REQUIRE_FALSE(heard.empty());
    const auto endpoint = heard.front().endpoint;
    heard.pop_front();
    REQUIRE(endpoint != nullptr);
    CHECK(engine::to_string(endpoint->state) == engine::to_string(state));
    CHECK(endpoint->reason == reason);
    CHECK(endpoint->link == link);
  }
  /// A new attempt with a number of its own.
  void expect_connecting() {
    ++link;
    expect(engine::server_state::connecting);
  }
  void up() {
    auto endpoint = std::make_shared<engine::server_endpoint>();
    endpoint->link = link;
    endpoint->state = engine::server_state::ready;
    endpoint->settings = settings;
    tell(server, link_came_up{endpoint, nullptr});
    expect(engine::server_state::ready);
  }
  void fail(engine::link_failure failure = {"broken", false, false}) {
    tell(server, link_went_down{link, std::move(failure)});
  }
  /// The server says that it is down, and connects again after `delay`, not before.
  void expect_back_off(nanoseconds delay) {
    INFO("back-off of " << delay.count() / 1'000'000 << " ms");
    expect(engine::server_state::down, "broken");
    pass(delay - milliseconds(1));
    REQUIRE(heard.empty());
    pass(milliseconds(1));
    expect_connecting();
  }
};

} // namespace

TEST_CASE("server doubles its back-off, and waits for long after five restarts in a minute",
          "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  for (const auto delay : {200, 400, 800, 1'600, 3'200}) {
    f.fail();
    f.expect_back_off(milliseconds(delay));
  }
  f.fail();
  f.expect_back_off(limits::restart_delay_max);
}

TEST_CASE("server begins with a short back-off again after it was up for a minute",
          "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  for (const auto delay : {200, 400, 800}) {
    f.fail();
    f.expect_back_off(milliseconds(delay));
  }
  f.up();
  f.pass(limits::restart_window / 2); // too short: whatever breaks it may still be there
  f.fail();
  f.expect_back_off(milliseconds(1'600));
  f.up();
  f.pass(limits::restart_window + seconds(1));
  f.fail();
  f.expect_back_off(limits::restart_delay_min);
}

TEST_CASE("server ignores what earlier links report", "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  f.fail();
  f.expect_back_off(limits::restart_delay_min);
  f.tell(f.server, link_went_down{f.link - 1, {"stale", false, false}});
  auto stale = std::make_shared<engine::server_endpoint>();
  stale->link = f.link - 1;
  f.tell(f.server, link_came_up{stale, nullptr});
  f.tell(f.server, link_relisted{f.link - 1, nullptr});
  CHECK(f.heard.empty());
  f.up();
  f.fail();
  f.expect(engine::server_state::down, "broken");
  f.fail(); // a link ends once
  CHECK(f.heard.empty());
}

TEST_CASE("server connects again at once to skip a probe that ended the child, once",
          "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  f.fail({"ended at the probe", true, false});
  f.expect_connecting();
  f.fail({"broken", true, false});
  f.expect_back_off(limits::restart_delay_min);
}

TEST_CASE("server connects again at once when its session is lost, five times a minute",
          "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  for (std::size_t i = 0; i < limits::restarts_in_window_max; ++i) {
    f.up();
    f.fail({"session lost", false, true});
    f.expect_connecting();
  }
  f.up();
  f.fail({"broken", false, true});
  f.expect_back_off(limits::restart_delay_max);
}

TEST_CASE("a lazy server connects when it is wanted and is idle again after a back-off",
          "[actors][server]") {
  fixture f;
  f.settings->lazy = true;
  f.begin();
  f.expect(engine::server_state::idle);
  f.pass(seconds(100));
  CHECK(f.heard.empty());
  f.tell(f.server, want_server{});
  f.expect_connecting();
  f.tell(f.server, want_server{}); // is under way
  CHECK(f.heard.empty());
  f.fail();
  f.expect(engine::server_state::down, "broken");
  f.tell(f.server, want_server{}); // calls fail meanwhile
  CHECK(f.heard.empty());
  f.pass(limits::restart_delay_min);
  f.expect(engine::server_state::idle);
}

TEST_CASE("an unusable server is down for good", "[actors][server]") {
  fixture f;
  f.settings->unusable_reason = "an input is not set";
  f.begin();
  f.expect(engine::server_state::down, "an input is not set");
  f.tell(f.server, want_server{});
  f.pass(seconds(3'600));
  CHECK_FALSE(f.scheduler.has_pending_timeout());
}

TEST_CASE("a retired server ends when its calls have, and connects no more", "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  f.fail();
  f.expect(engine::server_state::down, "broken");
  f.process.runtime(0)->in_flight = 1;
  f.tell(f.server, retire_server{});
  f.run_worker();
  for (int i = 0; i < 20; ++i) // the back-off ends meanwhile
    f.pass(milliseconds(50));
  CHECK(f.retired == 0);
  f.process.runtime(0)->in_flight = 0;
  f.pass(milliseconds(50));
  CHECK(f.retired == 1);
  CHECK_FALSE(f.scheduler.has_pending_timeout());
}

TEST_CASE("a retired server does not wait for calls beyond the time to drain", "[actors][server]") {
  fixture f;
  f.begin();
  f.expect_connecting();
  f.process.runtime(0)->in_flight = 1;
  f.tell(f.server, retire_server{});
  f.run_worker();
  milliseconds waited{0};
  for (; f.retired == 0 && waited < limits::drain_timeout * 2; waited += milliseconds(50))
    f.pass(milliseconds(50));
  CHECK(f.retired == 1);
  CHECK(waited >= limits::drain_timeout);
  CHECK(waited <= limits::drain_timeout + milliseconds(100));
}
