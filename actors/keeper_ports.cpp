#include "actors/keeper_ports.hpp"

#include <utility>

#include "base/log.hpp"
#include "engine/worker.hpp"

namespace nexus::actors::port_keeping {
namespace {

using kept = keeper_state::kept;

/// How long one that is restored waits for the port that it had: the kernel may hold the sockets of
/// a process that was killed for a moment longer than the process.
constexpr seconds old_port_patience{3};

/// Whether it has the port that a definition wants.
bool has_wanted(const config::vmcp_definition& definition, const kept* now) {
  if (!definition.port)
    return true; // settle() takes what it may have
  return now != nullptr && now->port &&
         (*definition.port == 0 || *definition.port == now->port->port);
}

bool may_open(const keeper_state& s, const kept& one) {
  const auto policy = s.process->opens_ports;
  return policy == engine::own_ports::all ||
         (policy == engine::own_ports::made_here && one.made_here);
}

void give_up(keeper_state& s, kept& one) {
  if (const auto port = std::exchange(one.port, nullptr))
    s.ports->give_back(port->port, port);
}

} // namespace

void begin(keeper_state& s) {
  s.ports = std::make_unique<engine::vmcp_ports>(
      [process = s.process](std::uint16_t port) { return engine::open_own_port(*process, port); });
  s.ports->reserve(s.process->listen_at.port, "the gateway itself");
}

result<engine::opened_port> claim(keeper_state& s, const config::vmcp_definition& definition,
                                  const kept* now) {
  if (has_wanted(definition, now) || s.process->opens_ports == engine::own_ports::none)
    return {};
  return s.ports->take(definition.id, *definition.port);
}

std::uint16_t number_after(const config::vmcp_definition& definition,
                           const engine::opened_port& claimed, const kept* now) noexcept {
  if (claimed.number != 0 || !definition.port || now == nullptr || !now->port)
    return claimed.number;
  return now->port->port;
}

void abandon(keeper_state& s, engine::opened_port& claimed) {
  if (claimed.number != 0)
    s.ports->give_back(claimed.number, nullptr);
  claimed = {};
}

void settle(keeper_state& s, kept& one, engine::opened_port claimed) {
  const bool keeps = one.definition->port && has_wanted(*one.definition, &one);
  if (claimed.number == 0 && keeps)
    return;
  if (claimed.number == 0) {
    if (one.port)
      s.process->post_to_all(
          [number = one.runtime->number](engine::worker& w) { w.stop_listening_for(number); });
    return give_up(s, one);
  }
  give_up(s, one);
  one.port_problem.clear();
  one.port = std::make_shared<engine::own_port>();
  one.port->port = claimed.number;
  one.port->of = one.runtime;
  for (std::uint32_t i = 0; i < claimed.sockets.size(); ++i)
    s.process->post(
        {i}, [own = one.port, socket = std::move(claimed.sockets[i])](engine::worker& w) mutable {
          w.listen_for(std::move(own), std::move(socket));
        });
  log::info("vmcp", "listening", {{"vmcp", one.runtime->id}, {"port", claimed.number}});
}

void seek(keeper_state& s, kept& one, std::uint16_t before) {
  const auto& wish = one.definition->port;
  if (!wish || !may_open(s, one) || has_wanted(*one.definition, &one))
    return settle(s, one, {});
  if (before != 0 && *wish == 0) {
    one.port_before = before;
    one.port_patience = s.process->now() + old_port_patience;
  }
  const bool again = *wish == 0 && s.ports->in_range(one.port_before);
  const bool waits = again && s.process->now() < one.port_patience;
  auto opened = s.ports->take(one.runtime->id, again ? one.port_before : *wish);
  if (!opened && again && !waits)
    opened = s.ports->take(one.runtime->id, *wish);
  if (opened)
    return settle(s, one, std::move(*opened));
  if (one.port_problem.empty() && !waits)
    log::error("vmcp", "no_port", {{"vmcp", one.runtime->id}, {"reason", opened.error().message}});
  one.port_problem = opened.error().message;
  settle(s, one, {}); // it may have had another one
}

void leave(keeper_state& s, kept& one) {
  give_up(s, one);
}

void retry(keeper_state& s) {
  bool any_free = true; // where one finds no port of the range, no other does
  for (auto& [id, one] : s.all) {
    const bool any = one.definition->port == std::uint16_t{0};
    if (one.port_problem.empty() || one.at >= engine::vmcp_state::draining || (any && !any_free))
      continue;
    seek(s, one);
    any_free = any_free && (!any || one.port);
  }
}

} // namespace nexus::actors::port_keeping
