#include "actors/server.hpp"

#include <algorithm>
#include <atomic>

#include "base/log.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

using self_pointer = server_actor::stateful_pointer<server_state>;

/// How often a retired server looks whether its calls have ended.
constexpr milliseconds retire_check_interval{50};

void tell_registry(self_pointer self, engine::server_state at, std::string reason) {
  auto& s = self->state;
  s.at = at;
  auto endpoint = std::make_shared<engine::server_endpoint>();
  endpoint->slot = s.slot;
  endpoint->link = s.link;
  endpoint->state = at;
  endpoint->reason = std::move(reason);
  endpoint->settings = s.settings;
  endpoint->as = s.as;
  endpoint->restarts = s.restarts;
  self->send(s.registry, server_changed{std::move(endpoint), nullptr, s.slot});
}

void close_link(server_state& s) {
  s.process->post(s.process->home_of(s.slot), [slot = s.slot](engine::worker& home) {
    if (auto* const up = home.find_upstream(slot))
      up->close_link(0);
  });
}

void connect(self_pointer self) {
  auto& s = self->state;
  if (s.retired)
    return;
  ++s.link;
  tell_registry(self, engine::server_state::connecting, {});
  engine::link_start start{s.slot, s.link, s.settings, s.as, s.known_legacy};
  s.process->post(s.process->home_of(s.slot),
                  [start = std::move(start)](engine::worker& home) mutable {
                    home.open_link_soon(std::move(start));
                  });
}

/// The wait before the next attempt: doubles, and is long at once after too many.
milliseconds next_delay(server_state& s, time_point now) {
  std::erase_if(s.recent_restarts,
                [&](time_point at) { return now - at > limits::restart_window; });
  if (s.up_since != time_point{} && now - s.up_since > limits::restart_window)
    s.delay = limits::restart_delay_min;
  s.up_since = {};
  const auto delay = s.recent_restarts.size() >= limits::restarts_in_window_max
                         ? milliseconds(limits::restart_delay_max)
                         : s.delay;
  s.delay = std::min<milliseconds>(s.delay * 2, limits::restart_delay_max);
  s.recent_restarts.push_back(now);
  return delay;
}

void finish_retired(self_pointer self) {
  auto& s = self->state;
  s.process->metrics.retire_server(s.slot);
  s.process->forget_runtime(s.slot);
  s.process->post_to_all([slot = s.slot](engine::worker& w) { w.remove_server(slot); });
  self->send(s.lifecycle, server_retired{s.slot});
  self->quit();
}

void on_link_down(self_pointer self, const link_went_down& event) {
  auto& s = self->state;
  if (event.link != s.link || s.at == engine::server_state::down)
    return;
  if (s.retired)
    return finish_retired(self); // what is still under way cannot end well any more
  close_link(s);
  if (event.failure.retry_as_legacy && !s.known_legacy) {
    s.known_legacy = true;
    return connect(self);
  }
  const auto now = s.process->now();
  ++s.restarts;
  if (event.failure.session_lost && s.recent_restarts.size() < limits::restarts_in_window_max) {
    s.recent_restarts.push_back(now);
    log::info("server", "session_lost", {{"server", s.settings->name}});
    return connect(self);
  }
  const auto delay = next_delay(s, now);
  log::warn("server", "down",
            {{"server", s.settings->name},
             {"reason", event.failure.reason},
             {"retry_in_ms", delay.count()}});
  tell_registry(self, engine::server_state::down, event.failure.reason);
  self->delayed_send(self, delay, reconnect{s.link});
}

void on_begin(self_pointer self) {
  auto& s = self->state;
  if (!s.settings->unusable_reason.empty())
    tell_registry(self, engine::server_state::down, s.settings->unusable_reason);
  else if (s.settings->lazy && !s.as)
    tell_registry(self, engine::server_state::idle, {});
  else
    connect(self);
}

void on_reconnect(self_pointer self, const reconnect& due) {
  auto& s = self->state;
  if (due.link != s.link || s.at != engine::server_state::down || s.retired)
    return;
  // A lazy server waits for the next call again, and so does a session of some clients.
  if (s.settings->lazy || s.as)
    return tell_registry(self, engine::server_state::idle, {});
  connect(self);
}

void on_link_up(self_pointer self, const link_came_up& event) {
  auto& s = self->state;
  if (event.endpoint->link != s.link || s.retired)
    return;
  s.at = engine::server_state::ready;
  s.up_since = s.process->now();
  auto endpoint = std::make_shared<engine::server_endpoint>(*event.endpoint);
  endpoint->restarts = s.restarts;
  self->send(s.registry, server_changed{std::move(endpoint), event.catalogue, s.slot});
  self->send(s.lifecycle, log_level_changed{});
}

void on_relisted(self_pointer self, const link_relisted& event) {
  auto& s = self->state;
  if (event.link != s.link || s.at != engine::server_state::ready || s.retired)
    return;
  self->send(s.registry, server_changed{nullptr, event.catalogue, s.slot});
}

/// Workers that have not seen the latest snapshot yet may still begin calls. Their count is only
/// final once each has done what was posted to it before.
void on_retire(self_pointer self) {
  auto& s = self->state;
  s.retired = true;
  auto left = std::make_shared<std::atomic<std::size_t>>(s.process->worker_count());
  s.process->post_to_all([left, me = server_actor(self)](engine::worker&) {
    if (left->fetch_sub(1) == 1)
      caf::anon_send(me, check_retired{});
  });
}

void on_check_retired(self_pointer self, std::uint32_t checks) {
  auto& s = self->state;
  const auto runtime = s.process->runtime(s.slot);
  const bool busy = runtime->in_flight.load() > 0 || runtime->waiting.load() > 0;
  const auto waited = retire_check_interval * checks;
  if (busy && waited < s.process->limits.drain_timeout) {
    self->delayed_send(self, retire_check_interval, check_retired{checks + 1});
    return;
  }
  finish_retired(self);
}

} // namespace

server_actor::behavior_type server_behavior(self_pointer self, const server_setup& setup) {
  auto& s = self->state;
  s.process = setup.process;
  s.registry = setup.registry;
  s.lifecycle = setup.lifecycle;
  s.slot = setup.slot;
  s.link = setup.first_link;
  s.settings = setup.settings;
  s.as = setup.as;
  s.known_legacy = setup.as != nullptr; // only legacy servers have several sessions
  return {
      [self](const begin_server&) { on_begin(self); },
      [self](const want_server&) {
        if (self->state.at == engine::server_state::idle)
          connect(self);
      },
      [self](const link_came_up& event) { on_link_up(self, event); },
      [self](const link_relisted& event) { on_relisted(self, event); },
      [self](const link_went_down& event) { on_link_down(self, event); },
      [self](const reconnect& due) { on_reconnect(self, due); },
      [self](const retire_server&) { on_retire(self); },
      [self](const check_retired& due) { on_check_retired(self, due.checks); },
  };
}

} // namespace nexus::actors
