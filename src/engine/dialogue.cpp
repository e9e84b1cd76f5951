#include "engine/dialogue.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {

using mcp::errc;
using mcp::message_kind;

dialogue::dialogue(worker& on, upstream& via, exchange& x) : on_(on), via_(via), x_(x) {}

dialogue::~dialogue() = default;

void dialogue::end() {
  later_.cancel();
  if (std::exchange(parked_, false))
    on_.parked_calls -= 1;
}

void dialogue::withdraw() {
  for (const auto& q : questions_)
    if (!q.answered)
      withdraw(q);
  questions_.clear();
}

void dialogue::withdraw(const question& q) {
  if (q.asked.id() == 0)
    return;
  std::string text;
  gateway::append_own_notification(text, "notifications/cancelled",
                                   fmt::format(R"({{"requestId":{}}})", q.asked.id()));
  static_cast<void>(say_to_client(text));
}

bool dialogue::say_to_client(const std::string& text) {
  if (x_.client != nullptr)
    return x_.client->ask(x_, text);
  // The client left the call's stream, which has no ids; a legacy session may have another one.
  const auto holder = x_.caller && x_.caller->listens() ? x_.caller->stream_worker.load() : -1;
  if (holder < 0)
    return false;
  on_.shared().post({static_cast<std::uint32_t>(holder)},
                    [session = x_.caller, text](worker& w) { w.tell_session(*session, text); });
  return true;
}

void dialogue::reply_to_server(std::string text) {
  via_.tell_server(std::move(text));
}

void dialogue::refuse_server(std::string_view id, std::string_view why) {
  reply_to_server(gateway::error_response(id, mcp::json_rpc_code(errc::method_not_found), why));
}

void dialogue::server_asks(const mcp::message& request) {
  question q{};
  if (!gateway::parse_question(request.method, q.what.kind))
    return refuse_server(request.id.raw, "MCP servers may not ask clients for that");
  q.server_id = request.id.raw;
  q.what.params = request.params.whole.raw;
  json::ensure_padding(q.what.params);
  const auto able = via_.capabilities_of(x_);
  std::string missing;
  if (!gateway::can_answer(able, q.what.kind, q.what.params, on_.scanner(), missing)) {
    missing_ = missing;
    return refuse_server(q.server_id, fmt::format("the client did not declare {}", missing));
  }
  if (questions_.size() >= limits::questions_per_call_max)
    return refuse_server(q.server_id, "this call has asked for too much already");
  if (x_.era == mcp::era::legacy) {
    if (!ask_client(q))
      return refuse_server(q.server_id, "the client reads no requests in this answer");
    questions_.push_back(std::move(q));
    return;
  }
  // Modern clients do not tell how far they have come.
  static_cast<void>(gateway::replace_progress_token(q.what.params, {}, on_.scanner()));
  if (q.what.kind == gateway::question_kind::elicitation)
    q.what.params = gateway::elicitation_for_modern(q.what.params, on_.scanner());
  const bool waits = parked_ || later_.armed(); // the next answer to the client carries it too
  if (!waits && on_.parked_calls >= limits::parked_calls_max)
    return refuse_server(q.server_id, "too many calls wait for their clients");
  q.what.key = fmt::format("question-{}", ++keys_);
  questions_.push_back(std::move(q));
  if (waits)
    return;
  later_.set_action([this] { park(); });
  on_.reactor().arm(later_, limits::question_coalesce);
}

bool dialogue::ask_client(question& q) {
  q.asked = open_question(on_, {&x_, 0});
  std::string params = q.what.params;
  json::ensure_padding(params);
  // Progress under our own id: tokens of different servers may be the same. A modern server, which
  // has none, is told nothing.
  q.server_token = gateway::replace_progress_token(
      params, q.server_id.empty() ? std::string() : std::to_string(q.asked.id()), on_.scanner());
  if (q.what.kind == gateway::question_kind::elicitation && q.server_id.empty())
    params = gateway::elicitation_for_legacy(params, make_session_id(on_.id()), on_.scanner());
  std::string text = fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}")", q.asked.id(),
                                 gateway::method_of(q.what.kind));
  if (!params.empty())
    text += R"(,"params":)" + params;
  text += '}';
  if (!say_to_client(text))
    return false;
  // People may be asked, so the call's own deadline rests.
  on_.reactor().arm(x_.deadline, limits::question_timeout);
  return true;
}

