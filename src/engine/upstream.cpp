#include "engine/upstream.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.hpp"
#include "base/text.hpp"
#include "engine/dialogue.hpp"
#include "engine/dispatch.hpp"
#include "engine/server_link.hpp"
#include "engine/task_hub.hpp"
#include "engine/worker.hpp"
#include "gateway/classify.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {

using mcp::message_kind;
using metrics::call_result;

upstream::upstream(worker& owner, std::uint32_t slot, branch_ptr as,
                   std::shared_ptr<server_runtime> runtime)
    : owner_(owner), slot_(slot), runtime_(std::move(runtime)),
      metrics_(owner.metrics().server(as ? as->of : slot)) {
  auto blank = std::make_shared<server_endpoint>();
  blank->slot = slot;
  blank->as = std::move(as);
  endpoint_ = std::move(blank);
}

upstream::~upstream() = default;

void upstream::fail_all(const std::string& reason) {
  auto gone = std::make_shared<server_endpoint>(*endpoint_);
  gone->state = server_state::down;
  gone->reason = reason;
  endpoint_ = std::move(gone);
  fail_waiting(call_result::refused, "is gone", reason);
  while (auto* const x = owner_.first_exchange_via(*this)) {
    if (x->call != nullptr)
      pool_->cancel(*x->call);
    x->call = nullptr;
    answer_failure(*x, call_result::transport_error, "is gone", reason);
  }
}

void upstream::submit_unresolved(exchange& x) {
  x.resolve_later = true;
  submit(x);
}

void upstream::submit(exchange& x) {
  x.via = this;
  x.at = exchange::stage::waiting;
  x.timeout = endpoint_->settings ? endpoint_->settings->call_timeout
                                  : milliseconds(limits::call_timeout_default);
  if (x.request.params.has(mcp::param_key::request_state) && !open_state(x))
    return;
  admit(x);
}

void upstream::admit(exchange& x) {
  x.via = this;
  // What was spent waiting for a catalogue counts.
  owner_.reactor().arm(x.deadline, x.timeout - (owner_.now() - x.started));
  switch (endpoint_->state) {
  case server_state::ready:
    if (x.resolve_later)
      return resolve(x);
    if (has_branches())
      return submit_to_branch(x);
    if (waiting_.empty() && take_permit()) {
      x.has_permit = true;
      return send(x);
    }
    return wait(x);
  case server_state::idle:
    if (!wanted_told_)
      owner_.shared().plane->server_wanted(slot_);
    wanted_told_ = true;
    return wait(x);
  case server_state::connecting:
    return wait(x);
  case server_state::down:
    return answer_failure(x, call_result::refused, "is not available", endpoint_->reason);
  }
}

bool upstream::take_permit() noexcept {
  const auto most =
      endpoint_->settings ? endpoint_->settings->concurrency : limits::server_concurrency_default;
  auto taken = runtime_->in_flight.load();
  while (taken < most)
    if (runtime_->in_flight.compare_exchange_weak(taken, taken + 1))
      return true;
  return false;
}

void upstream::give_permit(exchange& x) {
  if (!x.has_permit)
    return;
  x.has_permit = false;
  runtime_->in_flight.fetch_sub(1);
}

void upstream::wait(exchange& x) {
  if (waiting_.size() >= limits::server_queue_max) {
    owner_.metrics().refusals.add(metrics::refusal::queue);
    return answer_failure(x, call_result::refused, "is overloaded",
                          fmt::format("{} calls wait for it already", waiting_.size()));
  }
  waiting_.push_back(&x);
  owner_.metrics().exchanges_parked.up();
  runtime_->waiting.fetch_add(1);
  // A permit that came free before this call was counted as waiting has told nobody.
  pump();
}

void upstream::pump() {
  while (!waiting_.empty() && endpoint_->state == server_state::ready) {
    auto& x = *waiting_.front();
    const bool here = !x.resolve_later && !has_branches();
    if (here && !take_permit())
      return;
    waiting_.pop_front();
    owner_.metrics().exchanges_parked.down();
    runtime_->waiting.fetch_sub(1, std::memory_order_relaxed);
    if (!here) {
      x.resolve_later ? resolve(x) : submit_to_branch(x);
      continue;
    }
    x.has_permit = true;
    send(x);
  }
}

void upstream::resolve(exchange& x) {
  x.deadline.cancel();
  x.via = nullptr;
  x.at = exchange::stage::local;
  dispatch(owner_, x);
}

void upstream::send(exchange& x) {
  x.at = exchange::stage::sent;
  x.sent_at = owner_.now();
  if (endpoint_->as)
    runtime_->last_used_ns.store(x.sent_at.time_since_epoch().count(), std::memory_order_relaxed);
  metrics_.in_flight.up();
  transmit(x);
}

