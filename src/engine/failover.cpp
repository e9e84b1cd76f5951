#include "engine/failover.hpp"

#include "base/log.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {
namespace {

using member = catalog::merged_tool::member;

static_assert(limits::merged_servers_max <= 64, "exchange::tried has a bit for each");

[[nodiscard]] bool was_tried(const exchange& x, std::size_t index) noexcept {
  return (x.tried >> index & 1) != 0;
}

/// A retry with a server's state belongs to that server, whatever is better by now.
const member* member_of_state(worker& on, exchange& x) {
  for (const auto& one : x.merged->members) {
    auto* const up = on.find_upstream(one.slot);
    x.target_name = one.target->name;
    if (up != nullptr && up->sealed_state(x))
      return &one;
  }
  return nullptr;
}

} // namespace

const member* next_member(worker& on, const exchange& x) {
  const member* connecting = nullptr;
  for (std::size_t i = 0; i < x.merged->members.size(); ++i) {
    const auto& one = x.merged->members[i];
    const auto* const up = was_tried(x, i) ? nullptr : on.find_upstream(one.slot);
    if (up == nullptr)
      continue;
    switch (up->endpoint().state) {
    case server_state::ready:
    case server_state::idle:
      return &one;
    case server_state::connecting:
      connecting = connecting == nullptr ? &one : connecting;
      break;
    case server_state::down:
      break;
    }
  }
  return connecting;
}

void forward_to(worker& on, exchange& x, const member& to) {
  x.tried |= std::uint64_t{1} << (&to - x.merged->members.data());
  aim(x, *to.target);
  forward(on, x, to.slot);
}

void forward_merged(worker& on, exchange& x, const catalog::merged_tool_ptr& tool) {
  x.merged = tool;
  x.tried = 0;
  const bool answers =
      x.era == mcp::era::modern && x.request.params.has(mcp::param_key::request_state);
  const auto* to = answers ? member_of_state(on, x) : next_member(on, x);
  // When none can take it, the best one says why.
  forward_to(on, x, to != nullptr ? *to : tool->members.front());
}

bool upstream::fails_over(exchange& x, metrics::call_result how, reached server,
                          std::string_view what, std::string_view reason) {
  if (!x.merged || (server == reached::perhaps && !x.safe_to_repeat))
    return false;
  // Another server knows nothing of what was asked and answered.
  if (x.talk || x.broken || !x.server_state.empty())
    return false;
  const auto* const to = next_member(owner_, x);
  if (to == nullptr)
    return false;
  log::info("call", "failed_over",
            {{"server", endpoint_->settings ? endpoint_->settings->name : "?"},
             {"tool", x.target_name},
             {"what", what},
             {"reason", reason}});
  owner_.metrics().failovers.add();
  x.deadline.cancel();
  let_go(x, how);
  x.resent = x.relisted = false;
  forward_to(owner_, x, *to);
  serve_next();
  return true;
}

} // namespace nexus::engine
