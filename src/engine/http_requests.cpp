/// http_connection's requests: addresses, checks, and the way of a message into an exchange.

#include <algorithm>

#include <fmt/format.h>

#include "base/log.hpp"
#include "base/text.hpp"
#include "engine/dispatch.hpp"
#include "engine/http_connection.hpp"
#include "engine/http_guests.hpp"
#include "engine/session_streams.hpp"
#include "engine/upstream.hpp"
#include "gateway/classify.hpp"
#include "gateway/render.hpp"
#include "http/query.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

constexpr std::string_view text_plain = "text/plain; charset=utf-8";
constexpr std::string_view mcp_tails[] = {"/mcp", "/sse", "/ws", "/message"};
constexpr std::string_view parameter_prefix = "Mcp-Param-";
constexpr std::string_view batch_refusal =
    "batches are served in sessions of 2025-03-26 only; send one message per request";

metrics::http_method count_as(http::method verb) {
  switch (verb) {
  case http::method::post:
    return metrics::http_method::post;
  case http::method::get:
    return metrics::http_method::get;
  case http::method::del:
    return metrics::http_method::del;
  default:
    return metrics::http_method::other;
  }
}

} // namespace

void http_connection::serve_request() {
  auto& request = parser_.message();
  auto& shared = worker_.shared();
  state_ = state::answering;
  since_ = worker_.now();
  keep_alive_ = request.keep_alive;
  worker_.metrics().http_requests.add(count_as(request.verb));
  if (!parser_.head_repeats())
    facts_ = request_facts::of(request.headers, shared.hosts);
  if (!facts_.admitted) {
    const bool by_browser = request.headers.find("origin").has_value();
    worker_.metrics().refusals.add(by_browser ? metrics::refusal::origin : metrics::refusal::host);
    return respond(403, text_plain,
                   "this Host or Origin is not served; see allowedHosts and allowedOrigins\n");
  }
  if (request.verb == http::method::options)
    return serve_preflight();
  const std::string_view path = request.path;
  if (const auto at = address_of(path); at && serve_address(*at))
    return;
  if (own_ && path != "/healthz")
    return respond(404, text_plain, "a virtual MCP has this port for itself: POST to /mcp\n");
  if (path.starts_with("/s/") || path.starts_with("/v/"))
    return respond(404, text_plain, path[1] == 's' ? "no such server\n" : "no such virtual MCP\n");
  if (path.starts_with("/api/"))
    return serve_api();
  serve_operations(path);
}

bool http_connection::serve_address(const address& at) {
  const auto verb = parser_.message().verb;
  if (at.scope.shows == view_scope::what::virtual_mcp) {
    const auto* const endpoint = worker_.vmcps().find(at.scope.number);
    if (endpoint == nullptr)
      return false;
    if (refuse_unready_vmcp(*endpoint))
      return true;
    endpoint->runtime->last_used_ns.store(worker_.now().time_since_epoch().count(),
                                          std::memory_order_relaxed);
  }
  if (at.tail == "/mcp")
    serve_mcp(at.scope);
  else if (at.tail == "/message")
    serve_guest_message(at.scope);
  else if (at.tail == "/sse" && verb == http::method::get)
    serve_event_stream(at.scope);
  else if (at.tail == "/ws" && verb == http::method::get)
    serve_websocket(at.scope);
  else
    return false;
  return true;
}

void http_connection::serve_operations(std::string_view path) {
  const auto verb = parser_.message().verb;
  const bool reads = verb == http::method::get || verb == http::method::head;
  auto& shared = worker_.shared();
  if (path != "/healthz" && path != "/readyz" && path != "/metrics")
    return respond(404, text_plain, "no such address\n");
  if (!reads)
    return respond(405, text_plain, "only GET is served here\n", "Allow: GET\r\n");
  if (path == "/healthz")
    return respond(200, text_plain, "ok\n");
  if (path == "/readyz") {
    const bool draining = shared.draining.load(std::memory_order_relaxed);
    return respond(draining ? 503 : 200, text_plain, draining ? "draining\n" : "ready\n");
  }
  respond(200, metrics::registry::content_type(), shared.metrics.exposition());
}

bool http_connection::refuse_unready_vmcp(const vmcp_endpoint& endpoint) {
  if (endpoint.state == vmcp_state::ready)
    return false;
  worker_.metrics().refusals.add(metrics::refusal::virtual_mcp);
  respond(503, text_plain,
          fmt::format("virtual MCP '{}' is {}\n", endpoint.runtime->id,
                      endpoint.state == vmcp_state::created ? "being made" : "draining"),
          "Retry-After: 1\r\n");
  return true;
}

