/// server_link's resource subscriptions, in the form of the server's era.

#include <fmt/format.h>

#include "engine/event_listener.hpp"
#include "engine/link_request.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

std::string uri_params(std::string_view uri) {
  std::string params;
  json::object_writer members(params);
  members.string("uri", uri);
  members.end();
  return params;
}

} // namespace

void server_link::subscribe(std::string_view uri,
                            unique_function<void(const std::string&)> on_answer) {
  if (ended_)
    return;
  request("resources/subscribe", uri_params(uri), limits::subscribe_timeout,
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
    request("resources/unsubscribe", uri_params(uri), limits::subscribe_timeout,
            [](const outcome&) {});
}

void server_link::watch_resources(const std::vector<std::string_view>& uris) {
  if (ended_)
    return;
  end_watch(next_watch_); // never acknowledged
  if (uris.empty())
    return end_watch(watch_);
  std::string filter;
  json::object_writer members(filter);
  auto& list = members.key("resourceSubscriptions");
  for (const auto uri : uris) {
    list += list.back() == ':' ? '[' : ',';
    json::append_string(list, uri);
  }
  list += ']';
  members.end();
  next_watch_.id = home_.next_downstream_id();
  const auto message = listen_request(next_watch_.id, filter);
  if (channel_)
    return channel_->send(message);
  next_watch_.stream = std::make_unique<event_listener>(*this, home_, *pool_,
                                                        post_text(message, "subscriptions/listen"));
}

void server_link::end_watch(resource_watch& which) {
  if (which.id != 0 && channel_)
    notify("notifications/cancelled",
           fmt::format(R"({{"requestId":{},"reason":"nobody listens any more"}})", which.id));
  which.stream.reset();
  which.id = 0;
}

void server_link::on_acknowledged(json::slice subscription) {
  const auto id = json::to_int64(subscription);
  auto* const up = home_.find_upstream(start_.slot);
  if (!id || *id == 0 || up == nullptr)
    return;
  if (*id == next_watch_.id) {
    end_watch(watch_);
    watch_ = std::exchange(next_watch_, {});
    up->resources().established();
  } else if (*id == watch_.id) {
    up->resources().missed(); // its stream was opened again
  }
}

} // namespace nexus::engine
