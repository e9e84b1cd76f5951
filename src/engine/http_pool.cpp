#include "engine/http_pool.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "http/body.hpp"
#include "json/scan.hpp"

namespace nexus::engine {
namespace {

/// Servers close idle connections after 60 s or more unless they say otherwise (Keep-Alive:
/// timeout=...); we leave before they do.
constexpr seconds idle_max_default{55};
static_assert(net::readable_beyond_bytes >= json::padding_bytes);
/// What is kept of a body that is neither JSON nor events, for the error text.
constexpr std::size_t other_body_bytes_max = 4 * 1024;

/// A server may take this long to end an event stream whose answer has been given.
constexpr seconds detached_max{5};
/// And this long to acknowledge what wants no answer.
constexpr seconds acknowledged_max{30};

class drop_response final : public http_call_handler {
  void on_message(http_call&, std::string_view) override {}
  void on_end(http_call&, const http::response_head&, std::string_view) override {}
  void on_failure(http_call&, const error&, bool) override {}
};

http_call_handler& nobody() {
  static drop_response handler; // has no state
  return handler;
}

void append_request(std::string& out, std::string_view request, std::string_view body) {
  out.reserve(out.size() + request.size() + body.size());
  out += request;
  out += body;
}

bool fits_header(std::string_view event_id) {
  return event_id.size() <= limits::event_id_bytes_max &&
         std::all_of(event_id.begin(), event_id.end(), [](char c) { return c > ' ' && c < 127; });
}

/// The seconds of `Keep-Alive: timeout=N`, less one, so that we close first.
std::optional<seconds> keep_alive_hint(const http::response_head& head) {
  const auto value = head.headers.find("keep-alive");
  if (!value)
    return std::nullopt;
  const auto at = value->find("timeout=");
  if (at == std::string_view::npos)
    return std::nullopt;
  const auto digits = value->substr(at + 8);
  unsigned count = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (failed != std::errc{} || end == digits.data())
    return std::nullopt;
  return seconds(count > 1 ? count - 1 : 0);
}

} // namespace

/// A connection and, while it is lent, the request that it carries.
class http_call final : public net::stream_handler,
                        public http::response_handler,
                        public http::sse_handler {
 public:
  http_call(http_pool& pool)
      : pool_(pool),
        parser_(http::response_limits{.body_bytes_max = pool.options_.response_bytes_max}),
        events_(pool.options_.response_bytes_max) {
    idle_timer_.set_action([this] { pool_.discard(*this); });
  }

  void begin(std::string_view request, http_call_handler& handler, std::string_view body) {
    handler_ = &handler;
    responded_ = false;
    kind_ = body_kind::other;
    body_.clear();
    position_.last_id.clear();
    position_.retry.reset();
    idle_timer_.cancel();
    if (stream_) {
      append_request(stream_->out(), request, body);
      stream_->flush();
      return;
    }
    append_request(pending_, request, body);
    connecting_ = pool_.reactor_.connect(
        {pool_.options_.address, pool_.options_.connect_timeout, pool_.options_.tls},
        [this](result<net::stream_ptr> connected) { on_connected(std::move(connected)); });
  }

  void on_data(std::string_view bytes) override {
    if (handler_ == nullptr)
      return pool_.discard(*this); // a server speaks out of turn
    responded_ = true;
    while (!bytes.empty()) {
      const auto taken = parser_.feed(bytes, *this);
      if (stream_ == nullptr)
        return; // cancelled within a callback
      if (!taken)
        return fail(taken.error());
      bytes.remove_prefix(*taken);
      if (event_failure_)
        return fail(*event_failure_);
      if (done_)
        return finish(!bytes.empty());
    }
  }

  void on_end() override {
    if (handler_ == nullptr)
      return pool_.discard(*this);
    if (responded_) {
      const auto finished = parser_.finish(*this);
      if (stream_ == nullptr)
        return;
      if (finished && done_)
        return finish(true);
    }
    fail(error{net::errc::reset,
               responded_ ? "the server closed the connection within its answer"
                          : "the server closed the connection without an answer",
               {}});
  }

  void on_error(const error& reason) override {
    if (handler_ == nullptr)
      return pool_.discard(*this);
    fail(reason);
  }

  void on_head(const http::response_head& head) override {
    const auto type = head.headers.find("content-type").value_or("");
    if (http::media_type_is(type, "text/event-stream")) {
      kind_ = body_kind::events;
      events_.reset();
      parser_.body_is_unbounded();
    } else if (http::media_type_is(type, "application/json")) {
      kind_ = body_kind::json;
    } else {
      kind_ = body_kind::other;
    }
  }

  void on_body(std::string_view bytes) override {
    if (handler_ == nullptr)
      return;
    if (kind_ == body_kind::events) {
      if (auto fed = events_.feed(bytes, *this); !fed)
        event_failure_ = fed.error();
    } else if (kind_ == body_kind::json) {
      const std::uint64_t arrived = body_.size() + bytes.size();
      if (body_.empty() && head().content_length == arrived) {
        whole_ = bytes; // finish() follows before they go
        return;
      }
      http::append_spared(body_, bytes,
                          std::max(head().content_length.value_or(0), arrived) - arrived);
    } else {
      body_ += bytes.substr(0, other_body_bytes_max - std::min(body_.size(), other_body_bytes_max));
    }
  }

  void on_done() override { done_ = true; }

  void on_event(const http::sse_event& event) override {
    if (event.id)
      position_.last_id = fits_header(*event.id) ? *event.id : std::string_view();
    if (event.retry_ms)
      position_.retry = milliseconds(*event.retry_ms);
    if (handler_ != nullptr && !event.data.empty() && event.type == "message")
      handler_->on_message(*this, event.data);
    else if (handler_ != nullptr && event.type == "endpoint")
      handler_->on_message(*this, event.data);
  }

  [[nodiscard]] const http::response_head& head() const noexcept { return parser_.head(); }

  /// Lets go of the socket and of the handler; the object dies later.
  void shut() noexcept {
    handler_ = nullptr;
    connecting_.reset();
    stream_.reset();
    idle_timer_.cancel();
  }

 private:
  friend class http_pool;
  enum class body_kind : std::uint8_t { json, events, other };

  void on_connected(result<net::stream_ptr> connected) {
    connecting_.reset();
    if (!connected)
      return fail(connected.error());
    stream_ = std::move(*connected);
    stream_->set_handler(*this);
    stream_->out() += pending_;
    pending_.clear();
    stream_->flush();
  }

  void finish(bool must_close) {
    done_ = false;
    const bool keep = head().keep_alive && !must_close;
    const auto text = whole_.empty() ? std::string_view(body_) : std::exchange(whole_, {});
    if (kind_ == body_kind::json && !text.empty()) {
      handler_->on_message(*this, text);
      if (handler_ == nullptr)
        return; // cancelled by its owner
    }
    auto* const handler = handler_;
    handler_ = nullptr;
    served_ = true;
    handler->on_end(*this, head(), kind_ == body_kind::other ? std::string_view(body_) : "");
    if (stream_ == nullptr)
      return;
    if (keep)
      pool_.give_back(*this);
    else
      pool_.discard(*this);
  }

  void fail(error reason) {
    auto* const handler = handler_;
    const bool untouched = served_ && !responded_;
    handler_ = nullptr;
    if (handler != nullptr)
      handler->on_failure(*this, reason, untouched);
    pool_.discard(*this);
  }

  // What every request needs is together: many connections share a cache.
  http_pool& pool_;
  http::response_parser parser_;
  http_call_handler* handler_ = nullptr;
  net::stream_ptr stream_;
  body_kind kind_ = body_kind::other;
  bool responded_ = false; ///< a byte of the answer has come
  bool served_ = false;    ///< has carried a request before
  bool done_ = false;
  std::string_view whole_; ///< a body that came in one piece, where it arrived
  std::string body_;       ///< one that came in several
  net::lazy_timer idle_timer_;
  event_position position_;
  std::unique_ptr<net::pending_connect> connecting_;
  std::string pending_; ///< the request while the connection is being made
  http::sse_parser events_;
  std::optional<error> event_failure_;
};

http_pool::http_pool(net::reactor& on, http_pool_options options)
    : reactor_(on), options_(std::move(options)) {
  bury_.set_action([this] { ended_.clear(); });
}

http_pool::~http_pool() {
  for (const auto& connection : connections_)
    connection->shut();
}

http_call& http_pool::start(std::string_view request, http_call_handler& handler,
                            std::string_view body) {
  if (idle_.empty()) {
    connections_.push_back(std::make_unique<http_call>(*this));
    auto& fresh = *connections_.back();
    fresh.begin(request, handler, body);
    return fresh;
  }
  auto& reused = *idle_.back();
  idle_.pop_back();
  reused.begin(request, handler, body);
  return reused;
}

void http_pool::send(std::string_view request) {
  auto& call = start(request, nobody());
  reactor_.arm(call.idle_timer_, acknowledged_max);
}

void http_pool::cancel(http_call& call) {
  discard(call);
}

void http_pool::detach(http_call& call) {
  call.handler_ = &nobody();
  if (call.kind_ == http_call::body_kind::events)
    reactor_.arm(call.idle_timer_, detached_max);
}

const http::response_head& http_pool::head_of(const http_call& call) {
  return call.head();
}

const event_position& http_pool::position_of(const http_call& call) {
  return call.position_;
}

void http_pool::give_back(http_call& connection) {
  NEXUS_DASSERT(connection.parser_.idle());
  // One huge answer must not keep its memory for the life of the connection.
  http::recycle(connection.body_);
  const auto idle_max = keep_alive_hint(connection.head()).value_or(idle_max_default);
  if (idle_max.count() == 0)
    return discard(connection);
  idle_.push_back(&connection);
  reactor_.arm(connection.idle_timer_, idle_max);
}

void http_pool::discard(http_call& connection) {
  connection.shut();
  std::erase(idle_, &connection);
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const auto& c) { return c.get() == &connection; });
  if (found == connections_.end())
    return;
  ended_.push_back(std::move(*found));
  std::swap(*found, connections_.back());
  connections_.pop_back();
  if (!bury_.armed())
    reactor_.arm(bury_, nanoseconds(0));
}

} // namespace nexus::engine
