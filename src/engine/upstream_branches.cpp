/// upstream's part in sessions that are not everybody's: which one a call uses.

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/questions.hpp"
#include "gateway/render.hpp"

namespace nexus::engine {

using config::session_mode;

bool upstream::has_branches() const noexcept {
  if (endpoint_->as || endpoint_->era == mcp::era::modern || !endpoint_->settings)
    return false;
  return endpoint_->settings->sessions != session_mode::shared;
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
  return scratch = legacy_capabilities(x);
}

std::string upstream::legacy_capabilities(const exchange& x) {
  if (x.request.meta[mcp::meta_key::client_capabilities].raw.size() <= 2 || x.caller)
    return declared_capabilities(x);
  auto able = capabilities_of(x);
  able.tasks = false; // legacy revisions have others, under the same name
  return able.to_json();
}

branch_ptr upstream::branch_for(const exchange& x, std::string_view key) {
  auto wanted = std::make_shared<branch>();
  wanted->of = slot_;
  wanted->key = key;
  wanted->capabilities = legacy_capabilities(x);
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

bool upstream::ask_session(const mcp::message& question) {
  const auto client = endpoint_->as ? endpoint_->as->client : nullptr;
  gateway::question_kind kind{};
  std::string missing;
  std::string params(question.params.whole.raw);
  json::ensure_padding(params);
  if (!client || !client->listens() || !gateway::parse_question(question.method, kind) ||
      !gateway::can_answer(client->able, kind, params, owner_.scanner(), missing) ||
      session_questions_.size() >= limits::questions_per_call_max)
    return false;
  session_question fresh{
      open_question(owner_, {nullptr, slot_}), std::string(question.id.raw), {}, {}};
  const auto id = fresh.asked.id();
  fresh.server_token =
      gateway::replace_progress_token(params, std::to_string(id), owner_.scanner());
  session_questions_.emplace(id, std::move(fresh));
  tell_client(fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}"{}{}}})", id, question.method,
                          params.empty() ? "" : R"(,"params":)", params));
  return true;
}

void upstream::tell_client(const std::string& text) {
  const auto& client = endpoint_->as->client;
  const auto holder = client->stream_worker.load();
  if (holder >= 0)
    owner_.shared().post({static_cast<std::uint32_t>(holder)},
                         [client, text](worker& w) { w.tell_session(*client, text); });
}

void upstream::take_session_answer(const session* from, std::int64_t id,
                                   const mcp::message& given) {
  const auto found = session_questions_.find(id);
  if (found == session_questions_.end() || endpoint_->as->client.get() != from)
    return;
  const auto theirs = std::move(found->second.server_id);
  session_questions_.erase(found);
  tell_server(given.kind == mcp::message_kind::response
                  ? gateway::result_response(theirs, given.result.whole.raw)
                  : fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{}}})", theirs,
                                given.error.whole.raw));
}

void upstream::take_session_progress(const session* from, std::int64_t id,
                                     const mcp::message& told) {
  const auto found = session_questions_.find(id);
  if (found == session_questions_.end() || endpoint_->as->client.get() != from)
    return;
  auto& [asked, server_id, server_token, reported] = found->second;
  if (server_token.empty() || owner_.now() - reported < limits::client_progress_interval_min)
    return;
  reported = owner_.now();
  std::string text;
  if (gateway::render_progress(text, told, server_token))
    tell_server(std::move(text));
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
