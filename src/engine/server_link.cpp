#include "engine/server_link.hpp"

#include <fmt/format.h>

#include "base/log.hpp"
#include "engine/event_listener.hpp"
#include "engine/link_request.hpp"
#include "engine/sse_channel.hpp"
#include "engine/stdio_channel.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/classify.hpp"
#include "gateway/probe.hpp"
#include "gateway/render.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using mcp::result_key;

/// A legacy server may ignore what it does not know; a modern one answers once it has started.
constexpr seconds probe_timeout{3};

} // namespace

server_link::server_link(worker& home, link_start start)
    : home_(home), start_(std::move(start)), endpoint_(std::make_shared<server_endpoint>()),
      started_(home.now()) {
  endpoint_->slot = start_.slot;
  endpoint_->link = start_.link;
  endpoint_->state = server_state::ready;
  endpoint_->settings = start_.settings;
  endpoint_->as = start_.as;
  endpoint_->home = home.id();
  for (const auto kind : catalog::list_kinds) {
    listings_[index_of(kind)].later.set_action([this, kind] { list(kind); });
    listings_[index_of(kind)].refresh.set_action([this, kind] { list(kind); });
  }
  enough_waited_.set_action([this] { come_up(); });
  // A server that is slow to start may be modern all the same: the probe's answer still counts.
  fall_back_.set_action([this] { initialize(); });
  handshake_deadline_.set_action([this] {
    probe_harmed_child_ = may_blame_probe() && !heard_;
    down(fmt::format("the handshake took longer than {} ms",
                     start_.settings->handshake_timeout.count()));
  });
  home_.reactor().arm(handshake_deadline_, start_.settings->handshake_timeout);
  open();
}

server_link::~server_link() {
  ended_ = true;
  tell_tool_waiters(nullptr);
  for (auto* const call : acknowledgements_)
    pool_->cancel(*call);
  listener_.reset();
  watch_.stream.reset();
  next_watch_.stream.reset();
  requests_.clear();
  channel_.reset(); // an event stream uses the pool
  if (up_ && pool_ && !endpoint_->session_id.empty()) {
    // Polite end of a legacy session; nobody waits for the answer.
    const auto request = fmt::format("DELETE {} HTTP/1.1\r\n{}Mcp-Session-Id: {}\r\n"
                                     "MCP-Protocol-Version: {}\r\n\r\n",
                                     target_->path, target_->head_fields, endpoint_->session_id,
                                     mcp::to_string(endpoint_->revision));
    home_.say_farewell(std::move(pool_), request, limits::child_stop_grace);
  }
}

void server_link::open() {
  const auto& settings = *start_.settings;
  if (settings.kind == config::transport::stdio) {
    endpoint_->channel = true;
    auto opened = stdio_channel::open(home_.reactor(), settings, *this);
    if (!opened)
      return down(opened.error().message);
    endpoint_->pid = (*opened)->pid();
    channel_ = std::move(*opened);
    return on_channel_open();
  }
  auto target = make_http_target(settings, home_.shared().limits.response_bytes);
  if (!target)
    return down(target.error().message);
  target_ = std::move(*target);
  pool_ = std::make_unique<http_pool>(home_.reactor(), target_->pool);
  if (settings.kind == config::transport::sse)
    return open_sse();
  on_channel_open();
}

void server_link::open_sse() {
  endpoint_->channel = true;
  channel_ = std::make_unique<sse_channel>(*pool_, target_->head_fields, target_->path,
                                           target_->origin, static_cast<channel_handler&>(*this));
}

void server_link::on_channel_open() {
  const auto pin = start_.settings->era;
  const bool event_stream = channel_ != nullptr && pool_ != nullptr;
  if (pin == config::era_pin::legacy || start_.known_legacy || event_stream)
    return initialize();
  probe(false);
}

void server_link::probe(bool retried) {
  endpoint_->era = mcp::era::modern;
  endpoint_->revision = mcp::newest_modern;
  const auto& settings = *start_.settings;
  if (channel_ && settings.era == config::era_pin::automatic)
    home_.reactor().arm(fall_back_, probe_timeout);
  probe_ = request("server/discover", "{}", channel_ ? settings.handshake_timeout : probe_timeout,
                   [this, retried](const outcome& answer) { on_probe(answer, retried); });
}