void dialogue::server_withdraws(std::string_view id) {
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const question& q) { return q.server_id == id; });
  if (found == questions_.end() || id.empty())
    return;
  withdraw(*found);
  questions_.erase(found);
}

bool dialogue::expects(std::int64_t question_id) const noexcept {
  return std::any_of(questions_.begin(), questions_.end(), [&](const question& q) {
    return q.asked.id() == question_id && question_id != 0 && !q.answered;
  });
}

void dialogue::client_answers(std::int64_t question_id, const mcp::message& response) {
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const question& q) { return q.asked.id() == question_id; });
  NEXUS_ASSERT(found != questions_.end());
  const bool good = response.kind == message_kind::response;
  if (!found->server_id.empty()) {
    const auto id = std::move(found->server_id);
    questions_.erase(found);
    if (questions_.empty())
      on_.reactor().arm(x_.deadline, x_.timeout);
    return reply_to_server(good ? gateway::result_response(id, response.result.whole.raw)
                                : fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{}}})", id,
                                              response.error.whole.raw));
  }
  if (!good || !gateway::is_result_of(found->what.kind, response.result.whole, on_.scanner()))
    return fail(
        fmt::format("the client could not answer {}: {}", gateway::method_of(found->what.kind),
                    good ? "its result is malformed" : response.error.whole.raw.substr(0, 300)));
  found->answered = true;
  found->answer = response.result.whole.raw;
  if (std::all_of(questions_.begin(), questions_.end(), [](const auto& q) { return q.answered; }))
    next_round();
}

void dialogue::client_reports(std::int64_t question_id, const mcp::message& progress) {
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const question& q) { return q.asked.id() == question_id; });
  NEXUS_ASSERT(found != questions_.end());
  if (found->server_token.empty() ||
      on_.now() - found->reported < limits::client_progress_interval_min)
    return;
  found->reported = on_.now();
  std::string text;
  if (gateway::render_progress(text, progress, found->server_token))
    reply_to_server(std::move(text));
}

// ---- A modern server and a legacy client --------------------------------------------------------

void dialogue::server_wants_input(const mcp::message& response) {
  if (++rounds_ > limits::question_rounds_max)
    return fail(fmt::format("the server asked more than {} times", limits::question_rounds_max));
  state_ = response.result[mcp::result_key::request_state].raw;
  const auto asked =
      gateway::read_input_requests(response.result[mcp::result_key::input_requests], on_.scanner());
  if (!asked || (asked->empty() && state_.empty()))
    return fail("the server asked for something unreadable");
  questions_.clear();
  if (asked->empty()) {
    later_.set_action([this] { next_round(); });
    return on_.reactor().arm(later_, limits::input_retry_delay);
  }
  const auto able = via_.capabilities_of(x_);
  for (const auto& one : *asked) {
    std::string missing;
    if (!gateway::can_answer(able, one.kind, one.params, on_.scanner(), missing))
      return fail(fmt::format("the server asked for {}, which this client did not declare",
                              gateway::method_of(one.kind)));
    auto& q = questions_.emplace_back();
    q.what = one;
  }
  for (auto& q : questions_)
    if (!ask_client(q))
      return fail("the server asks for more, and this client reads no requests in the answer");
}

void dialogue::next_round() {
  responses_.clear();
  if (!questions_.empty()) {
    json::object_writer out(responses_);
    std::string key;
    for (const auto& q : questions_) {
      key.clear();
      json::append_string(key, q.what.key);
      out.raw(std::string_view(key).substr(1, key.size() - 2), q.answer);
    }
    out.end();
  }
  questions_.clear();
  on_.reactor().arm(x_.deadline, x_.timeout);
  via_.send_again_with_answers(x_);
}

void dialogue::fail(std::string_view why) {
  via_.fail_dialogue(x_, std::string(why));
}

// ---- A legacy server and a modern client --------------------------------------------------------

void dialogue::park() {
  if (questions_.empty())
    return; // withdrawn meanwhile
  parked_ = true;
  on_.parked_calls += 1;
  std::vector<gateway::input_request> requests;
  for (const auto& q : questions_)
    requests.push_back(q.what);
  std::string text;
  gateway::render_input_required(text, x_.id(), requests, via_.seal_parked(x_));
  on_.metrics().requests.add(metrics::request_result::ok);
  on_.reactor().arm(x_.deadline, limits::question_timeout);
  gateway::pieces answer;
  answer.add(text);
  if (x_.client != nullptr)
    std::exchange(x_.client, nullptr)->send_answer(x_, answer, 200);
}

