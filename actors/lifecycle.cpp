#include "actors/lifecycle.hpp"

#include <algorithm>

#include "actors/server.hpp"
#include "actors/session.hpp"
#include "base/log.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "registry/saved.hpp"

namespace nexus::actors {

void server_directory::set(std::uint32_t slot, server_actor actor) {
  const std::lock_guard lock(mutex_);
  actors_[slot] = std::move(actor);
}

void server_directory::erase(std::uint32_t slot) {
  const std::lock_guard lock(mutex_);
  actors_.erase(slot);
}

server_actor server_directory::find(std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto found = actors_.find(slot);
  return found == actors_.end() ? server_actor{} : found->second;
}

std::vector<server_actor> server_directory::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<server_actor> out;
  for (const auto& [slot, actor] : actors_)
    out.push_back(actor);
  return out;
}

void server_directory::clear() {
  const std::lock_guard lock(mutex_);
  actors_.clear();
}

namespace {

using self_pointer = lifecycle_actor::stateful_pointer<lifecycle_state>;

/// Links of one server are numbered from here, so that no two servers of one slot share a number.
constexpr unsigned link_bits = 32;
/// How late an idle session may be closed.
constexpr seconds sweep_interval_max{30};

/// A slot that no server has. Numbers that were never used come first: whatever may still know a
/// slot by its number then finds nobody rather than another server.
std::uint32_t take_slot(lifecycle_state& s) {
  if (s.next_slot < limits::metric_servers_max || s.free_slots.empty())
    return s.next_slot++;
  const auto slot = s.free_slots.front();
  s.free_slots.pop_front();
  return slot;
}

lifecycle_state::running start_server(self_pointer self, const config::server& settings) {
  auto& s = self->state;
  lifecycle_state::running started;
  started.slot = take_slot(s);
  started.settings = std::make_shared<const config::server>(settings);
  s.process->metrics.define_server(started.slot, settings.name);
  // Every worker knows the server before anything can be routed to it.
  auto endpoint = std::make_shared<engine::server_endpoint>();
  endpoint->slot = started.slot;
  endpoint->settings = started.settings;
  s.process->post_to_all(
      [endpoint = engine::endpoint_ptr(endpoint)](engine::worker& w) { w.install(endpoint); });
  return started;
}

/// No call finds the branch any more; its actor lets those under way end.
void end_branch(self_pointer self, const lifecycle_state::running_branch& gone) {
  self->state.process->post_to_all([as = gone.as](engine::worker& w) {
    if (auto* const up = w.find_upstream(as->of))
      up->branch_closed(as->key);
  });
  self->send(gone.actor, retire_server{});
}

template <class Condition>
void end_branches(self_pointer self, Condition unwanted) {
  std::erase_if(self->state.branches, [&](const auto& entry) {
    const bool gone = unwanted(entry.second);
    if (gone)
      end_branch(self, entry.second);
    return gone;
  });
}

void on_branch_wanted(self_pointer self, const engine::branch_ptr& as) {
  auto& s = self->state;
  const auto server = std::find_if(s.servers.begin(), s.servers.end(),
                                   [&](const auto& entry) { return entry.second.slot == as->of; });
  if (server == s.servers.end() || s.branches.contains({as->of, as->key}))
    return; // removed with its calls, or asked for on several workers
  const auto others = std::count_if(s.branches.begin(), s.branches.end(),
                                    [&](const auto& e) { return e.first.first == as->of; });
  if (static_cast<std::size_t>(others) >= limits::branches_per_server_max)
    return s.process->post_to_all([as, others](engine::worker& w) {
      if (auto* const up = w.find_upstream(as->of))
        up->branch_refused(as->key, std::to_string(others) + " sessions are open already");
    });
  lifecycle_state::running_branch started{as, take_slot(s), {}};
  s.process->runtime(started.slot)->last_used_ns = s.process->now().time_since_epoch().count();
  auto endpoint = std::make_shared<engine::server_endpoint>();
  endpoint->slot = started.slot;
  endpoint->settings = server->second.settings;
  endpoint->as = as;
  s.process->post_to_all([endpoint = engine::endpoint_ptr(endpoint)](engine::worker& w) {
    w.install(endpoint);
    if (auto* const up = w.find_upstream(endpoint->as->of))
      up->branch_opened(endpoint->as->key, endpoint->slot);
  });
  started.actor =
      self->spawn(server_behavior, server_setup{s.process, s.registry, self, started.slot,
                                                ++s.started << link_bits, endpoint->settings, as});
  s.directory->set(started.slot, started.actor);
  self->send(started.actor, begin_server{});
  s.branches.emplace(std::pair(as->of, as->key), std::move(started));
}

void end_idle_branches(self_pointer self) {
  auto& process = *self->state.process;
  const auto now = process.now().time_since_epoch();
  end_branches(self, [&](const lifecycle_state::running_branch& one) {
    const auto runtime = process.runtime(one.slot);
    const bool busy = runtime->in_flight.load() > 0 || runtime->waiting.load() > 0;
    return !busy && now - nanoseconds(runtime->last_used_ns.load()) > limits::branch_idle_timeout;
  });
}

void on_apply(self_pointer self, const config::gateway& settings) {
  auto& s = self->state;
  server_order order;
  order.names =
      settings.names == config::naming::bare ? catalog::naming::bare : catalog::naming::prefixed;
  order.surface = settings.surface;
  order.care = {settings.pins, settings.duplicates};
  std::map<std::string, lifecycle_state::running> now;
  std::vector<lifecycle_state::running*> fresh;
  for (const auto& server : settings.servers) {
    const auto known = s.servers.find(server.name);
    const bool same = known != s.servers.end() && *known->second.settings == server;
    auto& entry = now[server.name];
    std::uint32_t stands_in = 0;
    if (same) {
      entry = std::move(known->second);
      stands_in = entry.slot;
    } else {
      entry = start_server(self, server);
      stands_in = known == s.servers.end() ? entry.slot : known->second.slot;
      fresh.push_back(&entry);
    }
    order.servers.push_back({entry.slot, server.name, stands_in,
                             registry::settings_fingerprint(server),
                             server.tags == config::server_tags{}
                                 ? nullptr
                                 : std::make_shared<const config::server_tags>(server.tags)});
    if (same)
      s.servers.erase(known);
  }
  for (auto& [name, gone] : s.servers) {
    end_branches(self, [&](const auto& one) { return one.as->of == gone.slot; });
    order.dropped.push_back(gone.actor);
    log::info("lifecycle", now.contains(name) ? "server_replaced" : "server_removed",
              {{"server", name}});
  }
  s.servers = std::move(now);
  self->send(s.registry, std::move(order));
  for (auto* const entry : fresh) {
    entry->actor = self->spawn(server_behavior,
                               server_setup{s.process, s.registry, self, entry->slot,
                                            ++s.started << link_bits, entry->settings, nullptr});
    s.directory->set(entry->slot, entry->actor);
    self->send(entry->actor, begin_server{});
  }
}

void on_sweep(self_pointer self) {
  auto& s = self->state;
  for (const auto& [id, open] : s.sessions)
    self->send(open.actor, check_session{});
  end_idle_branches(self);
  const nanoseconds interval = s.process->limits.session_idle_timeout / 4;
  self->delayed_send(self, std::clamp<nanoseconds>(interval, milliseconds(10), sweep_interval_max),
                     sweep_sessions{});
}

void on_log_level(self_pointer self) {
  auto& s = self->state;
  auto least = mcp::log_level::off;
  for (const auto& [id, open] : s.sessions)
    least = std::min(least, open.session->log_level.load());
  s.process->post_to_all([least](engine::worker& w) { w.set_log_level(least); });
}

} // namespace

