#include "actors/keeper.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "actors/vmcp.hpp"
#include "base/log.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

using self_pointer = keeper_actor::stateful_pointer<keeper_state>;
using kept = keeper_state::kept;

void note(keeper_state& s, std::string_view id, std::string_view what) {
  s.events.push_back({++s.event_sequence, s.process->wall_now(), std::string(id), what});
  if (s.events.size() > limits::vmcp_events_kept)
    s.events.pop_front();
}

engine::vmcp_row row_of(std::string_view id, const kept& one) {
  engine::vmcp_row row;
  row.id = id;
  row.number = one.runtime->number;
  row.state = engine::to_string(one.at);
  row.generation = one.generation;
  row.from_api = one.from_api;
  row.created = one.created;
  if (one.definition->ttl)
    row.expires = one.created + *one.definition->ttl;
  row.in_flight = one.runtime->in_flight.load();
  row.definition = one.definition;
  return row;
}

/// Where one comes from.
struct origin {
  bool from_api = false;
  std::uint64_t generation = 1;
  std::chrono::system_clock::time_point created;
};

kept& make(self_pointer self, const config::vmcp_definition_ptr& definition, const origin& from) {
  auto& s = self->state;
  kept one;
  one.runtime = std::make_shared<engine::vmcp_runtime>();
  one.runtime->number = ++s.numbers;
  one.runtime->id = definition->id;
  one.definition = definition;
  one.from_api = from.from_api;
  one.generation = from.generation;
  one.created = from.created;
  // A clock that was set back must not lengthen a life.
  const auto age = std::max(nanoseconds::zero(), nanoseconds(s.process->wall_now() - from.created));
  one.actor = self->spawn(vmcp_behavior, s.process, keeper_actor(self), one.runtime,
                          s.process->now() - age);
  self->send(one.actor, define_vmcp{definition, one.generation});
  return s.all.insert_or_assign(definition->id, std::move(one)).first->second;
}

void redefine(self_pointer self, kept& one, const config::vmcp_definition_ptr& definition,
              std::uint64_t generation) {
  one.definition = definition;
  one.generation = generation;
  self->send(one.actor, define_vmcp{definition, generation});
}

void on_apply(self_pointer self, const config::gateway& settings) {
  auto& s = self->state;
  std::map<std::string, config::vmcp_definition_ptr> wanted;
  for (const auto& definition : settings.vmcps)
    wanted.emplace(definition->id, definition);
  for (auto& [id, one] : s.all)
    if (!one.from_api && !wanted.contains(id))
      self->send(one.actor, drain_vmcp{"it is not in the configuration any more"});
  for (const auto& [id, definition] : wanted) {
    const auto known = s.all.find(id);
    if (known == s.all.end()) {
      make(self, definition, {false, 1, s.process->wall_now()});
      note(s, id, "created");
    } else if (known->second.from_api)
      log::warn("vmcp", "hidden_by_api",
                {{"vmcp", id}, {"remedy", "nexus vmcp delete " + id + ", then reload"}});
    else if (known->second.definition->text != definition->text)
      redefine(self, known->second, definition, known->second.generation + 1);
  }
}

engine::vmcp_answer refused(unsigned status, std::string why) {
  engine::vmcp_answer out;
  out.status = status;
  out.problem = std::move(why);
  return out;
}

// ---- The API: asked, saved, done --------------------------------------------------------------

store::wall_ms milliseconds_of(std::chrono::system_clock::time_point at) {
  return std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count();
}

/// Has the store do what the request wants; on_saved() goes on.
/// @param expected the generation that the store has; 0: none
void save(self_pointer self, const engine::vmcp_request& request, std::uint64_t expected) {
  auto shared = std::make_shared<const engine::vmcp_request>(request);
  const auto now = milliseconds_of(self->state.process->wall_now());
  self->state.process->plane->with_store(
      [me = keeper_actor(self), shared, expected, now](store::database& in) {
        vmcp_saved done{shared, std::uint64_t{0}};
        if (shared->verb != engine::vmcp_request::what::remove)
          done.outcome = in.put_vmcp(shared->id, shared->definition->text, expected, now);
        else if (auto removed = in.remove_vmcp(shared->id); !removed)
          done.outcome = std::unexpected(removed.error());
        caf::anon_send(me, done);
      });
}

/// What stands in the store and has ended need not be made again.
void forget(keeper_state& s, const std::string& id) {
  s.process->plane->with_store([id](store::database& in) {
    if (auto done = in.remove_vmcp(id); !done)
      log::warn("vmcp", "not_forgotten", {{"vmcp", id}, {"reason", done.error().message}});
  });
}

