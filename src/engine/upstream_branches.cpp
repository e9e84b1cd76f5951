/// upstream's part in sessions that are not everybody's: which one a call uses.

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

using config::session_mode;

bool upstream::has_branches() const noexcept {
  if (endpoint_->as || endpoint_->era == mcp::era::modern || !endpoint_->settings)
    return false;
  const auto& settings = *endpoint_->settings;
  if (settings.sessions == session_mode::automatic)
    return settings.kind != config::transport::stdio;
  return settings.sessions != session_mode::shared;
}

std::string_view upstream::branch_key(const exchange& x, std::string& scratch) {
  const auto mode = endpoint_->settings->sessions;
  if (mode == session_mode::per_call)
    return scratch = fmt::format("call {}-{}", owner_.id().value, x.sequence);
  if (mode == session_mode::per_client_session && x.caller)
    return scratch = "session " + x.caller->id;
  // Without authentication all callers are one principal, so a profile says it all.
  if (x.caller)
    return x.caller->able_json;
  return scratch = declared_capabilities(x);
}

branch_ptr upstream::branch_for(const exchange& x, std::string_view key) {
  auto wanted = std::make_shared<branch>();
  wanted->of = slot_;
  wanted->key = key;
  wanted->capabilities = declared_capabilities(x);
  const auto mode = endpoint_->settings->sessions;
  if (mode == session_mode::per_client_session)
    wanted->client = x.caller;
  wanted->once = mode == session_mode::per_call;
  return wanted;
}

void upstream::submit_to_branch(exchange& x) {
  std::string scratch;
  const auto key = branch_key(x, scratch);
  if (const auto known = branches_.find(key); known != branches_.end())
    if (auto* const other = owner_.find_upstream(known->second))
      return other->admit(x);
  if (wait_for_branch_.size() >= limits::server_queue_max) {
    owner_.metrics().refusals.add(metrics::refusal::queue);
    return answer_failure(x, metrics::call_result::refused, "is overloaded",
                          fmt::format("{} calls wait for a session", wait_for_branch_.size()));
  }
  bool asked = false;
  for (const auto& [other, waiting] : wait_for_branch_)
    asked = asked || other == key;
  wait_for_branch_.emplace_back(key, &x);
  if (!asked)
    owner_.shared().plane->branch_wanted(branch_for(x, key));
}

void upstream::branch_opened(const std::string& key, std::uint32_t slot) {
  branches_.insert_or_assign(key, slot);
  auto* const to = owner_.find_upstream(slot);
  NEXUS_ASSERT(to != nullptr);
  std::vector<exchange*> ready;
  std::erase_if(wait_for_branch_, [&](const auto& entry) {
    if (entry.first == key)
      ready.push_back(entry.second);
    return entry.first == key;
  });
  for (auto* const x : ready)
    to->admit(*x);
}

void upstream::branch_refused(const std::string& key, const std::string& reason) {
  const auto next = [&] {
    return std::find_if(wait_for_branch_.begin(), wait_for_branch_.end(),
                        [&](const auto& entry) { return entry.first == key; });
  };
  for (auto found = next(); found != wait_for_branch_.end(); found = next())
    answer_failure(*found->second, metrics::call_result::refused, "has no session for this call",
                   reason);
}

} // namespace nexus::engine
