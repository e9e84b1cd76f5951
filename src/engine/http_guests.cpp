/// The dialects that keep an HTTP connection: 2024-11-05 event streams, and WebSocket.

#include "engine/http_guests.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"
#include "engine/http_connection.hpp"
#include "http/sse.hpp"

namespace nexus::engine {
namespace {

constexpr std::string_view text_plain = "text/plain; charset=utf-8";
/// Bytes that are read before the answers to them are weighed: a request of sixty bytes may be
/// answered with a long list.
constexpr std::size_t piece_bytes = 4 * 1024;

} // namespace

bool http_guest::slow() const {
  return host_.stream_->queued_bytes() > limits::write_queue_high_bytes;
}

void http_guest::finish() {
  if (is_idle())
    return hang_up();
  take_no_more();
}

void http_guest::on_idle() {
  if (takes_more())
    return;
  // Later: whoever gave the last answer still has its exchange, which the end would take away.
  on().shared().post(on().id(), [connection = host_.id()](worker& here) {
    auto* const host = here.find_connection(connection);
    if (host != nullptr && host->guest_ && host->guest_->is_idle())
      host->guest_->hang_up();
  });
}

// ---- 2024-11-05 ---------------------------------------------------------------------------------

sse_client::sse_client(http_connection& host, worker& on, view_scope shown)
    : http_guest(host, on, shown), id_(make_session_id(on.id())) {
  on.add_guest(id_, *this);
}

sse_client::~sse_client() {
  on().remove_guest(id_);
}

void sse_client::write(std::string_view text) {
  if (!host_.stream_)
    return;
  host_.write_event(text);
  host_.stream_->flush();
}

void sse_client::keep_alive() {
  host_.append_comment({});
}

void sse_client::hang_up() {
  http::append_last_chunk(host_.stream_->out());
  host_.stream_->flush();
  host_.part_from_guest();
}

void http_connection::serve_event_stream(view_scope scope) {
  if (!http::accepts(parser_.message().headers.find("accept"), "text/event-stream"))
    return respond(406, text_plain, "Accept must admit text/event-stream\n");
  if (worker_.shared().draining.load(std::memory_order_relaxed))
    return respond(503, text_plain, "the gateway is stopping\n", "Retry-After: 1\r\n");
  keep_alive_ = false; // nothing follows on this connection
  begin_events();
  auto guest = std::make_unique<sse_client>(*this, worker_, scope);
  std::string event;
  http::append_sse_event(event, "/message?sessionId=" + guest->id(), "endpoint");
  http::append_chunk(stream_->out(), event);
  stream_->flush();
  last_written_ = worker_.now();
  state_ = state::hosting;
  guest_ = std::move(guest);
}

void http_connection::serve_guest_message(view_scope scope) {
  auto& request = parser_.message();
  if (request.verb != http::method::post)
    return respond(405, text_plain, "POST messages here\n", "Allow: POST\r\n");
  const auto type = request.headers.find("content-type");
  if (!type || !http::media_type_is(*type, "application/json"))
    return respond(415, text_plain, "Content-Type must be application/json\n");
  constexpr std::string_view name = "sessionId=";
  worker_id home;
  const auto id = request.query.substr(request.query.starts_with(name) ? name.size() : 0);
  if (!parse_session_home(id, home) || home.value >= worker_.shared().worker_count())
    return respond(404, text_plain, "unknown session; open an event stream at /sse\n");
  worker_.shared().post(home, [back = worker_.id(), connection = id_, wanted = std::string(id),
                               only = own_ ? std::optional(scope) : std::nullopt,
                               text = std::move(request.body)](worker& there) mutable {
    auto* guest = there.find_guest(wanted);
    if (guest != nullptr && only && guest->scope() != *only)
      guest = nullptr; // of another address, which this port is not
    if (guest != nullptr)
      guest->serve(text);
    there.shared().post(back, [connection, known = guest != nullptr](worker& here) {
      auto* const asked = here.find_connection(connection);
      if (asked == nullptr || asked->state_ != state::answering)
        return;
      asked->respond(known ? 202 : 404, text_plain, known ? "Accepted\n" : "unknown session\n");
    });
  });
}

// ---- WebSocket ----------------------------------------------------------------------------------

websocket_client::websocket_client(http_connection& host, worker& on, view_scope shown)
    : http_guest(host, on, shown),
      codec_({on.shared().limits.body_bytes, limits::websocket_fragments_max,
              limits::websocket_control_frames_per_second}) {}

void websocket_client::on_bytes(std::string_view bytes) {
  if (unread_.empty())
    bytes.remove_prefix(take(bytes));
  unread_ += bytes;
  // Who asks and does not read is not read from either, until the answers have left.
  if (host_.stream_ && slow())
    host_.stream_->pause_reading();
}

void websocket_client::on_drained() {
  const auto waiting = std::exchange(unread_, {});
  on_bytes(waiting);
  if (host_.stream_ && !slow())
    host_.stream_->resume_reading();
}

std::size_t websocket_client::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && host_.stream_ && !slow()) {
    const auto piece = bytes.substr(taken, piece_bytes);
    taken += piece.size();
    feeding_ = true;
    const auto fed = codec_.feed(piece, on().now(), *this);
    feeding_ = false;
    if (!fed) {
      on().metrics().refusals.add(metrics::refusal::envelope);
      log::info("client", "websocket_refused", {{"reason", fed.error().message}});
      taken = bytes.size();
    }
    flush();
    if (codec_.now_phase() == websocket::phase::closed)
      return bytes.size();
  }
  return taken;
}

