#include "bench/load/subscriber.hpp"

#include <fmt/format.h>

#include "bench/load/channel.hpp"
#include "json/write.hpp"

namespace nexus::load {
namespace {

/// The filter of subscriptions/listen: every list, and the resources of the plan.
std::string listen_params(const subscriber_plan& plan) {
  std::string out = R"({"notifications":{"toolsListChanged":true,"promptsListChanged":true,)"
                    R"("resourcesListChanged":true)";
  if (!plan.resources.empty()) {
    out += R"(,"resourceSubscriptions":[)";
    for (std::size_t i = 0; i < plan.resources.size(); ++i) {
      out += i == 0 ? "" : ",";
      json::append_string(out, plan.resources[i]);
    }
    out += ']';
  }
  return out + "}}";
}

} // namespace

subscriber::subscriber(net::reactor& on, const run_options& run, std::uint64_t id)
    : run_(run), link_(on, run, *this), id_(id) {}

void subscriber::open() {
  at_ = step::connecting;
  resource_ = 0;
  session_.clear();
  events_.reset();
  doomed_.clear();
  link_.open();
}

bool subscriber::reopen_when_lost() {
  if (at_ != step::lost)
    return false;
  open();
  return true;
}

void subscriber::send(const std::string& bytes) {
  link_.out() += bytes;
  link_.send(bytes.size());
}

void subscriber::post(std::string_view method, std::string_view params) {
  send_post(method, request_body(run_.to, id_text(id_).view(), method, params));
}

void subscriber::send_post(std::string_view method, std::string_view body) {
  send(fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\n{}{}", run_.to.path, run_.to.authority,
                   session_, post_rest(run_.to, run_.headers, method, {}, body)));
}

void subscriber::notify_initialized() {
  at_ = step::acknowledging;
  send_post("notifications/initialized", initialized_body);
}

void subscriber::subscribe_next() {
  const auto& resources = run_.work.subscribers.resources;
  if (resource_ == resources.size())
    return listen();
  at_ = step::subscribing;
  std::string uri;
  json::append_string(uri, resources[resource_++]);
  post("resources/subscribe", fmt::format(R"({{"uri":{}}})", uri));
}

void subscriber::listen() {
  at_ = step::asking;
  if (run_.to.stateless())
    return post("subscriptions/listen", listen_params(run_.work.subscribers));
  auto head =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}Accept: text/event-stream\r\n"
                  "MCP-Protocol-Version: {}\r\n",
                  run_.to.path, run_.to.authority, session_, mcp::to_string(run_.to.revision));
  for (const auto& field : run_.headers)
    head += field + "\r\n";
  send(head + "\r\n");
}

void subscriber::on_connected(http_link& /*link*/) {
  if (run_.to.stateless())
    return listen();
  at_ = step::initializing;
  post("initialize", initialize_params(run_.to));
}

void subscriber::on_head(http_link& link) {
  body_.clear();
  if (at_ != step::asking)
    return;
  if (link.status() == 200 && link.is_event_stream()) {
    at_ = step::listening;
    ++opened_;
  } else {
    doomed_ = fmt::format("no event stream to listen to: status {}", link.status());
  }
}

void subscriber::on_body(http_link& /*link*/, std::string_view bytes) {
  if (at_ != step::listening)
    body_ += bytes;
  else if (!events_.feed(bytes, *this))
    doomed_ = "an event beyond its limit";
}

void subscriber::on_event(const http::sse_event& event) {
  // The acknowledgement of a listen is part of opening it.
  if (event.data.find("\"method\"") != std::string_view::npos &&
      event.data.find("notifications/subscriptions/acknowledged") == std::string_view::npos)
    ++notifications_;
}

void subscriber::on_response(http_link& link) {
  if (at_ == step::listening) {
    ++ended_;
    return lose("the server ended the stream");
  }
  if (at_ == step::asking || link.status() < 200 || link.status() > 299)
    return lose(fmt::format("status {}: {}", link.status(), body_));
  if (at_ == step::initializing) {
    if (!link.session_id().empty())
      session_ = fmt::format("Mcp-Session-Id: {}\r\n", link.session_id());
    return notify_initialized();
  }
  subscribe_next();
}

void subscriber::on_taken(http_link& /*link*/) {
  if (!doomed_.empty())
    lose(doomed_);
}

void subscriber::on_lost(http_link& /*link*/, error_class /*what*/, std::string_view why) {
  if (at_ == step::listening)
    ++ended_;
  lose(std::string(why));
}

void subscriber::lose(std::string why) {
  problem_ = std::move(why);
  at_ = step::lost;
  doomed_.clear();
  link_.close();
}

} // namespace nexus::load