void upstream::transmit(exchange& x) {
  x.downstream_id = owner_.next_downstream_id();
  auto& text = owner_.scratch;
  text.clear();
  const auto level =
      x.caller ? x.caller->log_level.load(std::memory_order_relaxed) : mcp::log_level::off;
  gateway::downstream_call call;
  call.method = x.request.method;
  call.target_name = x.target_name;
  call.target_ref = x.target_ref;
  call.target_task = x.target_task;
  call.id = x.downstream_id;
  call.server = endpoint_->era;
  call.log_level = level;
  std::string capabilities;
  if (endpoint_->era == mcp::era::modern)
    call.capabilities = capabilities = declared_capabilities(x);
  call.request_state = x.talk ? x.talk->request_state() : x.server_state;
  if (x.talk)
    call.input_responses = x.talk->input_responses();
  if (const auto* const fields = x.client != nullptr ? x.client->request_headers() : nullptr)
    call.trace = gateway::trace_beside_meta(x.request, *fields);
  gateway::append_request(text, x.request, call);
  if (endpoint_->channel)
    send_channel(x);
  else
    send_http(x, call.trace);
}

void upstream::send_http(exchange& x, const gateway::trace_context& trace) {
  const auto& body = owner_.scratch;
  auto& head = owner_.head_scratch;
  head = prefix_;
  json::append_int(head, static_cast<std::int64_t>(body.size()));
  if (endpoint_->era == mcp::era::modern) {
    head += "\r\nMcp-Method: ";
    head += x.request.method;
    const auto& named = x.target_task.empty() ? x.target_name : x.target_task;
    if (!named.empty()) {
      head += "\r\nMcp-Name: ";
      head += gateway::encode_header_value(named);
    }
    head += x.parameter_fields;
  }
  gateway::append_trace_headers(head, x.request, trace);
  head += "\r\n\r\n";
  x.call = &pool_->start(head, x, body);
}

void upstream::send_channel(exchange& x) {
  on_channel_.emplace(x.downstream_id, &x);
  if (endpoint_->home == owner_.id()) {
    if (!link_) // its end is on the way and fails this call, unless another server takes it
      return channel_was_gone(x);
    if (link_->queued_bytes() > limits::write_queue_high_bytes) {
      on_channel_.erase(x.downstream_id);
      return answer_failure(x, call_result::refused, "does not read its input",
                            fmt::format("{} bytes wait for it", link_->queued_bytes()));
    }
    return link_->send(owner_.scratch);
  }
  post_to_home(owner_.scratch, endpoint_->link, x.merged ? x.sequence : 0);
}

void upstream::post_to_home(std::string message, std::uint64_t link, std::uint64_t call) {
  owner_.metrics().posts.add();
  owner_.shared().post(endpoint_->home, [slot = slot_, link, call, back = owner_.id(),
                                         text = std::move(message)](worker& home) {
    auto* const up = home.find_upstream(slot);
    if (up != nullptr && up->link() != nullptr && up->link()->generation() == link)
      return up->link()->send(text);
    if (call != 0)
      home.shared().post(back, [slot, call](worker& w) {
        auto* const x = w.find_exchange(call);
        if (x != nullptr && x->via != nullptr && x->via == w.find_upstream(slot))
          x->via->channel_was_gone(*x);
      });
  });
}

void upstream::channel_was_gone(exchange& x) {
  static_cast<void>(fails_over(x, call_result::refused, reached::no, "is not available",
                               "its connection ended before the call"));
}

void upstream::tell_cancelled(const exchange& x) {
  if (x.at != exchange::stage::sent)
    return;
  const bool modern_http = endpoint_->era == mcp::era::modern && !endpoint_->channel;
  if (modern_http)
    return; // closing the request's connection says it
  std::string text;
  gateway::append_own_notification(
      text, "notifications/cancelled",
      fmt::format(R"({{"requestId":{},"reason":"the caller gave the request up"}})",
                  x.downstream_id));
  tell_server(std::move(text));
}

void upstream::tell_server(std::string text) {
  if (!endpoint_->channel) {
    if (pool_)
      pool_->send(prefix_ + std::to_string(text.size()) + "\r\n\r\n" + text);
  } else if (endpoint_->home == owner_.id()) {
    if (link_)
      link_->send(text);
  } else {
    post_to_home(std::move(text), endpoint_->link);
  }
}

void upstream::abandon(exchange& x, give_up why) {
  if (x.at == exchange::stage::elsewhere)
    return abandon_elsewhere(x);
  const bool was_sent = x.at == exchange::stage::sent;
  tell_cancelled(x);
  if (was_sent && x.call != nullptr)
    pool_->cancel(*x.call);
  x.call = nullptr;
  if (why == give_up::deadline) {
    const auto reason = was_sent
                            ? fmt::format("no answer within {} ms", x.timeout.count())
                            : fmt::format("it could not be called within {} ms", x.timeout.count());
    return answer_failure(x, call_result::timeout, "timed out", reason);
  }
  if (x.talk)
    x.talk->withdraw();
  if (x.client != nullptr)
    x.client->send_cancelled(x);
  conclude(x, call_result::cancelled);
}