void websocket_client::on_text(std::string& message) {
  serve(message);
}

void websocket_client::on_close(std::uint16_t, std::string_view) {}

void websocket_client::write(std::string_view text) {
  codec_.send_text(text);
  if (!feeding_)
    flush();
}

void websocket_client::keep_alive() {
  codec_.send_ping();
  flush();
}

void websocket_client::hang_up() {
  codec_.close(websocket::close_code::going_away, "this address ends");
  flush();
  host_.part_from_guest();
}

void websocket_client::flush() {
  if (!host_.stream_)
    return;
  auto& queued = codec_.output();
  if (!queued.empty()) {
    host_.stream_->out() += queued;
    queued.clear();
    host_.stream_->flush();
    host_.last_written_ = on().now();
  }
  if (codec_.now_phase() == websocket::phase::closed)
    host_.part_from_guest();
}

void http_connection::serve_websocket(view_scope scope) {
  auto& request = parser_.message();
  const auto agreed = websocket::check_upgrade(request);
  if (!agreed) {
    std::string fields;
    keep_alive_ = false; // what follows may be frames
    if (websocket::refusal_status(agreed.error()) == 426)
      websocket::append_version_fields(fields);
    return respond(websocket::refusal_status(agreed.error()), text_plain,
                   agreed.error().message + "\n", fields);
  }
  if (worker_.shared().draining.load(std::memory_order_relaxed))
    return respond(503, text_plain, "the gateway is stopping\n", "Retry-After: 1\r\n");
  count_status(101);
  websocket::append_upgrade_answer(stream_->out(), *agreed);
  stream_->flush();
  last_written_ = worker_.now();
  state_ = state::hosting;
  guest_ = std::make_unique<websocket_client>(*this, worker_, scope);
}

// ---- The host -----------------------------------------------------------------------------------

void http_connection::part_from_guest() {
  if (!guest_)
    return;
  auto guest = std::move(guest_);
  guest->leave();
  worker_.bury(std::move(guest)); // it may be what calls
  close_after_flush();
}

void http_connection::append_comment(std::string_view text) {
  std::string comment;
  http::append_sse_comment(comment, text);
  http::append_chunk(stream_->out(), comment);
  stream_->flush();
  last_written_ = worker_.now();
}

} // namespace nexus::engine
