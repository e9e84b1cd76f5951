#include "engine/http_connection.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.hpp"
#include "engine/http_guests.hpp"
#include "engine/session_streams.hpp"
#include "engine/upstream.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/scan.hpp"

namespace nexus::engine {
namespace {

/// Pipelined bytes that are kept while an answer is under way.
constexpr std::size_t pending_bytes_max = 64 * 1024;
constexpr seconds tick_max{5};
/// What a slow reader has to take of its answers within the idle timeout to be waited for.
constexpr std::size_t unread_step_bytes = 64 * 1024;

http::request_limits parser_limits(const config::tunable_limits& limits) {
  http::request_limits bounds;
  bounds.header_count_max = limits.header_count;
  bounds.header_bytes_max = limits.header_bytes;
  bounds.body_bytes_max = limits.body_bytes;
  return bounds;
}

/// Time-outs are checked this often: finely enough for the shortest of them.
nanoseconds tick_of(const config::tunable_limits& limits) {
  const auto shortest = std::min({limits.header_timeout, limits.body_timeout, limits.idle_timeout});
  return std::clamp<nanoseconds>(shortest / 4, milliseconds(20), tick_max);
}

} // namespace

http_connection::http_connection(worker& owner, std::uint64_t id, net::stream_ptr stream,
                                 own_port_ptr own)
    : worker_(owner), id_(id), own_(std::move(own)), stream_(std::move(stream)),
      parser_(parser_limits(owner.shared().limits)), since_(owner.now()),
      last_written_(owner.now()) {
  stream_->set_handler(*this);
  tick_.set_action([this] { on_tick(); });
  early_.set_action([this] { begin_early(); });
  worker_.reactor().arm(tick_, tick_of(worker_.shared().limits));
  if (own_)
    own_->connections.fetch_add(1, std::memory_order_relaxed);
}

http_connection::~http_connection() {
  if (own_)
    own_->connections.fetch_sub(1, std::memory_order_relaxed);
  if (state_ == state::listening)
    worker_.remove_stream(*this);
}

void http_connection::on_data(std::string_view bytes) {
  worker_.metrics().bytes_in.add(bytes.size());
  if (state_ == state::reading && pending_.empty())
    return consume(bytes);
  if (state_ == state::hosting)
    return guest_->on_bytes(bytes);
  if (state_ == state::listening || state_ == state::following)
    return; // nothing is expected there
  pending_ += bytes;
  if (pending_.size() > pending_bytes_max)
    stream_->pause_reading();
}

void http_connection::consume(std::string_view bytes) {
  consuming_ = true;
  // A request that has begun is read to its end, lest its time run out.
  while (state_ == state::reading && !bytes.empty() && !(parser_.idle() && is_backed_up())) {
    if (parser_.idle())
      since_ = worker_.now();
    const bool had_head = parser_.head_done();
    const auto taken = parser_.feed(bytes);
    if (!taken) {
      const auto& failure = taken.error();
      const auto status = http::status_of(failure);
      worker_.metrics().refusals.add(status == 413 || status == 414 || status == 431
                                         ? metrics::refusal::http_limit
                                         : metrics::refusal::http_syntax);
      keep_alive_ = false;
      facts_ = {}; // of the request before
      respond(status, "text/plain; charset=utf-8", failure.message + "\n");
      break;
    }
    bytes.remove_prefix(*taken);
    if (!had_head && parser_.head_done())
      since_ = worker_.now();
    if (parser_.take_expect_continue()) {
      stream_->out() += "HTTP/1.1 100 Continue\r\n\r\n";
      stream_->flush();
    }
    if (parser_.done())
      serve_request();
  }
  consuming_ = false;
  if (state_ == state::hosting && !bytes.empty())
    guest_->on_bytes(bytes);
  const bool goes_on = state_ == state::answering || state_ == state::reading;
  if (!goes_on || bytes.empty())
    return;
  pending_.insert(0, bytes);
  if (state_ == state::reading)
    stream_->pause_reading(); // until what is queued has drained
}

bool http_connection::is_backed_up() const noexcept {
  return stream_->queued_bytes() > limits::write_queue_high_bytes;
}

void http_connection::consume_pending() {
  if (state_ != state::reading || consuming_ || pending_.empty() || is_backed_up())
    return;
  const auto bytes = std::move(pending_);
  pending_.clear();
  stream_->resume_reading();
  consume(bytes);
}

void http_connection::on_end() {
  if (state_ == state::reading)
    return close_after_flush();
  client_gone();
}

void http_connection::on_error(const error& reason) {
  if (reason.code == net::errc::write_queue_full || reason.code == net::errc::timed_out) {
    worker_.metrics().refusals.add(metrics::refusal::slow_reader);
    log::info("client", "slow_reader_cut_off", {{"connection", id_}, {"reason", reason.message}});
  }
  client_gone();
}

void http_connection::on_drained() {
  if (guest_)
    return guest_->on_drained();
  follow();
  consume_pending();
}

void http_connection::client_gone() {
  if (guest_) {
    guest_->leave();
    worker_.bury(std::move(guest_));
  }
  leave_answer();
  close();
}

void http_connection::leave_answer() {
  if (active_ != nullptr) {
    auto& x = *active_;
    active_ = nullptr;
    x.client = nullptr;
    // Closing the response is how a modern client cancels; to a legacy one it means nothing.
    if (x.via == nullptr && !x.group) {
      worker_.release(x); // its session is still being looked up
      if (log_ != nullptr)
        log_->finish(event_stream_);
    } else if (x.era == mcp::era::modern) {
      worker_.give_up_call(x);
    } else if (log_ != nullptr) {
      x.client = &worker_.absent_sessions().absent_client();
      x.answer_stream = event_stream_;
    }
  }
  if (batch_ && log_ != nullptr)
    worker_.absent_sessions().adopt(std::move(batch_), stream_session_, event_stream_);
  else if (batch_)
    batch_->leave();
  leave_log();
}

void http_connection::leave_log() {
  if (log_ != nullptr)
    log_->detach(event_stream_, self(), worker_.now());
  if (state_ == state::following)
    worker_.metrics().sse_streams.down();
  log_ = nullptr;
  stream_session_.reset();
}

void http_connection::leave_streams() {
  worker_.remove_stream(*this);
  watch_->end();
}

void http_connection::close_after_flush() {
  state_ = state::closed;
  tick_.cancel();
  early_.cancel();
  net::close_after_flush(std::move(stream_));
  worker_.drop_connection(*this);
}

void http_connection::close() {
  if (state_ == state::listening)
    leave_streams();
  state_ = state::closed;
  stream_.reset();
  tick_.cancel();
  early_.cancel();
  worker_.drop_connection(*this);
}

void http_connection::on_tick() {
  const auto& limits = worker_.shared().limits;
  const auto waited = worker_.now() - since_;
  worker_.reactor().arm(tick_, tick_of(limits));
  if (state_ == state::reading) {
    if (parser_.idle()) {
      if (is_being_read())
        since_ = worker_.now();
      else if (waited >= limits.idle_timeout)
        return close();
    } else if (waited >= (parser_.head_done() ? limits.body_timeout : limits.header_timeout)) {
      worker_.metrics().refusals.add(metrics::refusal::http_timeout);
      keep_alive_ = false;
      facts_ = {};
      return respond(408, "text/plain; charset=utf-8", "the request did not arrive in time\n");
    }
    return;
  }
  const bool silent = worker_.now() - last_written_ >= limits::sse_keepalive_interval;
  if (!silent)
    return;
  if (state_ == state::hosting)
    return guest_->keep_alive();
  if (state_ == state::answering && !events_begun_) {
    const bool calls = active_ != nullptr || batch_;
    if (!facts_.accepts_events || !calls || waited < limits::sse_keepalive_interval)
      return;
    begin_events();
  }
  append_comment({});
}

bool http_connection::is_being_read() noexcept {
  if (unread_ == 0 && stream_->queued_bytes() == 0)
    return false;
  const auto left = stream_->unread_bytes();
  const bool goes_on =
      left > unread_ || left + unread_step_bytes <= unread_ || (left == 0 && unread_ > 0);
  if (goes_on)
    unread_ = left;
  return goes_on;
}

void http_connection::drain() {
  stop_when_done_ = true;
  if (state_ != state::reading || !parser_.idle())
    return;
  if (stream_->queued_bytes() > 0)
    close_after_flush(); // its last answer is still being read
  else
    close();
}

// ---- Answers
// -------------------------------------------------------------------------------------

void http_connection::count_status(unsigned status) {
  worker_.metrics().http_responses.add(metrics::class_of_status(status));
}

void http_connection::begin_head(unsigned status) {
  if (stop_when_done_ || worker_.shared().draining.load(std::memory_order_relaxed))
    keep_alive_ = false;
  count_status(status);
  auto& out = stream_->out();
  http::append_status_line(out, status);
  if (!keep_alive_)
    out += "Connection: close\r\n";
  if (facts_.origin) { // browsers want to hear that it has been admitted
    http::append_field(out, "Access-Control-Allow-Origin", *facts_.origin);
    out += "Access-Control-Expose-Headers: Mcp-Session-Id, WWW-Authenticate\r\nVary: Origin\r\n";
  }
}

void http_connection::respond(unsigned status, std::string_view content_type, std::string_view body,
                              std::string_view extra_fields) {
  if (!stream_)
    return;
  begin_head(status);
  auto& out = stream_->out();
  if (!body.empty())
    http::append_field(out, "Content-Type", content_type);
  if (status != 204 && status != 304)
    http::append_field(out, "Content-Length", std::uint64_t{body.size()});
  out += extra_fields;
  out += "\r\n";
  if (parser_.message().verb != http::method::head)
    out += body;
  finish_response();
}

void http_connection::send_answer(exchange& x, const gateway::pieces& message,
                                  unsigned http_status) {
  active_ = &x; // a new session's id stands in the head
  finish_message(message, http_status);
}

void http_connection::finish_message(const gateway::pieces& message, unsigned http_status) {
  if (!events_begun_ && !facts_.accepts_json)
    begin_events();
  if (events_begun_) {
    append_event(message.to_string(), event_weight::last);
    http::append_last_chunk(stream_->out());
    return finish_response();
  }
  begin_head(http_status);
  auto& out = stream_->out();
  out += "Content-Type: application/json\r\n";
  if (http_status == 503 || http_status == 429)
    out += "Retry-After: 1\r\n"; // a bound was reached, and calls end
  if (active_ != nullptr && active_->opened_session)
    http::append_field(out, "Mcp-Session-Id", active_->caller->id);
  http::append_field(out, "Content-Length", std::uint64_t{message.bytes()});
  out += "\r\n";
  message.append_to(out);
  finish_response();
}

void http_connection::send_cancelled(exchange& x) {
  const auto body = gateway::error_response(x.id(), mcp::json_rpc_code(mcp::errc::internal_error),
                                            "the request was cancelled");
  gateway::pieces text;
  text.add(body);
  send_answer(x, text, 200);
}

void http_connection::send_notification(exchange&, const gateway::pieces& message) {
  send_message(message, event_weight::dispensable);
}

bool http_connection::ask(exchange&, std::string_view request) {
  if (!events_begun_) {
    if (!facts_.accepts_events || parser_.message().version != 11)
      return false;
    begin_events();
  }
  append_event(request, event_weight::needed);
  stream_->flush();
  return true;
}

void http_connection::batch_notification(const gateway::pieces& message) {
  send_message(message, event_weight::needed); // it may be a question
}

void http_connection::batch_done(batch&, const std::string& answers) {
  worker_.bury(std::move(batch_));
  if (answers.empty() && !events_begun_)
    return respond(202, {}, {});
  if (answers.empty()) {
    if (log_ != nullptr)
      log_->finish(event_stream_);
    http::append_last_chunk(stream_->out());
    return finish_response();
  }
  gateway::pieces text;
  text.add(answers);
  finish_message(text, 200);
}

void http_connection::send_message(const gateway::pieces& message, event_weight weight) {
  if (!events_begun_) {
    if (!facts_.accepts_events || parser_.message().version != 11)
      return; // a client of plain JSON
    begin_events();
  }
  // Progress and log messages are dropped before the answer is when a reader is slow.
  if (is_backed_up())
    return;
  append_event(message.to_string(), weight);
  stream_->flush();
}

void http_connection::begin_events() {
  begin_head(200);
  auto& out = stream_->out();
  out += "Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
         "Transfer-Encoding: chunked\r\n";
  if (active_ != nullptr && active_->opened_session)
    http::append_field(out, "Mcp-Session-Id", active_->caller->id);
  out += "\r\n";
  events_begun_ = true;
  open_answer_stream();
}

void http_connection::finish_response() {
  worker_.metrics().bytes_out.add(stream_->out().size());
  stream_->flush();
  events_begun_ = false;
  active_ = nullptr;
  early_.cancel();
  leave_log();
  if (!keep_alive_)
    return close_after_flush();
  state_ = state::reading;
  since_ = last_written_ = worker_.now();
  parser_.reset();
  consume_pending();
}

} // namespace nexus::engine
