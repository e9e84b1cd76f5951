/// http_connection's event streams: those that a client listens to, which are the GET of a legacy
/// session (it may take up an answer that broke off as well) and the answer to
/// subscriptions/listen; and answers that are streams.

#include "engine/http_connection.hpp"
#include "engine/session_streams.hpp"
#include "http/sse.hpp"
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
  if (modern || !id || !facts_.accepts_events) {
    if (!modern && facts_.accepts_events)
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
            asked->take_up_stream(opened);
          });
    });
    return;
  }
  if (!found || found->scope != scope)
    return respond(404, text_plain, "unknown session\n");
  take_up_stream(found);
}

void http_connection::take_up_stream(session_ptr owner) {
  const auto last = parser_.message().headers.find("last-event-id");
  auto& log = log_of(worker_.shared(), *owner);
  const auto taken =
      last ? log.resume(*last, self(), worker_.now()) : log.listen(self(), worker_.now());
  if (owner->closed.load()) // whoever closed it may have seen no reader yet
    return respond(404, text_plain, "unknown session\n");
  if (taken.what != replay_log::outcome::attached) {
    worker_.metrics().refusals.add(metrics::refusal::session);
    if (taken.what == replay_log::outcome::foreign)
      return respond(400, text_plain, "Last-Event-ID is no id of an event of this session\n");
    return respond(410, text_plain,
                   "what followed this event is not kept any more; send the request again\n");
  }
  // A client that opens another stream has given up the one before, whose connection may be
  // half-dead.
  if (taken.before)
    tell_reader_it_is_replaced(worker_, *taken.before, owner, taken.stream);
  owner->touch(worker_.now());
  keep_alive_ = false; // the stream's end is the connection's, and its head says so
  begin_events();
  stream_session_ = std::move(owner);
  log_ = &log;
  event_stream_ = taken.stream;
  position_ = taken.position;
  state_ = state::following;
  worker_.metrics().sse_streams.up();
  if (const auto primer = last ? std::nullopt : log.prime(event_stream_, position_)) {
    position_ = *primer;
    prime(*primer);
  }
  const auto session = stream_session_;
  const auto stream = event_stream_;
  follow();
  if (stream == replay_log::listening)
    worker_.absent_sessions().listen_for(session, last ? session_streams::listening::resumed
                                                       : session_streams::listening::anew);
}

void http_connection::follow() {
  if (state_ != state::following)
    return;
  bool more = true;
  while (more && stream_->queued_bytes() <= limits::write_queue_high_bytes) {
    const auto news = log_->read(event_stream_, position_, self(), limits::write_queue_high_bytes);
    if (news.taken)
      return; // lose_stream() is on the way
    if (news.missed)
      append_comment("some events before this are not kept any more");
    for (const auto& event : news.events) {
      write_event(event.data, log_->id_of(event_stream_, event.sequence));
      position_ = event.sequence;
    }
    if (news.ended)
      return end_following();
    more = news.more;
  }
  stream_->flush();
}

void http_connection::lose_stream(const session& of, std::uint32_t stream) {
  if (stream_session_.get() != &of || event_stream_ != stream)
    return;
  if (state_ == state::following)
    return end_following();
  if (log_ != nullptr)
    client_gone(); // the answer goes on without this connection
}

void http_connection::end_following() {
  http::append_last_chunk(stream_->out());
  leave_log();
  state_ = state::answering;
  finish_response();
}

void http_connection::listen(exchange& x) {
  if (!facts_.accepts_events)
    return refuse_message(x, mcp::errc::invalid_request, 406,
                          "subscriptions/listen needs Accept: text/event-stream", {});
  watch_ = std::make_unique<change_watch>(worker_, x);
  keep_alive_ = false;
  begin_events();
  tell(watch_->acknowledgement());
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
  if (const auto due = watch_->acknowledgement(); !due.empty()) {
    tell(due);
    lists_changed(); // what changed since the client asked
  }
}

void http_connection::tell(const std::vector<std::string>& messages) {
  for (const auto& text : messages)
    if (!text.empty())
      write_event(text);
  stream_->flush();
}

void http_connection::log_message(std::string_view notification) {
  if (stream_->queued_bytes() > limits::write_queue_high_bytes)
    return;
  write_event(notification);
  stream_->flush();
}

void http_connection::finish() {
  if (state_ != state::listening)
    return;
  leave_streams();
  write_event(watch_->farewell());
  http::append_last_chunk(stream_->out());
  state_ = state::answering;
  finish_response();
}

// ---- Answers that are streams ------------------------------------------------------------------

void http_connection::begin_early() {
  if (state_ != state::answering || events_begun_ || active_ == nullptr)
    return;
  begin_events();
  stream_->flush();
}

void http_connection::open_answer_stream() {
  if (active_ != nullptr && active_->caller && !active_->opened_session)
    stream_session_ = active_->caller;
  else if (!batch_)
    return; // of a stateless client, or one whose session is not known to it yet
  log_ = &log_of(worker_.shared(), *stream_session_);
  const auto place = log_->open(self());
  event_stream_ = place.stream;
  prime(place.sequence);
}

void http_connection::prime(std::uint64_t sequence) {
  // Older clients take an event without data for a broken message.
  if (stream_session_->revision < mcp::revision::r2025_11_25)
    return;
  std::string event;
  http::append_sse_priming(event, log_->id_of(event_stream_, sequence), limits::client_retry_delay);
  http::append_chunk(stream_->out(), event);
  last_written_ = worker_.now();
}

void http_connection::append_event(std::string_view data, event_weight weight) {
  if (log_ == nullptr)
    return write_event(data);
  const auto told = log_->append(event_stream_, data, weight, worker_.now(), self());
  if (told.reader && *told.reader != self())
    return tell_reader(worker_, *told.reader); // the client takes it there
  write_event(data, told.sequence == 0 ? std::string() : log_->id_of(event_stream_, told.sequence));
}

void http_connection::write_event(std::string_view data, std::string_view id) {
  std::string event;
  http::append_sse_event(event, data, "message", id);
  http::append_chunk(stream_->out(), event);
  last_written_ = worker_.now();
}

} // namespace nexus::engine
