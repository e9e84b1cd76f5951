#include "actors/keeper.hpp"

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

kept& make(self_pointer self, const config::vmcp_definition_ptr& definition, bool from_api) {
  auto& s = self->state;
  kept one;
  one.runtime = std::make_shared<engine::vmcp_runtime>();
  one.runtime->number = ++s.numbers;
  one.runtime->id = definition->id;
  one.definition = definition;
  one.from_api = from_api;
  one.created = s.process->wall_now();
  one.actor = self->spawn(vmcp_behavior, s.process, keeper_actor(self), one.runtime);
  self->send(one.actor, define_vmcp{definition, one.generation});
  note(s, definition->id, "created");
  return s.all.insert_or_assign(definition->id, std::move(one)).first->second;
}

void redefine(self_pointer self, kept& one, const config::vmcp_definition_ptr& definition) {
  one.definition = definition;
  self->send(one.actor, define_vmcp{definition, ++one.generation});
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
    if (known == s.all.end())
      make(self, definition, false);
    else if (known->second.from_api)
      log::warn("vmcp", "hidden_by_api", {{"vmcp", id}});
    else if (known->second.definition->text != definition->text)
      redefine(self, known->second, definition);
  }
}

engine::vmcp_answer refused(unsigned status, std::string why) {
  engine::vmcp_answer out;
  out.status = status;
  out.problem = std::move(why);
  return out;
}

engine::vmcp_answer create(self_pointer self, const engine::vmcp_request& request) {
  auto& s = self->state;
  if (s.all.contains(request.id))
    return refused(409,
                   fmt::format("there is a virtual MCP '{}' already; PUT changes it", request.id));
  if (s.all.size() >= limits::vmcps_max)
    return refused(503, fmt::format("there are {} virtual MCPs already", s.all.size()));
  const auto& made = make(self, request.definition, true);
  return {201, {}, {row_of(request.id, made)}, {}, 0};
}

engine::vmcp_answer change(self_pointer self, const engine::vmcp_request& request, kept& one) {
  if (one.at >= engine::vmcp_state::draining)
    return refused(409, fmt::format("virtual MCP '{}' is draining", request.id));
  if (!one.from_api)
    return refused(
        409, fmt::format("virtual MCP '{}' is the configuration's: change it there", request.id));
  if (request.generation && *request.generation != one.generation)
    return refused(409, fmt::format("virtual MCP '{}' is of generation {} by now", request.id,
                                    one.generation));
  if (request.verb == engine::vmcp_request::what::update) {
    redefine(self, one, request.definition);
    return {200, {}, {row_of(request.id, one)}, {}, 0};
  }
  self->send(one.actor, drain_vmcp{"it was deleted"});
  one.at = engine::vmcp_state::draining;
  return {202, {}, {row_of(request.id, one)}, {}, 0};
}

engine::vmcp_answer answer(self_pointer self, const engine::vmcp_request& request) {
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

void on_changed(self_pointer self, const vmcp_changed& event) {
  auto& s = self->state;
  const auto& id = event.endpoint->runtime->id;
  const auto found = s.all.find(id);
  if (found == s.all.end() || found->second.runtime->number != event.number)
    return;
  found->second.at = event.endpoint->state;
  note(s, id, event.what);
  if (event.endpoint->state == engine::vmcp_state::closed)
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

keeper_actor::behavior_type keeper_behavior(self_pointer self, engine::process* process) {
  self->state.process = process;
  self->set_exit_handler([self](const caf::exit_msg& why) {
    for (const auto& [id, one] : self->state.all)
      self->send_exit(one.actor, why.reason);
    self->quit(why.reason);
  });
  on_sweep(self);
  return {
      [self](const apply_vmcps& wanted) { on_apply(self, *wanted.settings); },
      [self](const ask_vmcps& asked) { asked.request.answer(answer(self, asked.request)); },
      [self](const vmcp_changed& event) { on_changed(self, event); },
      [self](const sweep_vmcps&) { on_sweep(self); },
  };
}

} // namespace nexus::actors
