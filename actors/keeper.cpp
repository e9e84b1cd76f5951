#include "actors/keeper.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "actors/keeper_ports.hpp"
#include "actors/vmcp.hpp"
#include "base/log.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

using self_pointer = keeper_actor::stateful_pointer<keeper_state>;
using kept = keeper_state::kept;

void note(keeper_state& s, const kept& one, std::string_view what) {
  s.events.push_back({++s.event_sequence, s.process->wall_now(), one.runtime->id, what,
                      one.port ? one.port->port : std::uint16_t{0}});
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
  row.port = one.port ? one.port->port : 0;
  row.port_problem = one.port_problem;
  row.definition = one.definition;
  return row;
}

/// Where one comes from.
struct origin {
  bool from_api = false;
  bool made_here = false;
  std::uint64_t generation = 1;
  std::chrono::system_clock::time_point created;
};

/// Until its actor has more to say, every worker knows that it is being made.
void publish_created(engine::process& process, const kept& one) {
  auto endpoint = std::make_shared<engine::vmcp_endpoint>();
  endpoint->definition = one.definition;
  endpoint->generation = one.generation;
  endpoint->runtime = one.runtime;
  process.post_to_all(
      [made = engine::vmcp_endpoint_ptr(endpoint)](engine::worker& w) { w.install(made); });
}

kept& make(self_pointer self, const config::vmcp_definition_ptr& definition, const origin& from) {
  auto& s = self->state;
  kept one;
  one.runtime = std::make_shared<engine::vmcp_runtime>();
  one.runtime->number = ++s.numbers;
  one.runtime->id = definition->id;
  one.definition = definition;
  one.from_api = from.from_api;
  one.made_here = from.made_here;
  one.generation = from.generation;
  one.created = from.created;
  publish_created(*s.process, one);
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
  s.ports->set_range(settings.vmcp_ports);
  std::map<std::string, config::vmcp_definition_ptr> wanted;
  for (const auto& definition : settings.vmcps)
    wanted.emplace(definition->id, definition);
  for (auto& [id, one] : s.all)
    if (!one.from_api && !wanted.contains(id))
      self->send(one.actor, drain_vmcp{"it is not in the configuration any more"});
  for (const auto& [id, definition] : wanted) {
    const auto known = s.all.find(id);
    if (known == s.all.end()) {
      auto& made = make(self, definition, {false, false, 1, s.process->wall_now()});
      port_keeping::seek(s, made);
      note(s, made, "created");
    } else if (known->second.from_api)
      log::warn("vmcp", "hidden_by_api",
                {{"vmcp", id}, {"remedy", "nexus vmcp delete " + id + ", then reload"}});
    else if (known->second.definition->text != definition->text) {
      redefine(self, known->second, definition, known->second.generation + 1);
      port_keeping::seek(s, known->second);
    }
  }
}

engine::vmcp_answer refused(unsigned status, std::string why) {
  engine::vmcp_answer out;
  out.status = status;
  out.problem = std::move(why);
  return out;
}

// ---- The API: asked, saved, done --------------------------------------------------------------

