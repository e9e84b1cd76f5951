/// upstream's answers: what servers send back, and how it reaches the client.

#include <algorithm>

#include <fmt/format.h>

#include "base/log.hpp"
#include "base/text.hpp"
#include "engine/dialogue.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/down_conversion.hpp"
#include "gateway/parameter_headers.hpp"
#include "gateway/questions.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {

using mcp::message_kind;
using metrics::call_result;

void upstream::answer_response(exchange& x, const mcp::message& response) {
  using mcp::result_key;
  if (x.talk && x.talk->parked())
    return x.talk->keep(response); // nobody waits for it now
  gateway::pieces answer;
  std::string own;
  call_result how = call_result::ok;
  if (response.kind == message_kind::response) {
    const auto type = response.result[result_key::result_type];
    if (type.raw == R"("input_required")" && endpoint_->era == mcp::era::modern)
      return pass_questions(x, response);
    const bool becomes_task = type.raw == R"("task")" && may_become_task(x);
    if (type && type.raw != R"("complete")" && !becomes_task && !knows_more_types(x))
      return answer_failure(x, call_result::protocol_error, "answered what was not asked for",
                            fmt::format("its result is of type {}", type.raw.substr(0, 64)));
    if (response.result[result_key::is_error].raw == "true")
      how = call_result::tool_error;
    if (how == call_result::tool_error && lacked_capability(x))
      return answer_missing_capability(x, x.talk->missing_capability());
    const auto* shown = &response;
    if (becomes_task || (!x.target_task.empty() && response.result.has(result_key::task_id)))
      shown = with_client_task_id(x, response);
    if (shown == nullptr)
      return answer_failure(x, call_result::protocol_error, "answered with a task without an id",
                            "taskId is no string, or too long");
    render(answer, x, *shown);
    if (endpoint_->resources)
      owner_.learn_resources(own_slot(), response.result.whole.raw);
    owner_.metrics().requests.add(metrics::request_result::ok);
  } else {
    how = call_result::protocol_error;
    const auto code = json::to_int64(response.error[mcp::error_key::code]);
    if (lacked_capability(x))
      return answer_missing_capability(x, x.talk->missing_capability());
    // The client's own capabilities were declared to the server, so this is for the client.
    if (code == mcp::json_rpc_code(mcp::errc::missing_capability) && x.era == mcp::era::modern)
      return answer_missing_capability(x, {}, response.error[mcp::error_key::data].raw);
    if (code == mcp::json_rpc_code(mcp::errc::header_mismatch) && !x.relisted &&
        endpoint_->era == mcp::era::modern && !endpoint_->channel &&
        x.request.method == "tools/call")
      return send_again_relisted(x);
    const bool wants_urls =
        code == gateway::url_elicitation_required && endpoint_->era == mcp::era::legacy;
    if (wants_urls && x.era == mcp::era::modern && pass_url_elicitations(x, response))
      return;
    // Codes about one hop's envelope mean nothing on the other.
    const bool of_one_hop = code && *code <= -32020 && *code >= -32099;
    if (!code || (of_one_hop && !(wants_urls && x.era == mcp::era::legacy)))
      return answer_failure(x, how, "refused the gateway's request",
                            response.error.whole.raw.substr(0, 500));
    gateway::render_error(answer, owner_.rebuilt_result, x.id(), response,
                          {x.era, endpoint_->era, x.request.params[mcp::param_key::uri].raw});
    owner_.metrics().requests.add(metrics::request_result::failed);
  }
  say(x, answer, 200);
  conclude(x, how);
}

void upstream::render(gateway::pieces& answer, const exchange& x, const mcp::message& response) {
  const auto* shown = &response;
  if (gateway::needs_conversion(response, x.revision, x.wraps_output)) {
    auto& text = owner_.converted;
    text = gateway::converted_response(response, x.revision, x.wraps_output);
    json::ensure_padding(text);
    // A response that is too much for the parser goes as it came.
    if (mcp::parse_message(text, owner_.scanner(), owner_.converted_message))
      shown = &owner_.converted_message;
  }
  gateway::render_result(answer, owner_.rebuilt_result, x.id(), *shown, x.era,
                         gateway::caching_of(x.request.method));
}