void dialogue::attach(std::string text, worker_id there, std::uint64_t retry) {
  NEXUS_ASSERT(parked_);
  distant_ = std::make_unique<distant_client>(on_, there, retry);
  x_.client = distant_.get();
  x_.text = std::move(text);
  json::ensure_padding(x_.text);
  x_.request.clear();
  // Read once already, on the worker that it came to.
  NEXUS_ASSERT(mcp::parse_message(x_.text, on_.scanner(), x_.request).has_value());
  parked_ = false;
  on_.parked_calls -= 1;
  on_.reactor().arm(x_.deadline, x_.timeout);
  give_answers();
}

void dialogue::give_answers() {
  const auto given = gateway::read_input_responses(
      x_.request.params[mcp::param_key::input_responses], on_.scanner());
  for (const auto& answer : given) {
    const auto asked = std::find_if(questions_.begin(), questions_.end(),
                                    [&](const question& q) { return q.what.key == answer.key; });
    if (asked == questions_.end())
      continue;
    if (!gateway::is_result_of(asked->what.kind, answer.value, on_.scanner()))
      return refuse_retry(fmt::format("inputResponses.{} is no result of {}",
                                      answer.key.substr(0, 64),
                                      gateway::method_of(asked->what.kind)));
    reply_to_server(gateway::result_response(asked->server_id, answer.value.raw));
    questions_.erase(asked);
  }
  if (!kept_.empty()) {
    json::ensure_padding(kept_);
    const auto text = std::exchange(kept_, {});
    auto& message = on_.response;
    NEXUS_ASSERT(mcp::parse_message(text, on_.scanner(), message).has_value());
    return via_.take_kept_answer(x_, message);
  }
  if (!questions_.empty())
    park(); // what is left is asked again
}

void dialogue::refuse_retry(std::string_view why) {
  const auto text = gateway::error_response(x_.id(), mcp::json_rpc_code(errc::invalid_params), why);
  gateway::pieces answer;
  answer.add(text);
  parked_ = true;
  on_.parked_calls += 1;
  on_.reactor().arm(x_.deadline, limits::question_timeout);
  std::exchange(x_.client, nullptr)->send_answer(x_, answer, 200);
}

void dialogue::keep(const mcp::message& answer) {
  NEXUS_ASSERT(parked_);
  const bool good = answer.kind == message_kind::response;
  kept_ = fmt::format(R"({{"jsonrpc":"2.0","id":0,"{}":{}}})", good ? "result" : "error",
                      good ? answer.result.whole.raw : answer.error.whole.raw);
  questions_.clear();
}

// ---- A client elsewhere -------------------------------------------------------------------------

void distant_client::send_notification(exchange&, const gateway::pieces& message) {
  here_.shared().post(there_, [sequence = sequence_, text = message.to_string()](worker& w) {
    auto* const waiting = w.find_exchange(sequence);
    if (waiting == nullptr || waiting->client == nullptr)
      return;
    gateway::pieces copy;
    copy.add(text);
    waiting->client->send_notification(*waiting, copy);
  });
}

void distant_client::send_answer(exchange&, const gateway::pieces& message, unsigned http_status) {
  here_.shared().post(there_,
                      [sequence = sequence_, text = message.to_string(), http_status](worker& w) {
                        auto* const waiting = w.find_exchange(sequence);
                        if (waiting == nullptr)
                          return;
                        gateway::pieces copy;
                        copy.add(text);
                        if (waiting->client != nullptr)
                          waiting->client->send_answer(*waiting, copy, http_status);
                        w.release(*waiting);
                      });
}

void distant_client::listen(exchange&) {
  NEXUS_ASSERT(false); // only calls are parked
}

void distant_client::send_cancelled(exchange&) {
  here_.shared().post(there_, [sequence = sequence_](worker& w) {
    auto* const waiting = w.find_exchange(sequence);
    if (waiting == nullptr)
      return;
    if (waiting->client != nullptr)
      waiting->client->send_cancelled(*waiting);
    w.release(*waiting);
  });
}

bool distant_client::ask(exchange&, std::string_view) {
  return false; // modern clients are not asked
}

} // namespace nexus::engine
