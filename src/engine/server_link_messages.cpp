/// server_link's messages: its own requests, and what arrives without being asked for.

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/log.hpp"
#include "engine/event_listener.hpp"
#include "engine/link_request.hpp"
#include "engine/server_link.hpp"
#include "engine/task_hub.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/classify.hpp"
#include "gateway/client_capabilities.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"

namespace nexus::engine {

using mcp::message_kind;
using mcp::param_key;

namespace {

/// The listen of ours that a modern server's notification belongs to.
std::optional<std::int64_t> subscription_of(const mcp::message& message) {
  for (const auto& other : message.meta.others())
    if (other.span.starts_with(R"("io.modelcontextprotocol/subscriptionId")"))
      if (const auto id = json::to_int64(other.value); id && *id > 0)
        return *id;
  return std::nullopt;
}

} // namespace

std::int64_t server_link::request(std::string_view method, std::string_view params,
                                  milliseconds timeout, answer_handler on_answer,
                                  std::string_view task) {
  const auto id = home_.next_downstream_id();
  std::string message;
  gateway::append_own_request(message, method, id, params, endpoint_->era,
                              task.empty() ? home_.shared().extensions.own_capabilities()
                                           : gateway::tasks_capabilities);
  auto& state =
      *requests_.emplace(id, std::make_unique<request_state>(*this, id, std::move(on_answer)))
           .first->second;
  state.timeout.set_action([this, id, method = std::string(method), timeout] {
    outcome late;
    late.timed_out = true;
    late.failure = fmt::format("no answer to {} within {} ms", method, timeout.count());
    settle(id, late);
  });
  home_.reactor().arm(state.timeout, timeout);
  if (channel_)
    channel_->send(message);
  else
    state.start_http(post_text(message, method, task));
  return id;
}

std::string server_link::post_text(std::string_view message, std::string_view method,
                                   std::string_view name) const {
  std::string text = post_prefix(*target_, *endpoint_);
  text += std::to_string(message.size());
  if (endpoint_->era == mcp::era::modern) {
    text += "\r\nMcp-Method: ";
    text += method;
    if (!name.empty()) {
      text += "\r\nMcp-Name: ";
      text += gateway::encode_header_value(name);
    }
  }
  text += "\r\n\r\n";
  text += message;
  return text;
}

void server_link::notify(std::string_view method, std::string_view params) {
  std::string message;
  gateway::append_own_notification(message, method, params);
  if (channel_)
    return channel_->send(message);
  acknowledgements_.push_back(&pool_->start(post_text(message, method), *this));
}

void server_link::send(std::string_view message) {
  if (channel_)
    channel_->send(message);
}

std::size_t server_link::queued_bytes() const noexcept {
  return channel_ ? channel_->queued_bytes() : 0;
}

void server_link::settle(std::int64_t id, const outcome& answer) {
  const auto found = requests_.find(id);
  if (found == requests_.end())
    return;
  auto state = std::move(found->second);
  requests_.erase(found);
  if (!ended_)
    state->answer(answer);
  home_.bury(std::move(state));
}

void server_link::request_state::on_message(http_call& call, std::string_view text) {
  auto& message = owner_.home_.response;
  const auto parsed = mcp::parse_message(text, owner_.home_.scanner(), message);
  const auto& head = http_pool::head_of(call);
  if (!parsed) {
    outcome broken;
    broken.http_status = head.status;
    broken.failure =
        "the server answered with something that is no JSON-RPC message: " + parsed.error().message;
    return owner_.settle(id_, broken);
  }
  if (message.kind != message_kind::response && message.kind != message_kind::error_response)
    return owner_.on_foreign_message(message);
  const auto id = json::to_int64(message.id);
  // Errors about a message that the server could not read come without an id.
  if (id != id_ && !(message.kind == message_kind::error_response && !message.id))
    return;
  outcome answer;
  answer.message = &message;
  answer.http_status = head.status;
  answer.head = &head;
  owner_.settle(id_, answer);
}

void server_link::request_state::on_end(http_call&, const http::response_head& head,
                                        std::string_view body) {
  call_ = nullptr;
  outcome answer;
  answer.http_status = head.status;
  answer.head = &head;
  answer.failure =
      head.status >= 400
          ? fmt::format("the server answers HTTP {}{}{}", head.status, body.empty() ? "" : ": ",
                        body.substr(0, 200))
          : fmt::format("the server answers HTTP {} without a JSON-RPC answer", head.status);
  owner_.settle(id_, answer);
}

void server_link::request_state::on_failure(http_call&, const error& reason, bool) {
  call_ = nullptr;
  outcome answer;
  answer.failure = reason.message;
  owner_.settle(id_, answer);
}

void server_link::on_message(http_call&, std::string_view) {}

void server_link::on_end(http_call& call, const http::response_head&, std::string_view) {
  std::erase(acknowledgements_, &call);
}

void server_link::on_failure(http_call& call, const error&, bool) {
  std::erase(acknowledgements_, &call);
}

void server_link::on_channel_text(std::string_view text) {
  if (ended_)
    return;
  heard_ = true;
  auto& message = home_.response;
  if (auto parsed = mcp::parse_message(text, home_.scanner(), message); !parsed)
    return unreadable(text, parsed.error());
  const bool answer =
      message.kind == message_kind::response || message.kind == message_kind::error_response;
  json::slice key = message.id;
  if (!answer) {
    if (message.kind == message_kind::request)
      return reply(message);
    key = message.method == "notifications/progress" ? message.params[param_key::progress_token]
                                                     : json::slice{};
  }
  const auto id = key.is(json::kind::number) ? json::to_int64(key) : result<std::int64_t>(-1);
  if (!id || *id < 0) {
    if (!answer)
      return on_foreign_message(message);
    if (may_complain())
      log::warn("server", "answer_without_our_id",
                {{"server", start_.settings->name}, {"id", key.raw.substr(0, 64)}});
    return;
  }
  if (answer && requests_.contains(*id)) {
    outcome o;
    o.message = &message;
    return settle(*id, o);
  }
  const auto owner = worker::worker_of(*id);
  if (owner == home_.id()) {
    if (auto* const up = home_.find_upstream(start_.slot))
      up->on_channel_message(*id, message);
    return;
  }
  if (owner.value >= home_.shared().worker_count())
    return;
  home_.metrics().posts.add();
  home_.shared().post(
      owner, [slot = start_.slot, id = *id, copy = std::string(text)](worker& other) mutable {
        json::ensure_padding(copy);
        auto* const up = other.find_upstream(slot);
        if (up != nullptr && mcp::parse_message(copy, other.scanner(), other.response))
          up->on_channel_message(id, other.response);
      });
}

bool server_link::may_complain() {
  if (!complaints_.allow(home_.now()))
    return false;
  if (const auto lost = complaints_.take_suppressed(); lost > 0)
    log::warn("server", "lines_dropped", {{"server", start_.settings->name}, {"lines", lost}});
  return true;
}

void server_link::unreadable(std::string_view text, const error& reason) {
  if (may_complain())
    log::warn("server", "unreadable_line",
              {{"server", start_.settings->name},
               {"reason", reason.message},
               {"line", text.substr(0, 200)}});
  // A banner is harmless, and so is a whole message that is none of ours. Something that only
  // begins as one was meant to be an answer: when one call alone can be meant, it fails now instead
  // of at its deadline.
  if (!up_ || !text.starts_with('{') || reason.code != mcp::errc::parse_error)
    return;
  const std::string why =
      "the server wrote something that is no JSON-RPC message: " + reason.message;
  home_.shared().post_to_all([slot = start_.slot, why](worker& w) {
    if (auto* const up = w.find_upstream(slot))
      up->fail_sole_call(why);
  });
}

void server_link::on_foreign_message(const mcp::message& message) {
  if (ended_)
    return;
  if (message.kind == message_kind::request)
    return reply(message);
  if (message.kind != message_kind::notification)
    return;
  if (on_list_changed(message.method))
    return;
  if (message.method == "notifications/resources/updated") {
    const auto uri = message.params[param_key::uri];
    if (!uri.is(json::kind::string))
      return;
    const auto own = start_.as ? start_.as->of : start_.slot;
    return home_.shared().post(home_.shared().home_of(own),
                               [own, name = json::unquote(uri)](worker& w) {
                                 if (auto* const up = w.find_upstream(own))
                                   up->resources().updated(name);
                               });
  }
  if (message.method == "notifications/subscriptions/acknowledged") {
    if (const auto id = subscription_of(message))
      on_acknowledged(*id, message);
    return;
  }
  if (message.method == "notifications/tasks") {
    auto* const up = home_.find_upstream(start_.slot);
    const auto id = subscription_of(message);
    if (id && up != nullptr)
      up->tasks().changed(*id, message);
    return;
  }
  if (message.method == "notifications/cancelled") {
    const auto id = message.params[param_key::request_id];
    return home_.shared().post_to_all([slot = start_.slot, raw = std::string(id.raw)](worker& w) {
      if (auto* const up = w.find_upstream(slot))
        up->question_withdrawn(raw);
    });
  }
  if (message.method == "notifications/message") {
    const auto level = message.params[param_key::level];
    const auto known =
        level.is(json::kind::string) ? mcp::parse_log_level(json::unquote(level)) : std::nullopt;
    if (!known || !message.params.whole.is(json::kind::object))
      return;
    std::string text;
    gateway::append_own_notification(text, "notifications/message", message.params.whole.raw);
    tell_log(*known, std::move(text));
  }
}

void server_link::tell_log(mcp::log_level level, std::string text) {
  home_.shared().post_to_all([slot = start_.slot, as = start_.as, level, text](worker& w) {
    auto* const up = w.find_upstream(slot);
    if (up != nullptr && up->offer_log(level, text))
      return;
    if (!as || !as->client)
      return w.tell_log(as ? as->of : slot, level, text);
    if (level >= as->client->log_level.load(std::memory_order_relaxed))
      w.tell_session(*as->client, text);
  });
}

void server_link::reply(const mcp::message& request) {
  auto* const up = home_.find_upstream(start_.slot);
  if (request.method != "ping" && up_ && up != nullptr)
    return up->route_question(request);
  // An error to roots/list too: a server would keep an empty list, and not ask within a call.
  const auto text =
      request.method == "ping"
          ? gateway::result_response(request.id.raw, "{}")
          : gateway::error_response(request.id.raw, mcp::json_rpc_code(mcp::errc::method_not_found),
                                    "nobody could answer during the handshake");
  if (channel_)
    return channel_->send(text);
  acknowledgements_.push_back(&pool_->start(post_text(text, request.method), *this));
}

void server_link::on_channel_closed(const std::string& reason, bool untouched) {
  if (ended_)
    return;
  // Some servers end when the first message is not initialize; others wait for it for ever.
  probe_harmed_child_ = untouched && may_blame_probe();
  down(reason);
}

void server_link::lost_session() {
  if (ended_ || endpoint_->session_id.empty())
    return;
  ended_ = true;
  home_.shared().plane->link_down(start_.slot, start_.link,
                                  {"the server does not know the session any more", false, true});
}

void server_link::lost_connection(const std::string& reason) {
  down(reason);
}

} // namespace nexus::engine