/// @returns an answer when the request cannot be granted; otherwise it is being saved
std::optional<engine::vmcp_answer> create(self_pointer self, const engine::vmcp_request& request) {
  auto& s = self->state;
  if (s.all.contains(request.id) || s.saving.contains(request.id))
    return refused(409,
                   fmt::format("there is a virtual MCP '{}' already; PUT changes it", request.id));
  if (s.all.size() + s.saving.size() >= limits::vmcps_max)
    return refused(503, fmt::format("there are {} virtual MCPs already", s.all.size()));
  s.saving.insert(request.id);
  const auto stale = s.unusable.find(request.id);
  save(self, request, stale == s.unusable.end() ? 0 : stale->second);
  return std::nullopt;
}

/// As create(), for an update or a removal.
std::optional<engine::vmcp_answer> change(self_pointer self, const engine::vmcp_request& request,
                                          const kept& one) {
  if (one.at >= engine::vmcp_state::draining)
    return refused(409, fmt::format("virtual MCP '{}' is draining", request.id));
  if (!one.from_api)
    return refused(
        409, fmt::format("virtual MCP '{}' is the configuration's: change it there", request.id));
  if (request.generation && *request.generation != one.generation)
    return refused(409, fmt::format("virtual MCP '{}' is of generation {} by now", request.id,
                                    one.generation));
  save(self, request, one.generation);
  return std::nullopt;
}

std::optional<engine::vmcp_answer> answer(self_pointer self, const engine::vmcp_request& request) {
  auto& s = self->state;
  engine::vmcp_answer out;
  using verb = engine::vmcp_request::what;
  switch (request.verb) {
  case verb::list:
    for (const auto& [id, one] : s.all)
      out.rows.push_back(row_of(id, one));
    return out;
  case verb::events:
    for (const auto& event : s.events)
      if (event.sequence > request.after)
        out.events.push_back(event);
    out.next_event = s.event_sequence;
    return out;
  case verb::create:
    return create(self, request);
  case verb::get:
  case verb::update:
  case verb::remove:
    break;
  }
  const auto found = s.all.find(request.id);
  if (found == s.all.end())
    return refused(404, fmt::format("there is no virtual MCP '{}'", request.id));
  if (request.verb != verb::get)
    return change(self, request, found->second);
  out.rows.push_back(row_of(request.id, found->second));
  return out;
}

void on_asked(self_pointer self, const ask_vmcps& asked) {
  if (!self->state.loaded)
    return self->state.early.push_back(asked);
  if (auto now = answer(self, asked.request))
    asked.request.answer(std::move(*now));
}

engine::vmcp_answer not_saved(const engine::vmcp_request& request, const error& reason) {
  if (reason.code == store::errc::stale)
    return refused(
        409, fmt::format("virtual MCP '{}' was changed meanwhile: {}", request.id, reason.message));
  log::error("vmcp", "not_saved",
             {{"vmcp", request.id}, {"reason", reason.message}, {"detail", reason.detail}});
  return refused(503, fmt::format("virtual MCP '{}' could not be saved, so nothing was changed: {}",
                                  request.id, reason.message));
}

engine::vmcp_answer created(self_pointer self, const engine::vmcp_request& request,
                            std::uint64_t generation) {
  auto& s = self->state;
  s.unusable.erase(request.id);
  if (s.all.contains(request.id)) {
    forget(s, request.id); // a reload was faster
    return refused(
        409, fmt::format("there is a virtual MCP '{}' in the configuration by now", request.id));
  }
  const auto& made = make(self, request.definition, {true, generation, s.process->wall_now()});
  note(s, request.id, "created");
  return {201, {}, {row_of(request.id, made)}, {}, 0};
}

engine::vmcp_answer changed(self_pointer self, const engine::vmcp_request& request,
                            std::uint64_t generation) {
  auto& s = self->state;
  const auto found = s.all.find(request.id);
  if (found == s.all.end() || found->second.at >= engine::vmcp_state::draining) {
    forget(s, request.id); // it ended while the store was busy
    return refused(409, fmt::format("virtual MCP '{}' has ended meanwhile", request.id));
  }
  auto& one = found->second;
  if (request.verb == engine::vmcp_request::what::update) {
    redefine(self, one, request.definition, generation);
    return {200, {}, {row_of(request.id, one)}, {}, 0};
  }
  self->send(one.actor, drain_vmcp{"it was deleted"});
  one.at = engine::vmcp_state::draining;
  return {202, {}, {row_of(request.id, one)}, {}, 0};
}