/// Has the store do what the request wants; on_saved() goes on.
/// @param expected the generation that the store has; 0: none
/// @param number the port that it will have
void save(self_pointer self, const engine::vmcp_request& request, std::uint64_t expected,
          engine::opened_port claimed, std::uint16_t number) {
  auto shared = std::make_shared<const engine::vmcp_request>(request);
  auto port = std::make_shared<engine::opened_port>(std::move(claimed));
  // In the store's own unit, so that what is told now is what is told after a restart.
  const auto now = std::chrono::floor<milliseconds>(self->state.process->wall_now());
  self->state.process->plane->with_store(
      [me = keeper_actor(self), shared, port, expected, now, number](store::database& in) {
        vmcp_saved done{shared, std::uint64_t{0}, port, now};
        if (shared->verb != engine::vmcp_request::what::remove)
          done.outcome = in.put_vmcp(shared->id, shared->definition->text, expected,
                                     now.time_since_epoch().count(), number);
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

/// Opens the port that a request wants, and has it saved. @param now null: it is to be made
/// @returns an answer when the port is somebody else's
std::optional<engine::vmcp_answer> save_with_port(self_pointer self,
                                                  const engine::vmcp_request& request,
                                                  const kept* now, std::uint64_t expected) {
  const auto& definition = *request.definition;
  auto claimed = port_keeping::claim(self->state, definition, now);
  if (!claimed)
    return refused(*definition.port == 0 ? 503 : 409, claimed.error().message);
  const auto number = port_keeping::number_after(definition, *claimed, now);
  save(self, request, expected, std::move(*claimed), number);
  return std::nullopt;
}

/// @returns an answer when the request cannot be granted; otherwise it is being saved
std::optional<engine::vmcp_answer> create(self_pointer self, const engine::vmcp_request& request) {
  auto& s = self->state;
  if (s.all.contains(request.id) || s.saving.contains(request.id))
    return refused(409,
                   fmt::format("there is a virtual MCP '{}' already; PUT changes it", request.id));
  if (s.all.size() + s.saving.size() >= limits::vmcps_max)
    return refused(503, fmt::format("there are {} virtual MCPs already", s.all.size()));
  const auto stale = s.unusable.find(request.id);
  auto refusal =
      save_with_port(self, request, nullptr, stale == s.unusable.end() ? 0 : stale->second);
  if (!refusal)
    s.saving.insert(request.id);
  return refusal;
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
  if (request.verb == engine::vmcp_request::what::update)
    return save_with_port(self, request, &one, one.generation);
  save(self, request, one.generation, {}, 0);
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

engine::vmcp_answer created(self_pointer self, const vmcp_saved& event) {
  auto& s = self->state;
  const auto& request = *event.request;
  auto& port = *event.port;
  s.unusable.erase(request.id);
  if (s.all.contains(request.id)) {
    forget(s, request.id); // a reload was faster
    port_keeping::abandon(s, port);
    return refused(
        409, fmt::format("there is a virtual MCP '{}' in the configuration by now", request.id));
  }
  auto& made = make(self, request.definition, {true, true, *event.outcome, event.at});
  port_keeping::settle(s, made, std::move(port));
  note(s, made, "created");
  return {201, {}, {row_of(request.id, made)}, {}, 0};
}

engine::vmcp_answer changed(self_pointer self, const vmcp_saved& event) {
  auto& s = self->state;
  const auto& request = *event.request;
  auto& port = *event.port;
  const auto found = s.all.find(request.id);
  if (found == s.all.end() || found->second.at >= engine::vmcp_state::draining) {
    forget(s, request.id); // it ended while the store was busy
    port_keeping::abandon(s, port);
    return refused(409, fmt::format("virtual MCP '{}' has ended meanwhile", request.id));
  }
  auto& one = found->second;
  if (request.verb == engine::vmcp_request::what::update) {
    redefine(self, one, request.definition, *event.outcome);
    port_keeping::settle(s, one, std::move(port));
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
    port_keeping::abandon(self->state, *event.port);
    // Another update came first, which this one need not know of.
    if (request.verb == verb::update && event.outcome.error().code == store::errc::stale &&
        !request.generation)
      return on_asked(self, {request});
    return request.answer(not_saved(request, event.outcome.error()));
  }
  const auto take_over = request.verb == verb::create ? created : changed;
  request.answer(take_over(self, event));
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
  auto& one = make(self, definition, {true, false, row.generation, made});
  port_keeping::seek(s, one, row.port);
  note(s, one, "restored");
  if (!asks) // what queries find is waited for by nobody
    s.restoring.insert(one.runtime->number);
}

void all_restored(engine::process& process) {
  process.vmcps_restored = true;
  process.vmcps_restored.notify_all();
}

void on_loaded(self_pointer self, const kept_vmcps& stored) {
  auto& s = self->state;
  if (!s.applied) { // what the configuration says comes first
    s.stored = stored;
    return;
  }
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
  note(s, found->second, event.what);
  if (s.restoring.erase(event.number) > 0 && s.restoring.empty())
    all_restored(*s.process);
  if (event.endpoint->state != engine::vmcp_state::closed)
    return;
  port_keeping::leave(s, found->second);
  if (found->second.from_api)
    forget(s, id);
  s.all.erase(found);
}

void on_sweep(self_pointer self) {
  auto& s = self->state;
  for (const auto& [id, one] : s.all)
    if (one.definition->ttl || one.definition->idle)
      self->send(one.actor, check_vmcp{});
  port_keeping::retry(s);
  self->delayed_send(self, limits::vmcp_sweep_interval, sweep_vmcps{});
}

} // namespace

keeper_actor::behavior_type keeper_behavior(self_pointer self, engine::process* process,
                                            const archivist_actor& archivist) {
  self->state.process = process;
  port_keeping::begin(self->state);
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
      [self](const apply_vmcps& wanted) {
        on_apply(self, *wanted.settings);
        self->state.applied = true;
        if (const auto stored = std::exchange(self->state.stored, std::nullopt))
          on_loaded(self, *stored);
      },
      [self](const ask_vmcps& asked) { on_asked(self, asked); },
      [self](const vmcp_changed& event) { on_changed(self, event); },
      [self](const sweep_vmcps&) { on_sweep(self); },
      [self](const vmcp_saved& event) { on_saved(self, event); },
  };
}

} // namespace nexus::actors
