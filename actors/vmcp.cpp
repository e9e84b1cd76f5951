#include "actors/vmcp.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

using self_pointer = vmcp_actor::stateful_pointer<vmcp_state>;
using engine::vmcp_state::closed;
using engine::vmcp_state::draining;
using engine::vmcp_state::ready;

/// How often a draining one looks whether its calls have ended, and a new one for its servers.
constexpr milliseconds check_interval{50};
/// How long queries wait for servers that connect: what they find is found once.
constexpr unsigned waits_max = 200;

void publish(self_pointer self, engine::vmcp_state at, std::string_view what) {
  auto& s = self->state;
  s.at = at;
  auto endpoint = std::make_shared<engine::vmcp_endpoint>();
  endpoint->definition = s.definition;
  endpoint->found = s.found;
  endpoint->generation = s.generation;
  endpoint->state = at;
  endpoint->runtime = s.runtime;
  engine::vmcp_endpoint_ptr made = std::move(endpoint);
  s.process->post_to_all([made](engine::worker& w) { w.install(made); });
  self->send(s.keeper, vmcp_changed{s.runtime->number, made, what});
}

bool asks(const config::vmcp_definition& definition) {
  return std::ranges::any_of(definition.select,
                             [](const auto& selector) { return !selector.query.empty(); });
}

/// What the queries find now, among the tools for which the other conditions hold.
catalog::frozen_tools search(engine::worker& on, const config::vmcp_definition& definition) {
  catalog::frozen_tools out(definition.select.size());
  for (std::size_t i = 0; i < definition.select.size(); ++i) {
    const auto& selector = definition.select[i];
    if (selector.query.empty())
      continue;
    const std::function<bool(const catalog::route&)> selected = [&](const catalog::route& to) {
      const auto* const part = on.snapshot().part(to.slot);
      const auto takes = [&](const auto& one) { return catalog::selects(one, *part, *to.target); };
      return part != nullptr && takes(selector) && std::ranges::none_of(definition.exclude, takes);
    };
    const auto hits = on.search().find({}, on.snapshot().everything(), on.snapshot(),
                                       {selector.query, selector.limit, std::nullopt, &selected});
    for (const auto& hit : hits.tools)
      out[i].emplace_back(on.snapshot().part(hit.where->slot)->name, hit.where->target->name);
  }
  return out;
}

/// Asks a worker, which has the index; waits while the index lacks what is listed or is to come.
void find_tools(self_pointer self) {
  auto& s = self->state;
  const bool last = ++s.waits >= waits_max;
  s.process->post({0}, [me = vmcp_actor(self), definition = s.definition, generation = s.generation,
                        last](engine::worker& w) {
    bool whole = w.snapshot().generation() > 0 && w.search().size() == w.snapshot().tools_count();
    for (const auto& part : w.snapshot().servers()) {
      auto* const up = w.find_upstream(part.slot);
      if (up == nullptr || part.catalogue || part.unusable)
        continue;
      const auto& endpoint = up->endpoint();
      const bool starts = endpoint.state == engine::server_state::idle && endpoint.settings &&
                          !endpoint.settings->lazy;
      whole = whole && !starts && endpoint.state != engine::server_state::connecting;
    }
    vmcp_found found{generation, nullptr};
    if (whole || last)
      found.tools = std::make_shared<const catalog::frozen_tools>(search(w, *definition));
    caf::anon_send(me, found);
  });
}

void on_define(self_pointer self, const define_vmcp& order) {
  auto& s = self->state;
  if (s.at >= draining)
    return;
  s.definition = order.definition;
  s.generation = order.generation;
  s.waits = 0;
  if (asks(*s.definition))
    return find_tools(self);
  s.found = nullptr;
  publish(self, ready, s.at == engine::vmcp_state::created ? "ready" : "updated");
}

void on_found(self_pointer self, const vmcp_found& event) {
  auto& s = self->state;
  if (event.generation != s.generation || s.at >= draining)
    return; // of a definition before
  if (!event.tools)
    return self->delayed_send(self, check_interval, search_again{});
  s.found = event.tools;
  publish(self, ready, s.at == engine::vmcp_state::created ? "ready" : "updated");
}

void close(self_pointer self) {
  publish(self, closed, "closed");
  self->quit();
}

void check_drained(self_pointer self) {
  auto& s = self->state;
  if (s.runtime->in_flight.load() == 0 || s.process->now() >= s.drain_until)
    return close(self);
  self->delayed_send(self, check_interval, check_vmcp{});
}

void drain(self_pointer self, std::string_view why) {
  auto& s = self->state;
  if (s.at >= draining)
    return;
  log::info("vmcp", "draining", {{"vmcp", s.runtime->id}, {"reason", why}});
  s.drain_until = s.process->now() + s.process->limits.drain_timeout;
  publish(self, draining, "draining");
  check_drained(self);
}

void on_check(self_pointer self) {
  auto& s = self->state;
  if (s.at == draining)
    return check_drained(self);
  const auto now = s.process->now();
  const time_point used{nanoseconds(s.runtime->last_used_ns.load())};
  if (s.definition->ttl && now - s.made >= *s.definition->ttl)
    drain(self, "its time is over");
  else if (s.definition->idle && s.runtime->in_flight.load() == 0 &&
           now - std::max(used, s.started) >= *s.definition->idle)
    drain(self, "nobody uses it");
}

} // namespace

vmcp_actor::behavior_type vmcp_behavior(self_pointer self, engine::process* process,
                                        const keeper_actor& keeper,
                                        std::shared_ptr<engine::vmcp_runtime> runtime,
                                        time_point made) {
  self->state.process = process;
  self->state.keeper = keeper;
  self->state.runtime = std::move(runtime);
  self->state.made = made;
  self->state.started = process->now();
  return {
      [self](const define_vmcp& order) { on_define(self, order); },
      [self](const vmcp_found& event) { on_found(self, event); },
      [self](const search_again&) { find_tools(self); },
      [self](const drain_vmcp& order) { drain(self, order.why); },
      [self](const check_vmcp&) { on_check(self); },
  };
}

} // namespace nexus::actors