void server_link::on_probe(const outcome& answer, bool retried) {
  fall_back_.cancel();
  const bool pinned = start_.settings->era == config::era_pin::modern;
  if (answer.http_status == 401 || answer.http_status == 403)
    return down(fmt::format("the server answers HTTP {}: it wants credentials; give them in "
                            "'headers' of its configuration",
                            answer.http_status));
  if (answer.http_status >= 500)
    return down(fmt::format("the server answers HTTP {}", answer.http_status));
  const bool http = endpoint_->channel == false;
  if (answer.message == nullptr && http && answer.http_status == 0)
    return down(answer.failure);
  const auto found = answer.message == nullptr
                         ? gateway::verdict::legacy
                         : gateway::judge_probe(*answer.message, home_.scanner(), retried);
  const bool late = endpoint_->era == mcp::era::legacy; // initialize is under way
  if (late && found != gateway::verdict::modern && found != gateway::verdict::retry_modern)
    return;
  requests_.erase(initialize_);
  endpoint_->era = mcp::era::modern;
  endpoint_->revision = mcp::newest_modern;
  switch (found) {
  case gateway::verdict::modern:
    learn(*answer.message);
    return begin_listing();
  case gateway::verdict::retry_modern:
    return probe(true);
  case gateway::verdict::unusable:
    return down("the server speaks only protocol revisions that are not known here");
  case gateway::verdict::legacy:
    if (pinned)
      return down("the configuration pins 2026-07-28, but the server does not speak it" +
                  (answer.failure.empty() ? "" : ": " + answer.failure));
    return initialize();
  }
}

void server_link::initialize() {
  endpoint_->era = mcp::era::legacy;
  endpoint_->revision =
      endpoint_->channel && pool_ ? mcp::revision::r2024_11_05 : mcp::newest_legacy;
  initialize_ = request(
      "initialize",
      fmt::format(R"({{"protocolVersion":"{}","capabilities":{},"clientInfo":{}}})",
                  mcp::to_string(endpoint_->revision),
                  start_.as ? std::string_view(start_.as->capabilities)
                            : home_.shared().extensions.own_capabilities(),
                  gateway::implementation_json()),
      start_.settings->handshake_timeout, [this](const outcome& answer) { on_initialize(answer); });
}

void server_link::on_initialize(const outcome& answer) {
  if (answer.http_status == 401 || answer.http_status == 403)
    return down(fmt::format("the server answers HTTP {}: it wants credentials; give them in "
                            "'headers' of its configuration",
                            answer.http_status));
  const bool good =
      answer.message != nullptr && answer.message->kind == mcp::message_kind::response;
  requests_.erase(probe_);
  if (!good) {
    // A server of the first transport refuses a POST to its stream's address.
    if (!channel_ && answer.http_status >= 400 && answer.http_status < 500)
      return open_sse();
    return down(answer.message == nullptr ? answer.failure
                                          : "initialize failed: " + outcome_text(answer));
  }
  const auto version = answer.message->result[result_key::protocol_version];
  const auto known =
      version.is(json::kind::string) ? mcp::parse_revision(json::unquote(version)) : std::nullopt;
  if (!known || mcp::era_of(*known) != mcp::era::legacy)
    return down(fmt::format("the server chose protocol version {}, which is not known here",
                            version ? version.raw : "(none)"));
  endpoint_->revision = *known;
  learn(*answer.message);
  if (answer.head != nullptr)
    if (const auto id = answer.head->headers.find("mcp-session-id"))
      endpoint_->session_id = *id;
  notify("notifications/initialized");
  begin_listing();
}

void server_link::down(std::string reason) {
  if (ended_)
    return;
  ended_ = true;
  handshake_deadline_.cancel();
  fall_back_.cancel();
  if (auto* const up = home_.find_upstream(start_.slot); up != nullptr && up->link() == this)
    up->link_went_down();
  enough_waited_.cancel();
  for (auto& listing : listings_)
    listing.later.cancel();
  for (auto& [id, state] : requests_)
    state->cancel();
  tell_tool_waiters(nullptr);
  link_failure failure{std::move(reason), false, false};
  failure.retry_as_legacy = probe_harmed_child_;
  home_.shared().plane->link_down(start_.slot, start_.link, std::move(failure));
}

bool server_link::may_blame_probe() const {
  return start_.settings->kind == config::transport::stdio && !up_ && !start_.known_legacy &&
         start_.settings->era == config::era_pin::automatic;
}

void server_link::set_log_level(mcp::log_level level) {
  if (!up_ || !endpoint_->logging || level == mcp::log_level::off)
    return;
  request("logging/setLevel",
          fmt::format(R"({{"level":"{}"}})", mcp::log_level_names[static_cast<std::size_t>(level)]),
          start_.settings->call_timeout, [](const outcome&) {});
}

} // namespace nexus::engine