void upstream::send_again_relisted(exchange& x) {
  x.relisted = true;
  log::info("server", "headers_refused",
            {{"server", endpoint_->settings->name}, {"tool", x.target_name}});
  owner_.shared().post(endpoint_->home, [slot = slot_, back = owner_.id(),
                                         sequence = x.sequence](worker& home) {
    auto settle = [&shared = home.shared(), slot, back, sequence](catalog::item_list_ptr tools) {
      shared.post(back, [slot, sequence, tools = std::move(tools)](worker& w) {
        auto* const waiting = w.find_exchange(sequence);
        auto* const up = w.find_upstream(slot);
        if (waiting != nullptr && up != nullptr && waiting->via == up)
          up->settle_relisted(*waiting, tools.get());
      });
    };
    auto* const up = home.find_upstream(slot);
    if (up == nullptr || up->link() == nullptr)
      return settle(nullptr);
    up->link()->relist_tools(std::move(settle));
  });
}

void upstream::settle_relisted(exchange& x, const catalog::item_list* tools) {
  const auto* const tool = tools == nullptr ? nullptr : tools->find(x.target_name);
  if (tool == nullptr || endpoint_->state != server_state::ready)
    return answer_failure(x, call_result::protocol_error, "refused the gateway's request",
                          "it wants other headers than its tool list asks for");
  x.parameter_fields.clear();
  gateway::append_parameter_headers(x.parameter_fields, tool->headers,
                                    x.request.params[mcp::param_key::arguments]);
  transmit(x);
}

void upstream::say(exchange& x, const gateway::pieces& answer, unsigned http_status) {
  if (x.talk)
    x.talk->withdraw();
  if (x.client != nullptr)
    x.client->send_answer(x, answer, http_status);
}

bool upstream::lacked_capability(const exchange& x) const {
  return x.era == mcp::era::modern && x.talk && !x.talk->missing_capability().empty();
}

void upstream::answer_missing_capability(exchange& x, std::string_view required,
                                         std::string_view data) {
  const auto text = gateway::error_response(
      x.id(), mcp::json_rpc_code(mcp::errc::missing_capability),
      fmt::format("server '{}' needs a capability that the client does not declare",
                  endpoint_->settings->name),
      data.empty() ? fmt::format(R"({{"requiredCapabilities":{}}})", required) : std::string(data));
  gateway::pieces answer;
  answer.add(text);
  owner_.metrics().requests.add(metrics::request_result::failed);
  say(x, answer, 400);
  conclude(x, call_result::protocol_error);
}

std::string upstream::failure_data(const exchange& x, std::string_view reason) const {
  std::string data;
  json::object_writer out(data);
  if (endpoint_->settings)
    out.string("server", endpoint_->settings->name);
  if (!x.target_name.empty())
    out.string("tool", x.target_name);
  out.string("reason", reason);
  out.end();
  return data;
}

bool upstream::may_complain() {
  if (!complaints_.allow(owner_.now()))
    return false;
  if (const auto lost = complaints_.take_suppressed(); lost > 0)
    log::warn("server", "lines_dropped",
              {{"server", endpoint_->settings ? endpoint_->settings->name : std::string("?")},
               {"lines", lost}});
  return true;
}

void upstream::answer_failure(exchange& x, call_result how, std::string_view what,
                              std::string_view reason) {
  const auto came = how == call_result::refused ? reached::no : reached::perhaps;
  const bool lost = how == call_result::refused || how == call_result::transport_error;
  if (lost && fails_over(x, how, came, what, reason))
    return;
  const auto name = endpoint_->settings ? endpoint_->settings->name : std::string("?");
  if (may_complain())
    log::info("call", "failed",
              {{"server", name}, {"tool", x.target_name}, {"what", what}, {"reason", reason}});
  owner_.metrics().requests.add(metrics::request_result::failed);
  if (x.client != nullptr) {
    const auto text = gateway::error_response(x.id(), mcp::json_rpc_code(mcp::errc::internal_error),
                                              fmt::format("server '{}' {}: {}", name, what, reason),
                                              failure_data(x, reason));
    gateway::pieces answer;
    answer.add(text);
    say(x, answer, 200);
  }
  conclude(x, how);
}