std::optional<http_connection::address> http_connection::address_of(std::string_view path) const {
  const auto cut = path.rfind('/');
  if (cut == std::string_view::npos)
    return std::nullopt;
  const auto tail = path.substr(cut);
  const auto front = path.substr(0, cut);
  if (std::ranges::find(mcp_tails, tail) == std::end(mcp_tails))
    return std::nullopt;
  if (front.empty())
    return address{
        own_ ? view_scope{view_scope::what::virtual_mcp, own_->of->number} : view_scope{}, tail};
  const bool of_vmcp = front.starts_with("/v/");
  if ((!of_vmcp && !front.starts_with("/s/")) || tail == "/message")
    return std::nullopt;
  const auto name = http::percent_decode(front.substr(3));
  if (!name)
    return std::nullopt;
  if (of_vmcp) {
    const auto endpoint = worker_.vmcps().find(*name);
    if (endpoint == nullptr || (own_ && endpoint->runtime != own_->of))
      return std::nullopt;
    return address{{view_scope::what::virtual_mcp, endpoint->runtime->number}, tail};
  }
  const auto* const part = own_ ? nullptr : worker_.snapshot().server(*name);
  if (part == nullptr)
    return std::nullopt;
  return address{view_scope::of_server(part->slot), tail};
}

void http_connection::serve_mcp(view_scope scope) {
  switch (parser_.message().verb) {
  case http::method::post:
    return serve_post(scope);
  case http::method::get:
    return serve_get(scope);
  case http::method::del:
    return serve_delete(scope);
  default:
    return respond(405, text_plain, "POST, GET and DELETE are served here\n",
                   "Allow: POST, GET, DELETE\r\n");
  }
}

void http_connection::serve_preflight() {
  std::string fields =
      "Access-Control-Allow-Methods: GET, POST, DELETE\r\n"
      "Access-Control-Allow-Headers: Content-Type, Accept, Authorization, Last-Event-ID, "
      "MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, traceparent, tracestate, "
      "baggage";
  // Names of arguments cannot be known beforehand, and browsers want each one named.
  auto wanted = parser_.message().headers.find("access-control-request-headers").value_or("");
  while (!wanted.empty()) {
    const auto name = trim(wanted.substr(0, wanted.find(',')));
    if (iequals(name.substr(0, parameter_prefix.size()), parameter_prefix))
      fields.append(", ").append(name);
    wanted.remove_prefix(std::min(wanted.size(), wanted.find(',')));
    wanted.remove_prefix(wanted.empty() ? 0 : 1);
  }
  respond(204, {}, {}, fields + "\r\nAccess-Control-Max-Age: 600\r\n");
}

void http_connection::serve_post(view_scope scope) {
  if (worker_.shared().draining.load(std::memory_order_relaxed)) {
    worker_.metrics().refusals.add(metrics::refusal::draining);
    return respond(503, text_plain, "the gateway is stopping\n", "Retry-After: 1\r\n");
  }
  if (facts_.body == request_facts::body_kind::other) {
    worker_.metrics().refusals.add(metrics::refusal::media_type);
    return respond(415, text_plain, "Content-Type must be application/json\n");
  }
  if (facts_.body == request_facts::body_kind::coded) {
    worker_.metrics().refusals.add(metrics::refusal::media_type);
    return respond(415, text_plain, "compressed bodies are not read\n",
                   "Accept-Encoding: identity\r\n");
  }
  if (!facts_.accepts_json && !facts_.accepts_events) {
    worker_.metrics().refusals.add(metrics::refusal::media_type);
    return respond(406, text_plain, "Accept must admit application/json, text/event-stream\n");
  }
  auto& x = worker_.acquire();
  x.client = this;
  x.scope = scope;
  x.text.swap(parser_.message().body);
  json::ensure_padding(x.text);
  active_ = &x;
  serve_message(x);
}

void http_connection::refuse_message(exchange& x, mcp::errc code, unsigned status,
                                     std::string_view message, std::string_view data) {
  worker_.metrics().requests.add(metrics::request_result::invalid);
  const auto body = gateway::error_response(x.id(), mcp::json_rpc_code(code), message, data);
  active_ = nullptr;
  worker_.release(x);
  respond(status, "application/json", body);
}

void http_connection::serve_message(exchange& x) {
  if (mcp::is_batch(x.text)) {
    x.request.clear();
    x.era = mcp::era::legacy;
    if (facts_.session_id)
      return with_session(x, *facts_.session_id);
    worker_.metrics().refusals.add(metrics::refusal::envelope);
    return refuse_message(x, mcp::errc::invalid_request, 400, batch_refusal, {});
  }
  if (auto parsed = mcp::parse_message(x.text, worker_.scanner(), x.request); !parsed) {
    const auto code = static_cast<mcp::errc>(parsed.error().code.value());
    worker_.metrics().refusals.add(code == mcp::errc::parse_error ? metrics::refusal::json_syntax
                                                                  : metrics::refusal::envelope);
    return refuse_message(x, code, 400, parsed.error().message, {});
  }
  const auto kind = gateway::classify(x.request, facts_.protocol);
  if (!kind) {
    const auto& refused = kind.error();
    worker_.metrics().refusals.add(refused.code == mcp::errc::header_mismatch
                                       ? metrics::refusal::header_mismatch
                                       : metrics::refusal::envelope);
    return refuse_message(x, refused.code, refused.http_status, refused.message, refused.data);
  }
  x.era = kind->era;
  x.revision = kind->revision;
  if (x.era == mcp::era::modern) {
    const auto level = x.request.meta[mcp::meta_key::log_level];
    if (level)
      x.log_level = mcp::parse_log_level(json::unquote(level)).value_or(mcp::log_level::off);
    return session_found(x, nullptr);
  }
  if (x.request.method == "initialize" && x.request.kind == mcp::message_kind::request)
    return session_found(x, nullptr);
  if (!facts_.session_id) {
    worker_.metrics().refusals.add(metrics::refusal::session);
    return refuse_message(x, mcp::errc::invalid_request, 400,
                          "the Mcp-Session-Id header is missing; send initialize first", {});
  }
  with_session(x, *facts_.session_id);
}