void upstream::conclude(exchange& x, call_result how) {
  if (x.at == exchange::stage::elsewhere)
    return owner_.release(x); // it is counted where it was parked
  owner_.metrics().calls.add(how);
  owner_.metrics().call_latency.record(owner_.now() - x.started);
  let_go(x, how);
  owner_.release(x);
  serve_next();
}

void upstream::let_go(exchange& x, call_result how) {
  if (x.at == exchange::stage::sent) {
    metrics_.in_flight.down();
    metrics_.latency.record(owner_.now() - x.sent_at);
    on_channel_.erase(x.downstream_id);
  } else if (const auto found = std::find(waiting_.begin(), waiting_.end(), &x);
             found != waiting_.end()) {
    waiting_.erase(found);
    owner_.metrics().exchanges_parked.down();
    runtime_->waiting.fetch_sub(1, std::memory_order_relaxed);
  } else if (!wait_for_branch_.empty()) {
    std::erase_if(wait_for_branch_, [&](const auto& entry) { return entry.second == &x; });
  }
  metrics_.calls.add(how);
  give_permit(x);
  x.via = nullptr;
}

void upstream::serve_next() {
  if (endpoint_->as && endpoint_->as->once)
    owner_.shared().plane->branch_done(endpoint_->as);
  // The permit is anyone's: with calls on other workers, none goes first by right.
  if (runtime_->waiting.load() > waiting_.size())
    return owner_.shared().post_to_all([slot = slot_](worker& w) {
      if (auto* const up = w.find_upstream(slot))
        up->pump();
    });
  if (!waiting_.empty())
    pump();
}

void upstream::install(endpoint_ptr endpoint) {
  const bool other_link = endpoint->link != endpoint_->link;
  const bool was_channel = endpoint_->channel;
  endpoint_ = std::move(endpoint);
  if (endpoint_->state != server_state::idle)
    wanted_told_ = false;
  if (was_channel && (other_link || endpoint_->state == server_state::down))
    fail_channel_calls(endpoint_->reason.empty() ? "the server was connected anew"
                                                 : endpoint_->reason);
  switch (endpoint_->state) {
  case server_state::down:
    fail_waiting(call_result::refused, "is not available", endpoint_->reason);
    return;
  case server_state::ready:
    if (!endpoint_->channel) {
      auto target = make_http_target(*endpoint_->settings, owner_.shared().limits.response_bytes);
      if (!target)
        return;
      prefix_ = post_prefix(*target, *endpoint_);
      if (!pool_ || !target_ || target_->origin != target->origin)
        pool_ = std::make_unique<http_pool>(owner_.reactor(), target->pool);
      target_ = std::move(*target);
    }
    return pump();
  case server_state::idle:
  case server_state::connecting:
    if (endpoint_->state == server_state::idle && !waiting_.empty()) {
      wanted_told_ = true;
      owner_.shared().plane->server_wanted(slot_);
    }
    return;
  }
}

void upstream::fail_waiting(call_result how, std::string_view what, std::string_view reason) {
  const std::string what_copy(what), reason_copy(reason);
  while (!waiting_.empty())
    answer_failure(*waiting_.front(), how, what_copy, reason_copy);
  while (!wait_for_branch_.empty())
    answer_failure(*wait_for_branch_.front().second, how, what_copy, reason_copy);
}

void upstream::fail_channel_calls(const std::string& reason) {
  const std::string copy(reason);
  while (!on_channel_.empty())
    answer_failure(*on_channel_.begin()->second, call_result::transport_error,
                   "ended during the call", copy);
}

void upstream::connect(link_start start) {
  close_link(0);
  link_ = std::make_unique<server_link>(owner_, std::move(start));
}

void upstream::close_link(std::uint64_t generation) {
  if (!link_ || (generation != 0 && link_->generation() != generation))
    return;
  link_went_down();
  owner_.bury(std::move(link_));
}

resource_hub& upstream::resources() {
  if (!resources_) {
    resources_ = std::make_unique<resource_hub>(owner_, slot_);
    if (link_ && link_->up())
      resources_->attach(*link_);
  }
  return *resources_;
}

task_hub& upstream::tasks() {
  if (!tasks_) {
    tasks_ = std::make_unique<task_hub>(owner_, slot_);
    if (link_ && link_->up())
      tasks_->attach(*link_);
  }
  return *tasks_;
}

void upstream::link_came_up() {
  if (!link_ || !link_->up())
    return;
  if (resources_)
    resources_->attach(*link_);
  if (tasks_)
    tasks_->attach(*link_);
}

void upstream::link_went_down() {
  if (resources_)
    resources_->detach();
  if (tasks_)
    tasks_->detach();
}

} // namespace nexus::engine
