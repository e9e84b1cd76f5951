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

/// The members of a server's answer that the gateway keeps.
class capability_visitor final : public json::visitor {
 public:
  bool tools = false, tools_changed = false, logging = false;
  step on_key(unsigned depth, std::string_view key, json::kind) override {
    if (depth != 0)
      return step::take;
    in_tools_ = key == "tools";
    tools = tools || in_tools_;
    logging = logging || key == "logging";
    return in_tools_ ? step::enter : step::take;
  }
  void on_member(unsigned depth, const json::member& found) override {
    if (depth == 1 && in_tools_ && found.key == "listChanged")
      tools_changed = found.value.raw == "true";
  }

 private:
  bool in_tools_ = false;
};

class tools_member final : public json::visitor {
 public:
  json::slice tools;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == "tools")
      tools = found.value;
  }
};

std::string error_text(const mcp::message& answer) {
  const auto text = answer.error[mcp::error_key::message];
  return fmt::format("{} ({})",
                     text.is(json::kind::string) ? json::unquote(text) : std::string("no message"),
                     answer.error[mcp::error_key::code].raw);
}

} // namespace

server_link::server_link(worker& home, link_start start)
    : home_(home), start_(std::move(start)), endpoint_(std::make_shared<server_endpoint>()),
      started_(home.now()) {
  endpoint_->slot = start_.slot;
  endpoint_->link = start_.link;
  endpoint_->state = server_state::ready;
  endpoint_->settings = start_.settings;
  endpoint_->home = home.id();
  relist_.set_action([this] { list_tools(); });
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
  for (auto* const call : acknowledgements_)
    pool_->cancel(*call);
  listener_.reset();
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
    return list_tools();
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
      fmt::format(R"({{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{}}})",
                  mcp::to_string(endpoint_->revision), gateway::implementation_json()),
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
                                          : "initialize failed: " + error_text(*answer.message));
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
  list_tools();
}

void server_link::learn(const mcp::message& answer) {
  const auto& result = answer.result;
  const auto keep = [&](result_key key) {
    return result[key].is(json::kind::object) ? std::string(result[key].raw) : std::string();
  };
  endpoint_->capabilities = keep(result_key::capabilities);
  endpoint_->server_info = keep(result_key::server_info);
  if (result[result_key::instructions].is(json::kind::string))
    endpoint_->instructions = json::unquote(result[result_key::instructions]);
  if (endpoint_->server_info.empty() && result[result_key::meta].is(json::kind::object)) {
    named_member info("io.modelcontextprotocol/serverInfo");
    if (home_.scanner().scan_object(result[result_key::meta].raw, info))
      endpoint_->server_info = info.found.raw;
  }
  capability_visitor capabilities;
  if (!endpoint_->capabilities.empty() &&
      home_.scanner().scan_object(result[result_key::capabilities].raw, capabilities)) {
    lists_tools_ = capabilities.tools;
    tells_changes_ = capabilities.tools_changed;
    endpoint_->logging = capabilities.logging && endpoint_->era == mcp::era::legacy;
  }
}

void server_link::list_tools() {
  if (listing_) {
    relist_again_ = true;
    return;
  }
  listing_ = std::make_unique<catalog::catalogue_builder>(start_.settings->include_tools,
                                                          start_.settings->exclude_tools);
  pages_ = 0;
  if (!lists_tools_)
    return finish_list();
  request_page({});
}

void server_link::request_page(std::string_view cursor) {
  request("tools/list", cursor.empty() ? "{}" : fmt::format(R"({{"cursor":{}}})", cursor),
          start_.settings->handshake_timeout, [this](const outcome& answer) { on_page(answer); });
}

void server_link::on_page(const outcome& answer) {
  const bool good =
      answer.message != nullptr && answer.message->kind == mcp::message_kind::response;
  tools_member members;
  if (good && answer.message->result.whole.is(json::kind::object))
    static_cast<void>(home_.scanner().scan_object(answer.message->result.whole.raw, members));
  if (!members.tools.is(json::kind::array)) {
    const std::string reason = answer.message == nullptr ? answer.failure
                               : good                    ? "the answer has no array of tools"
                                                         : error_text(*answer.message);
    listing_.reset();
    if (!up_)
      return down("tools/list failed: " + reason);
    log::warn("server", "relist_failed", {{"server", start_.settings->name}, {"reason", reason}});
    return;
  }
  static_cast<void>(listing_->add_page(members.tools, home_.scanner()));
  const auto next = answer.message->result[result_key::next_cursor];
  if (next.is(json::kind::string) && ++pages_ < limits::list_pages_max && !listing_->full())
    return request_page(std::string(next.raw));
  finish_list();
}

void server_link::finish_list() {
  auto catalogue = listing_->finish();
  listing_.reset();
  for (const auto& problem : catalogue->problems())
    log::warn("server", "tool_problem", {{"server", start_.settings->name}, {"problem", problem}});
  auto* const plane = home_.shared().plane;
  if (up_) {
    plane->link_relisted(start_.slot, start_.link, std::move(catalogue));
  } else {
    up_ = true;
    handshake_deadline_.cancel();
    log::info(
        "server", "connected",
        {{"server", start_.settings->name},
         {"era", mcp::to_string(endpoint_->era)},
         {"revision", mcp::to_string(endpoint_->revision)},
         {"tools", catalogue->tools().size()},
         {"elapsed_ms", std::chrono::duration_cast<milliseconds>(home_.now() - started_).count()}});
    plane->link_up(std::make_shared<const server_endpoint>(*endpoint_), std::move(catalogue));
    listen_for_changes();
  }
  if (relist_again_) {
    relist_again_ = false;
    home_.reactor().arm(relist_, limits::list_changed_coalesce);
  }
}

void server_link::listen_for_changes() {
  if (endpoint_->era == mcp::era::modern) {
    if (!tells_changes_)
      return;
    std::string message;
    gateway::append_own_request(message, "subscriptions/listen", home_.next_downstream_id(),
                                R"({"notifications":{"toolsListChanged":true}})", mcp::era::modern);
    if (endpoint_->channel)
      return channel_->send(message);
    std::string head = post_prefix(*target_, *endpoint_) + std::to_string(message.size()) +
                       "\r\nMcp-Method: subscriptions/listen\r\n\r\n" + message;
    listener_ = std::make_unique<event_listener>(*this, home_, *pool_, std::move(head));
  } else if (!endpoint_->channel) {
    std::string head =
        fmt::format("GET {} HTTP/1.1\r\nAccept: text/event-stream\r\n{}"
                    "MCP-Protocol-Version: {}\r\n",
                    target_->path, target_->head_fields, mcp::to_string(endpoint_->revision));
    if (!endpoint_->session_id.empty())
      http::append_field(head, "Mcp-Session-Id", endpoint_->session_id);
    listener_ = std::make_unique<event_listener>(*this, home_, *pool_, head + "\r\n");
  }
}

void server_link::down(std::string reason) {
  if (ended_)
    return;
  ended_ = true;
  handshake_deadline_.cancel();
  fall_back_.cancel();
  relist_.cancel();
  for (auto& [id, state] : requests_)
    state->cancel();
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
