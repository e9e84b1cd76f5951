/// http_connection as a stream that a client listens to: GET of a legacy session, or the answer to
/// subscriptions/listen.

#include "engine/http_connection.hpp"
#include "engine/session.hpp"
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
  // A client that opens another stream has given up the one before, whose connection may be
  // half-dead: that one ends, wherever it is. No worker ever holds two of a session.
  worker_.end_stream(*owner);
  auto self = static_cast<std::int32_t>(worker_.id().value);
  if (const auto before = owner->stream_worker.exchange(self); before >= 0)
    worker_.shared().post({static_cast<std::uint32_t>(before)}, [owner](worker& there) {
      // The client may have come back to that worker in the meantime.
      if (owner->stream_worker.load() != static_cast<std::int32_t>(there.id().value))
        there.end_stream(*owner);
    });
  if (owner->closed.load()) { // whoever closed it may have seen no stream yet
    owner->stream_worker.compare_exchange_strong(self, -1);
    return respond(404, text_plain, "unknown session\n");
  }
  owner->touch(worker_.now());
  stream_session_ = std::move(owner);
  watch_ = std::make_unique<change_watch>(worker_, stream_session_);
  keep_alive_ = false; // the stream's end is the connection's, and its head says so
  begin_events();
  stream_->flush();
  state_ = state::listening;
  worker_.add_stream(*this);
  lists_changed(); // what changed since the client listed
}

void http_connection::listen(exchange& x) {
  if (!accepts_events_)
    return refuse_message(x, mcp::errc::invalid_request, 406,
                          "subscriptions/listen needs Accept: text/event-stream", {});
  watch_ = std::make_unique<change_watch>(worker_, x);
  keep_alive_ = false;
  begin_events();
  tell({watch_->acknowledgement()});
  active_ = nullptr;
  worker_.release(x);
  state_ = state::listening;
  worker_.add_stream(*this);
}

void http_connection::lists_changed() {
  if (stream_->queued_bytes() > limits::write_queue_high_bytes)
    return; // told with the next change
  tell(watch_->follow_servers());
  tell(watch_->list_changes());
}

void http_connection::resource_updated(std::uint32_t slot, std::string_view subscribed,
                                       std::string_view uri) {
  tell({watch_->update(slot, subscribed, uri)});
}

void http_connection::subscription_settled(std::uint64_t subscriber, std::string_view uri,
                                           bool stands) {
  watch_->settle(subscriber, uri, stands);
  if (auto text = watch_->acknowledgement(); !text.empty()) {
    tell({std::move(text)});
    lists_changed(); // what changed since the client asked
  }
}

void http_connection::tell(const std::vector<std::string>& messages) {
  for (const auto& text : messages)
    if (!text.empty())
      append_event(text);
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
  if (!watch_->subscription_id().empty())
    append_event(watch_->farewell());
  http::append_last_chunk(stream_->out());
  state_ = state::answering;
  finish_response();
}

} // namespace nexus::engine
