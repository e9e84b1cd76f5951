/// server_link's subscriptions to resources and tasks, in the form of the server's era.

#include <fmt/format.h>

#include "engine/event_listener.hpp"
#include "engine/link_request.hpp"
#include "engine/server_link.hpp"
#include "engine/task_hub.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/client_capabilities.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

std::string params_with(std::string_view key, std::string_view value) {
  std::string params;
  json::object_writer members(params);
  members.string(key, value);
  members.end();
  return params;
}

/// A filter of one array of strings.
template <class Texts>
std::string filter_of(std::string_view key, const Texts& texts) {
  std::string filter;
  json::object_writer members(filter);
  auto& list = members.key(key);
  for (const auto& text : texts) {
    list += list.back() == ':' ? '[' : ',';
    json::append_string(list, text);
  }
  list += ']';
  members.end();
  return filter;
}

} // namespace

void server_link::subscribe(std::string_view uri,
                            unique_function<void(const std::string&)> on_answer) {
  if (ended_)
    return;
  request("resources/subscribe", params_with("uri", uri), limits::subscribe_timeout,
          [on_answer = std::move(on_answer)](const outcome& answer) mutable {
            std::string refusal;
            if (answer.message == nullptr) {
              json::object_writer members(refusal);
              members.integer("code", mcp::json_rpc_code(mcp::errc::internal_error));
              members.string("message", answer.failure);
              members.end();
            } else if (answer.message->kind == mcp::message_kind::error_response) {
              refusal = answer.message->error.whole.raw;
            }
            on_answer(refusal);
          });
}

void server_link::unsubscribe(std::string_view uri) {
  if (!ended_)
    request("resources/unsubscribe", params_with("uri", uri), limits::subscribe_timeout,
            [](const outcome&) {});
}

void server_link::watch_resources(const std::vector<std::string_view>& uris) {
  if (ended_)
    return;
  end_watch(next_watch_); // never acknowledged
  if (uris.empty())
    return end_watch(watch_);
  next_watch_.id = home_.next_downstream_id();
  const auto message = listen_request(next_watch_.id, filter_of("resourceSubscriptions", uris),
                                      home_.shared().extensions.own_capabilities());
  if (channel_)
    return channel_->send(message);
  next_watch_.stream = std::make_unique<event_listener>(*this, home_, *pool_,
                                                        post_text(message, "subscriptions/listen"));
}

server_link::watch server_link::watch_tasks(const std::vector<std::string>& ids) {
  watch opened{home_.next_downstream_id(), nullptr};
  const auto message =
      listen_request(opened.id, filter_of("taskIds", ids), gateway::tasks_capabilities);
  if (channel_)
    channel_->send(message);
  else
    opened.stream = std::make_unique<event_listener>(*this, home_, *pool_,
                                                     post_text(message, "subscriptions/listen"),
                                                     event_listener::about::tasks);
  return opened;
}

void server_link::ask_for_task(std::string_view id,
                               unique_function<void(const mcp::message*)> on_answer) {
  request(
      "tasks/get", params_with("taskId", id), limits::subscribe_timeout,
      [on_answer = std::move(on_answer)](const outcome& answer) mutable {
        on_answer(answer.message);
      },
      id);
}

void server_link::end_watch(watch& which) {
  if (which.id != 0 && channel_ && !ended_)
    notify("notifications/cancelled",
           fmt::format(R"({{"requestId":{},"reason":"nobody listens any more"}})", which.id));
  which.stream.reset();
  which.id = 0;
}

void server_link::on_acknowledged(std::int64_t subscription, const mcp::message& message) {
  auto* const up = home_.find_upstream(start_.slot);
  if (up == nullptr)
    return;
  if (subscription == next_watch_.id) {
    end_watch(watch_);
    watch_ = std::exchange(next_watch_, {});
    up->resources().established();
  } else if (subscription == watch_.id) {
    up->resources().missed(); // its stream was opened again
  } else {
    up->tasks().acknowledged(subscription, message.params[mcp::param_key::notifications]);
  }
}

} // namespace nexus::engine