void upstream::forward_notification(exchange& x, const mcp::message& message) {
  if (x.client == nullptr)
    return;
  gateway::pieces text;
  if (message.method == "notifications/progress") {
    const auto token = x.request.meta[mcp::meta_key::progress_token];
    if (!token || !gateway::render_progress(owner_.scratch, message, token.raw))
      return;
    text.add(owner_.scratch);
    return x.client->send_notification(x, text);
  }
  if (message.method != "notifications/message" || !message.params.whole.is(json::kind::object))
    return;
  const auto level = message.params[mcp::param_key::level];
  const auto known =
      level.is(json::kind::string) ? mcp::parse_log_level(json::unquote(level)) : std::nullopt;
  if (!known || *known < x.log_level)
    return;
  text.add(R"({"jsonrpc":"2.0","method":"notifications/message","params":)");
  text.add(message.params.whole.raw);
  text.add("}");
  x.client->send_notification(x, text);
}

void upstream::on_channel_message(std::int64_t id, const mcp::message& message) {
  const auto found = on_channel_.find(id);
  if (found == on_channel_.end()) {
    log::debug("server", "late_message", {{"slot", slot_}, {"id", id}});
    return;
  }
  auto& x = *found->second;
  if (message.kind == message_kind::notification)
    return forward_notification(x, message);
  answer_response(x, message);
}

bool upstream::offer_log(mcp::log_level level, std::string_view notification) {
  // A channel does not say to which call a log message belongs; with one call there is no doubt.
  if (on_channel_.size() != 1 || runtime_->in_flight.load(std::memory_order_relaxed) != 1)
    return false;
  auto& x = *on_channel_.begin()->second;
  if (x.client == nullptr || level < x.log_level)
    return false;
  gateway::pieces text;
  text.add(notification);
  x.client->send_notification(x, text);
  return true;
}

void upstream::fail_sole_call(const std::string& why) {
  if (on_channel_.size() != 1 || runtime_->in_flight.load(std::memory_order_relaxed) != 1)
    return;
  answer_failure(*on_channel_.begin()->second, call_result::protocol_error, "answered unreadably",
                 why);
}

void upstream::on_call_message(exchange& x, std::string_view text) {
  auto& message = owner_.response;
  if (auto parsed = mcp::parse_message(text, owner_.scanner(), message); !parsed) {
    pool_->cancel(*x.call);
    x.call = nullptr;
    return answer_failure(x, call_result::protocol_error, "answered unreadably",
                          parsed.error().message);
  }
  if (message.kind == message_kind::notification) {
    if (message.method == "notifications/progress" || message.method == "notifications/message")
      return forward_notification(x, message);
    if (message.method == "notifications/cancelled" && x.talk)
      return x.talk->server_withdraws(message.params[mcp::param_key::request_id].raw);
    // List changes may come on any stream of a legacy server.
    owner_.shared().post(endpoint_->home,
                         [slot = slot_, copy = std::string(text)](worker& home) mutable {
                           json::ensure_padding(copy);
                           auto* const up = home.find_upstream(slot);
                           if (up != nullptr && up->link() != nullptr &&
                               mcp::parse_message(copy, home.scanner(), home.response))
                             up->link()->on_foreign_message(home.response);
                         });
    return;
  }
  if (message.kind == message_kind::request) {
    if (message.method == "ping")
      return tell_server(gateway::result_response(message.id.raw, "{}"));
    return server_asks(x, message);
  }
  const auto status = http_pool::head_of(*x.call).status;
  if (message.kind == message_kind::error_response && status >= 400 && !x.broken &&
      lost_session(status, text)) {
    pool_->detach(*x.call);
    x.call = nullptr;
    return send_again(x);
  }
  const auto id = json::to_int64(message.id);
  const bool ours = (id && *id == x.downstream_id) ||
                    (message.kind == message_kind::error_response && !message.id);
  if (!ours)
    return on_foreign_answer(x, message);
  pool_->detach(*x.call);
  x.call = nullptr;
  answer_response(x, message);
}

