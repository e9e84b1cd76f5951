/// http_connection as a stream that a client listens to: GET of a legacy session, or the answer to
/// subscriptions/listen.

#include <fmt/format.h>

#include "engine/dispatch.hpp"
#include "engine/http_connection.hpp"
#include "engine/session.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"

namespace nexus::engine {
namespace {

constexpr std::string_view text_plain = "text/plain; charset=utf-8";

} // namespace

void http_connection::serve_get(view_scope scope) {
  const auto& headers = parser_.message().headers;
  const auto id = headers.find("mcp-session-id");
  const auto version = headers.find("mcp-protocol-version");
  const auto known = version ? mcp::parse_revision(*version) : std::nullopt;
  const bool modern = known && mcp::era_of(*known) == mcp::era::modern;
  if (modern || !id || !accepts_events_) {
    if (!modern && accepts_events_)
      return respond(400, text_plain, "the Mcp-Session-Id header is missing\n");
    return respond(modern || !id ? 405 : 406, text_plain,
                   "this is an MCP endpoint: POST JSON-RPC messages to it\n",
                   "Allow: POST, GET, DELETE\r\n");
  }
  if (version && !known)
    return respond(400, text_plain, "unsupported MCP-Protocol-Version\n");
  const auto found = worker_.find_session(*id);
  worker_id home;
  if (!found && parse_session_home(*id, home) && home != worker_.id() &&
      home.value < worker_.shared().worker_count()) {
    worker_.shared().post(home, [back = worker_.id(), connection = id_, scope,
                                 wanted = std::string(*id)](worker& there) {
      there.shared().post(
          back, [connection, scope, opened = there.find_session(wanted)](worker& here) {
            if (opened)
              here.add_session(opened);
            auto* const asked = here.find_connection(connection);
            if (asked == nullptr || asked->state_ != state::answering || asked->active_ != nullptr)
              return;
            if (!opened || opened->scope != scope)
              return asked->respond(404, text_plain, "unknown session\n");
            asked->open_listening(opened);
          });
    });
    return;
  }
  if (!found || found->scope != scope)
    return respond(404, text_plain, "unknown session\n");
  open_listening(found);
}

void http_connection::open_listening(session_ptr owner) {
  std::int32_t nobody = -1;
  const auto self = static_cast<std::int32_t>(worker_.id().value);
  if (!owner->stream_worker.compare_exchange_strong(nobody, self))
    return respond(409, text_plain, "this session has a listening stream already\n");
  if (owner->closed.load()) { // whoever closed it may have seen no stream yet
    owner->stream_worker.store(-1);
    return respond(404, text_plain, "unknown session\n");
  }
  owner->touch(worker_.now());
  stream_session_ = std::move(owner);
  stream_scope_ = stream_session_->scope;
  told_fingerprint_ = stream_session_->seen_fingerprint.load(std::memory_order_relaxed);
  wants_tools_ = true;
  begin_events();
  stream_->flush();
  state_ = state::listening;
  worker_.add_stream(*this);
  tools_changed(); // what changed since the client listed
}

void http_connection::listen(exchange& x) {
  if (!accepts_events_)
    return refuse_message(x, mcp::errc::invalid_request, 406,
                          "subscriptions/listen needs Accept: text/event-stream", {});
  subscription_id_ = x.id();
  stream_scope_ = x.scope;
  wants_tools_ = wants_tool_changes(worker_, x);
  if (const auto* const view = worker_.view(x.scope))
    told_fingerprint_ = view->fingerprint();
  begin_events();
  append_event(fmt::format(
      R"({{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{)"
      R"("notifications":{},"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}}}}})",
      wants_tools_ ? R"({"toolsListChanged":true})" : "{}", subscription_id_));
  stream_->flush();
  active_ = nullptr;
  worker_.release(x);
  state_ = state::listening;
  worker_.add_stream(*this);
}

void http_connection::tools_changed() {
  const auto* const view = worker_.view(stream_scope_);
  if (view == nullptr || !wants_tools_ || view->fingerprint() == told_fingerprint_)
    return;
  if (stream_->queued_bytes() > limits::write_queue_high_bytes)
    return; // told with the next change
  told_fingerprint_ = view->fingerprint();
  append_event(subscription_id_.empty()
                   ? std::string(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})")
                   : fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/tools/list_changed",)"
                                 R"("params":{{"_meta":{{"io.modelcontextprotocol/)"
                                 R"(subscriptionId":{}}}}}}})",
                                 subscription_id_));
  stream_->flush();
}

void http_connection::log_message(std::string_view notification) {
  if (stream_->queued_bytes() > limits::write_queue_high_bytes)
    return;
  append_event(notification);
  stream_->flush();
}

void http_connection::finish() {
  if (state_ != state::listening)
    return;
  leave_streams();
  if (!subscription_id_.empty())
    append_event(gateway::result_response(
        subscription_id_,
        fmt::format(R"({{"resultType":"complete","_meta":{{"io.modelcontextprotocol/)"
                    R"(subscriptionId":{}}}}})",
                    subscription_id_)));
  http::append_last_chunk(stream_->out());
  keep_alive_ = false;
  state_ = state::answering;
  finish_response();
}

} // namespace nexus::engine
