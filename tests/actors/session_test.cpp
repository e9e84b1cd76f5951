#include "actors/lifecycle.hpp"
#include "actors/registry.hpp"
#include "dialogue_fixture.hpp"

using namespace nexus;
using namespace nexus::actors;
using namespace nexus::actors::test;

namespace {

constexpr seconds idle_timeout{100};

config::gateway settings() {
  config::gateway g;
  g.limits.session_idle_timeout = idle_timeout;
  return g;
}

struct fixture : dialogue {
  std::shared_ptr<server_directory> directory = std::make_shared<server_directory>();
  registry_actor registry = system.spawn(registry_behavior, &process, archivist_actor{});
  lifecycle_actor lifecycle = system.spawn(lifecycle_behavior, &process, registry, directory);

  fixture() : dialogue(settings()) { settle(); }
  ~fixture() {
    caf::anon_send_exit(lifecycle, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(registry, caf::exit_reason::user_shutdown);
    settle();
  }

  /// As a worker opens one.
  engine::session_ptr open() {
    auto opened = std::make_shared<engine::session>();
    opened->id = engine::make_session_id({0});
    opened->touch(time.now());
    static_cast<void>(process.sessions.admit());
    home->add_session(opened);
    tell(lifecycle, session_opened{opened});
    return opened;
  }
  bool known(const engine::session_ptr& which) { return home->find_session(which->id) != nullptr; }
  /// Time passes and everything that is due happens.
  void live(seconds by) {
    for (auto left = by; left > seconds(0); left -= seconds(1))
      pass(seconds(1));
    run_worker();
  }
};

} // namespace

TEST_CASE("a session without requests expires", "[actors][session]") {
  fixture f;
  const auto idle = f.open();
  const auto used = f.open();
  f.live(idle_timeout - seconds(1));
  CHECK(f.known(idle));
  used->touch(f.time.now());
  f.live(idle_timeout / 4 + seconds(2)); // how late the next look may be
  CHECK(idle->closed);
  CHECK_FALSE(f.known(idle));
  CHECK_FALSE(used->closed);
  CHECK(f.known(used));
  CHECK(f.process.sessions.taken() == 1);
}

TEST_CASE("a session with a listening stream does not expire", "[actors][session]") {
  fixture f;
  const auto listening = f.open();
  listening->stream_worker = 0;
  f.live(idle_timeout * 3);
  CHECK_FALSE(listening->closed);
  CHECK(f.known(listening));
  listening->stream_worker = -1;
  f.live(idle_timeout / 4 + seconds(2));
  CHECK(listening->closed);
  CHECK_FALSE(f.known(listening));
  CHECK(f.process.sessions.taken() == 0);
}

TEST_CASE("a session that its client ended is not counted twice", "[actors][session]") {
  fixture f;
  const auto other = f.open();
  const auto ended = f.open();
  // As the worker of a DELETE does before it tells.
  ended->closed = true;
  f.process.sessions.release();
  f.home->forget_session(ended->id);
  f.tell(f.lifecycle, session_ended{ended->id});
  f.live(idle_timeout * 2);
  CHECK(other->closed);
  CHECK(f.process.sessions.taken() == 0);
}