void upstream::on_foreign_answer(exchange& x, const mcp::message& message) {
  if (may_complain())
    log::warn("server", "answer_without_our_id",
              {{"server", endpoint_->settings->name}, {"id", message.id.raw.substr(0, 64)}});
  // The right one may still come on a stream. A whole body was the answer: the connection and the
  // server have come apart, and the next call would get what belongs to this one.
  const auto type = http_pool::head_of(*x.call).headers.find("content-type").value_or("");
  if (http::media_type_is(type, "text/event-stream"))
    return;
  pool_->cancel(*x.call);
  x.call = nullptr;
  answer_failure(x, call_result::protocol_error, "answered another request",
                 fmt::format("the answer has the id {}", message.id.raw.substr(0, 64)));
}

bool upstream::lost_session(unsigned status, std::string_view body) const {
  if (endpoint_->session_id.empty())
    return false;
  if (status == 404)
    return true;
  // Several servers answer 400 where the specification wants 404.
  return status == 400 && to_lower(body).find("session") != std::string::npos;
}

void upstream::send_again(exchange& x) {
  owner_.shared().plane->link_down(slot_, endpoint_->link,
                                   {"the server does not know the session any more", false, true});
  if (x.resent)
    return answer_failure(x, call_result::protocol_error, "loses its sessions",
                          "the call was refused twice for want of a session");
  // The server refused the request unread, so sending it once more is safe.
  x.resent = true;
  metrics_.in_flight.down();
  give_permit(x);
  x.at = exchange::stage::waiting;
  if (endpoint_->state == server_state::ready) {
    auto stale = std::make_shared<server_endpoint>(*endpoint_);
    stale->state = server_state::connecting;
    endpoint_ = std::move(stale);
  }
  wait(x);
}

void upstream::on_call_end(exchange& x, const http_call& from, const http::response_head& head,
                           std::string_view body) {
  x.call = nullptr;
  if (head.status >= 400 && x.broken)
    return answer_failure(x, call_result::transport_error, "broke its answer off",
                          fmt::format("HTTP {} to the request for the rest of it", head.status));
  if (head.status >= 400 && lost_session(head.status, body))
    return send_again(x);
  if (head.status == 200 && take_up_again(x, from))
    return;
  const auto reason = head.status == 200
                          ? std::string("its response ended without one")
                          : fmt::format("HTTP {} {}", head.status, body.substr(0, 200));
  // Too many requests, or no service now: RFC 6585 s4, RFC 9110 s15.6.4. Both say that the request
  // was not carried out.
  const bool turned_away = head.status == 429 || head.status == 503;
  if (turned_away &&
      fails_over(x, call_result::transport_error, reached::no, "turned the call away", reason))
    return;
  answer_failure(x, call_result::transport_error, "gave no answer", reason);
}

void upstream::on_call_failure(exchange& x, const http_call& from, const error& reason,
                               bool untouched) {
  x.call = nullptr;
  if (reason.code == net::errc::reset && take_up_again(x, from))
    return;
  if (untouched && x.safe_to_repeat && !x.resent) {
    x.resent = true;
    metrics_.in_flight.down();
    return send(x);
  }
  if (reason.code == net::errc::connect_failed) {
    owner_.shared().plane->link_down(slot_, endpoint_->link, {reason.message, false, false});
    if (fails_over(x, call_result::transport_error, reached::no, "failed", reason.message))
      return;
  }
  answer_failure(x, call_result::transport_error, "failed", reason.message);
}

} // namespace nexus::engine