void http_connection::with_session(exchange& x, std::string_view id) {
  if (auto found = worker_.find_session(id))
    return session_found(x, std::move(found));
  worker_id home;
  const bool elsewhere = parse_session_home(id, home) && home != worker_.id() &&
                         home.value < worker_.shared().worker_count();
  if (!elsewhere)
    return session_found(x, nullptr);
  // Another worker opened it: ask once, then know it.
  worker_.shared().post(home, [back = worker_.id(), connection = id_, sequence = x.sequence,
                               wanted = std::string(id)](worker& there) {
    there.shared().post(
        back, [connection, sequence, found = there.find_session(wanted)](worker& here) {
          if (found)
            here.add_session(found);
          auto* const asked = here.find_connection(connection);
          if (asked == nullptr || asked->active_ == nullptr || asked->active_->sequence != sequence)
            return;
          asked->session_found(*asked->active_, found);
        });
  });
}

void http_connection::session_found(exchange& x, session_ptr found) {
  const bool wants_session =
      x.era == mcp::era::legacy &&
      !(x.request.method == "initialize" && x.request.kind == mcp::message_kind::request);
  if (wants_session && (!found || found->scope != x.scope)) {
    worker_.metrics().refusals.add(metrics::refusal::session);
    return refuse_message(x, mcp::errc::invalid_request, 404,
                          "this session is unknown or has ended; send initialize again", {});
  }
  if (found) {
    found->touch(worker_.now());
    x.revision = found->revision;
    x.log_level = found->wanted_log_level();
  }
  x.caller = std::move(found);
  if (mcp::is_batch(x.text))
    return serve_batch(x);
  if (x.request.kind == mcp::message_kind::request) {
    const bool can_resume = x.caller && facts_.accepts_events &&
                            x.revision == mcp::revision::r2025_11_25 &&
                            parser_.message().version == 11;
    dispatch(worker_, x);
    if (can_resume && state_ == state::answering && active_ != nullptr && !events_begun_)
      worker_.reactor().arm(early_, limits::resumable_after);
    return;
  }
  active_ = nullptr;
  if (x.request.kind == mcp::message_kind::notification) {
    dispatch(worker_, x);
  } else {
    if (x.caller)
      worker_.take_answer(x.caller.get(), x.request);
    worker_.release(x);
  }
  respond(202, {}, {});
}

void http_connection::serve_batch(exchange& x) {
  auto opened = x.revision == mcp::revision::r2025_03_26
                    ? batch::open(worker_, x.text, x.caller, *this)
                    : fail(make_error_code(mcp::errc::invalid_request), std::string(batch_refusal));
  if (!opened) {
    worker_.metrics().refusals.add(metrics::refusal::envelope);
    return refuse_message(x, static_cast<mcp::errc>(opened.error().code.value()), 400,
                          opened.error().message, {});
  }
  stream_session_ = x.caller;
  active_ = nullptr;
  worker_.release(x);
  batch_ = std::move(*opened);
  batch_->start();
}

void http_connection::serve_delete(view_scope scope) {
  const auto id = parser_.message().headers.find("mcp-session-id");
  if (!id)
    return respond(400, text_plain, "the Mcp-Session-Id header is missing\n");
  worker_id home;
  if (!parse_session_home(*id, home) || home.value >= worker_.shared().worker_count())
    return respond(404, text_plain, "unknown session\n");
  worker_.shared().post(home, [back = worker_.id(), connection = id_, scope,
                               wanted = std::string(*id)](worker& there) {
    auto found = there.find_session(wanted);
    if (found && found->scope != scope)
      found = nullptr;
    if (found)
      there.close_session(found);
    there.shared().post(back, [connection, known = found != nullptr](worker& here) {
      auto* const asked = here.find_connection(connection);
      if (asked == nullptr || asked->state_ != state::answering)
        return;
      asked->respond(known ? 200 : 404, text_plain, known ? "" : "unknown session\n");
    });
  });
}

} // namespace nexus::engine