void on_saved(self_pointer self, const vmcp_saved& event) {
  using verb = engine::vmcp_request::what;
  const auto& request = *event.request;
  if (request.verb == verb::create)
    self->state.saving.erase(request.id);
  if (!event.outcome) {
    // Another update came first, which this one need not know of.
    if (request.verb == verb::update && event.outcome.error().code == store::errc::stale &&
        !request.generation)
      return on_asked(self, {request});
    return request.answer(not_saved(request, event.outcome.error()));
  }
  request.answer(request.verb == verb::create ? created(self, request, *event.outcome)
                                              : changed(self, request, *event.outcome));
}

// ---- From the store ----------------------------------------------------------------------------

void restore(self_pointer self, const store::saved_vmcp& row) {
  auto& s = self->state;
  auto read = config::parse_vmcp(row.definition);
  if (!read) {
    s.unusable.emplace(row.id, row.generation);
    return log::warn("vmcp", "not_restored",
                     {{"vmcp", row.id},
                      {"reason", read.error().message},
                      {"remedy", "it stays in the store; POST /api/v1/vmcps replaces it"}});
  }
  if (s.all.contains(row.id)) {
    s.unusable.emplace(row.id, row.generation);
    return log::warn("vmcp", "hidden_by_configuration", {{"vmcp", row.id}});
  }
  const std::chrono::system_clock::time_point made{milliseconds(row.created_at)};
  if (read->ttl && made + *read->ttl <= s.process->wall_now())
    return forget(s, row.id);
  read->id = row.id;
  const bool asks = std::ranges::any_of(
      read->select, [](const auto& selector) { return !selector.query.empty(); });
  const auto definition = std::make_shared<const config::vmcp_definition>(std::move(*read));
  const auto& one = make(self, definition, {true, row.generation, made});
  note(s, row.id, "restored");
  if (!asks) // what queries find is waited for by nobody
    s.restoring.insert(one.runtime->number);
}

void all_restored(engine::process& process) {
  process.vmcps_restored = true;
  process.vmcps_restored.notify_all();
}

void on_loaded(self_pointer self, const kept_vmcps& stored) {
  auto& s = self->state;
  for (const auto& row : stored.rows)
    restore(self, row);
  if (!stored.rows.empty())
    log::info("vmcp", "restored", {{"rows", stored.rows.size()}, {"made", s.restoring.size()}});
  s.loaded = true;
  if (s.restoring.empty())
    all_restored(*s.process);
  for (const auto& asked : std::exchange(s.early, {}))
    on_asked(self, asked);
}

void on_changed(self_pointer self, const vmcp_changed& event) {
  auto& s = self->state;
  const auto& id = event.endpoint->runtime->id;
  const auto found = s.all.find(id);
  if (found == s.all.end() || found->second.runtime->number != event.number)
    return;
  found->second.at = event.endpoint->state;
  note(s, id, event.what);
  if (s.restoring.erase(event.number) > 0 && s.restoring.empty())
    all_restored(*s.process);
  if (event.endpoint->state != engine::vmcp_state::closed)
    return;
  if (found->second.from_api)
    forget(s, id);
  s.all.erase(found);
}

void on_sweep(self_pointer self) {
  auto& s = self->state;
  for (const auto& [id, one] : s.all)
    if (one.definition->ttl || one.definition->idle)
      self->send(one.actor, check_vmcp{});
  self->delayed_send(self, limits::vmcp_sweep_interval, sweep_vmcps{});
}

} // namespace

keeper_actor::behavior_type keeper_behavior(self_pointer self, engine::process* process,
                                            const archivist_actor& archivist) {
  self->state.process = process;
  self->set_exit_handler([self](const caf::exit_msg& why) {
    for (const auto& [id, one] : self->state.all)
      self->send_exit(one.actor, why.reason);
    self->quit(why.reason);
  });
  on_sweep(self);
  self->request(archivist, caf::infinite, load_vmcps{})
      .then([self](const kept_vmcps& stored) { on_loaded(self, stored); },
            [self](const caf::error&) {
              log::error("vmcp", "archivist_lost", {});
              on_loaded(self, {});
            });
  return {
      [self](const apply_vmcps& wanted) { on_apply(self, *wanted.settings); },
      [self](const ask_vmcps& asked) { on_asked(self, asked); },
      [self](const vmcp_changed& event) { on_changed(self, event); },
      [self](const sweep_vmcps&) { on_sweep(self); },
      [self](const vmcp_saved& event) { on_saved(self, event); },
  };
}

} // namespace nexus::actors
