#include "actors/session.hpp"

#include "base/log.hpp"
#include "engine/http_connection.hpp"
#include "engine/resource_hub.hpp"
#include "engine/session_streams.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

using self_pointer = session_actor::stateful_pointer<session_state>;

void finish(self_pointer self) {
  auto& s = self->state;
  engine::end_subscriptions(*s.process, *s.session);
  engine::end_event_streams(*s.process, s.session);
  self->send(s.lifecycle, session_ended{s.session->id});
  self->quit();
}

void on_check(self_pointer self) {
  auto& s = self->state;
  if (s.session->closed.load())
    return finish(self);
  const auto idle_max = s.process->limits.session_idle_timeout;
  const auto now = s.process->now().time_since_epoch();
  const auto idle = now - nanoseconds(s.session->last_used_ns.load());
  if (s.session->listens() || idle < idle_max)
    return;
  if (!s.session->closed.exchange(true)) {
    s.process->sessions.release();
    s.process->post(s.session->home,
                    [id = s.session->id](engine::worker& home) { home.forget_session(id); });
    log::debug("session", "expired",
               {{"idle_ms", std::chrono::duration_cast<milliseconds>(idle).count()}});
  }
  finish(self);
}

} // namespace

session_actor::behavior_type session_behavior(self_pointer self, engine::process* process,
                                              const engine::session_ptr& session,
                                              const lifecycle_actor& lifecycle) {
  self->state.process = process;
  self->state.session = session;
  self->state.lifecycle = lifecycle;
  return {
      [self](const check_session&) { on_check(self); },
      [self](const end_session&) { finish(self); },
  };
}

} // namespace nexus::actors