lifecycle_actor::behavior_type
lifecycle_behavior(self_pointer self, engine::process* process, const registry_actor& registry,
                   const std::shared_ptr<server_directory>& directory) {
  self->state.process = process;
  self->state.registry = registry;
  self->state.directory = directory;
  self->set_exit_handler([self](const caf::exit_msg& why) {
    for (const auto& [id, open] : self->state.sessions)
      self->send_exit(open.actor, why.reason);
    for (const auto& server : self->state.directory->all()) // retired ones are only there
      self->send_exit(server, why.reason);
    self->quit(why.reason);
  });
  on_sweep(self);
  return {
      [self](const apply_settings& wanted) { on_apply(self, *wanted.settings); },
      [self](const session_opened& event) {
        auto& s = self->state;
        auto actor = self->spawn(session_behavior, s.process, event.session, lifecycle_actor(self));
        s.sessions[event.session->id] = {event.session, std::move(actor)};
      },
      [self](const session_ended& event) {
        auto& sessions = self->state.sessions;
        const auto found = sessions.find(event.id);
        if (found == sessions.end())
          return;
        end_branches(self,
                     [&](const auto& one) { return one.as->client == found->second.session; });
        self->send(found->second.actor, end_session{});
        sessions.erase(found);
      },
      [self](const log_level_changed&) { on_log_level(self); },
      [self](const branch_wanted& event) { on_branch_wanted(self, event.branch); },
      [self](const branch_done& event) {
        end_branches(self, [&](const auto& one) { return one.as == event.branch; });
      },
      [self](const server_retired& event) {
        self->state.directory->erase(event.slot);
        self->state.free_slots.push_back(event.slot);
      },
      [self](const sweep_sessions&) { on_sweep(self); },
  };
}

} // namespace nexus::actors
