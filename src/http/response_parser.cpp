/// As request_parser.cpp, for the other direction: what passed the checks is decoded by Beast and
/// handed on as it arrives.

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "http/chunk_guard.hpp"
#include "http/head_gatherer.hpp"
#include "http/head_memo.hpp"
#include "http/message.hpp"
#include "http/syntax.hpp"

namespace nexus::http {
namespace {

namespace beast = boost::beast;

constexpr verdict good{};
constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();

verdict bad(const char* why) noexcept {
  return {errc::bad_response, why};
}

/// The codes of a response are fewer: all that is no matter of size is a bad response.
verdict as_response(const verdict& problem) noexcept {
  if (!problem.bad() || problem.code == errc::header_too_large ||
      problem.code == errc::body_too_large)
    return problem;
  return bad(problem.why);
}

std::string_view view_of(beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

enum class body_rule : std::uint8_t { as_framed, none };

/// Beast's parser with our verdict on what it finds. One per response: it cannot be rewound.
class decoder final : public beast::http::basic_parser<false> {
 public:
  using code = beast::error_code;

  decoder(response_head& head, body_rule rule) : head_(head) {
    // The bounds are ours: Beast compares an absent body limit as if it were zero.
    header_limit(std::numeric_limits<std::uint32_t>::max());
    body_limit(unbounded);
    skip(rule == body_rule::none);
  }

  /// Decodes a piece that is complete in itself, all of it. `receiver` gets the body.
  verdict take(std::string_view bytes, response_handler& receiver) {
    receiver_ = &receiver;
    code failed;
    const std::size_t taken = put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
    if (problem_.bad())
      return problem_;
    if ((failed && failed != beast::http::error::need_more) || taken != bytes.size())
      return bad("malformed response");
    return good;
  }

  /// Framing, once the head is complete.
  verdict check_head() {
    if (const verdict problem = framing_.check(head_.version); problem.bad())
      return problem;
    const bool interim = head_.status < 200;
    if (head_.status == 101)
      return bad("switching protocols without being asked");
    // RFC 9112 6.1 and 6.3: these have neither a body nor a reason to announce one. A 204 with
    // `Content-Length: 0` is common and harmless.
    if ((interim || head_.status == 204) &&
        (framing_.chunked || framing_.content_length.value_or(0) > 0))
      return bad("body announced where none may be");
    head_.chunked = framing_.chunked;
    head_.content_length = framing_.content_length;
    head_.keep_alive = framing_.persists(head_.version);
    return good;
  }

 private:
  void on_response_impl(int status, beast::string_view, int version, code& failed) override {
    failed = {};
    head_.status = static_cast<unsigned>(status);
    head_.version = static_cast<unsigned>(version);
  }

  void on_field_impl(beast::http::field name, beast::string_view name_text,
                     beast::string_view value_text, code& failed) override {
    failed = {};
    // What comes after the body is a trailer: checked by chunk_guard, of no use to anybody.
    if (is_header_done())
      return;
    const std::string_view value = view_of(value_text);
    problem_ = judge(name, value);
    if (problem_.bad()) {
      failed = beast::http::error::bad_value;
      return;
    }
    head_.headers.add_held(view_of(name_text), value);
  }

  verdict judge(beast::http::field name, std::string_view value) {
    switch (name) {
    case beast::http::field::content_length:
      return framing_.take_content_length(value);
    case beast::http::field::transfer_encoding:
      return framing_.take_transfer_encoding(value);
    case beast::http::field::connection:
      framing_.take_connection(value);
      return good;
    default:
      return good;
    }
  }

  std::size_t on_body_impl(beast::string_view bytes, code& failed) override {
    failed = {};
    receiver_->on_body(view_of(bytes));
    return bytes.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t /*left*/, beast::string_view bytes,
                                 code& failed) override {
    return on_body_impl(bytes, failed);
  }

  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       code&) override {}
  void on_header_impl(code& failed) override { failed = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, code& failed) override {
    failed = {};
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, code& failed) override {
    failed = {};
  }
  void on_finish_impl(code& failed) override { failed = {}; }

  response_head& head_;
  response_handler* receiver_ = nullptr;
  framing framing_;
  verdict problem_;
};

head_gatherer::rules rules_of(const response_limits& bounds) noexcept {
  return {.start_line = check_status_line,
          .endless_start_line = nullptr,
          .start_line_bytes_max = std::numeric_limits<std::size_t>::max(),
          .target_bytes_max = 0,
          .header_count_max = bounds.header_count_max,
          .header_bytes_max = bounds.header_bytes_max,
          .leading_crlf = false};
}

} // namespace

struct response_parser::impl {
  enum class phase : std::uint8_t {
    head,
    body, ///< of known length
    chunks,
    until_end, ///< of the connection
    finished,
  };

  explicit impl(const response_limits& limits_in)
      : body_bytes_max(limits_in.body_bytes_max), bounds(limits_in), gatherer(rules_of(limits_in)),
        chunks(limits_in.header_count_max, limits_in.header_bytes_max) {}

  /// Makes ready for the next response.
  void reset();
  /// @returns bytes taken; sets `problem` when the response is refused
  std::size_t step(std::string_view bytes, response_handler& receiver);
  std::size_t step_head(std::string_view bytes, response_handler& receiver);
  /// Takes a head that is the last one over again. @returns whether it is
  bool repeat_head(std::string_view bytes, response_handler& receiver);
  std::size_t step_body(std::string_view bytes, response_handler& receiver);
  std::size_t step_chunks(std::string_view bytes, response_handler& receiver);
  std::size_t step_until_end(std::string_view bytes, response_handler& receiver);
  /// A decoded head that passed: skips it when it is interim, or starts its body.
  verdict take_head(response_handler& receiver);
  [[nodiscard]] phase body_phase() const noexcept;

  // What every response needs is together: many connections share a cache.
  phase now = phase::head;
  body_rule rule = body_rule::as_framed;
  bool fresh = false; ///< the head is not a repeated one: `gatherer` and Beast are in use
  bool begun = false; ///< a part of a head has come
  head_memo memo;     ///< of `head`, which stays until another one comes
  std::uint64_t body_bytes_max;
  std::uint64_t body_left = 0; ///< of the length, or of what a body without one may have
  std::size_t interim_count = 0;
  verdict problem;
  response_limits bounds;
  response_head head;
  head_gatherer gatherer;
  chunk_guard chunks;
  std::optional<decoder> beast_parser; ///< of this response, unless its head is a repeated one
};

void response_parser::impl::reset() {
  now = phase::head;
  begun = false;
  if (std::exchange(fresh, false)) {
    gatherer.reset();
    beast_parser.reset();
  }
  body_bytes_max = bounds.body_bytes_max;
  body_left = 0;
  interim_count = 0;
  rule = body_rule::as_framed;
  problem = {};
}

std::size_t response_parser::impl::step(std::string_view bytes, response_handler& receiver) {
  switch (now) {
  case phase::head:
    return step_head(bytes, receiver);
  case phase::body:
    return step_body(bytes, receiver);
  case phase::chunks:
    return step_chunks(bytes, receiver);
  case phase::until_end:
    return step_until_end(bytes, receiver);
  case phase::finished:
    break;
  }
  return 0;
}

bool response_parser::impl::repeat_head(std::string_view bytes, response_handler& receiver) {
  if (!memo.keeps() || interim_count != 0 || rule != body_rule::as_framed || fresh)
    return false;
  const auto body_bytes = memo.take(bytes, head.headers);
  if (!body_bytes)
    return false;
  head.content_length = body_bytes;
  problem = take_head(receiver);
  return true;
}

std::size_t response_parser::impl::step_head(std::string_view bytes, response_handler& receiver) {
  if (repeat_head(bytes, receiver))
    return head.headers.held().size();
  const head_gatherer::step gathered = gatherer.next(bytes);
  problem = gathered.problem;
  fresh = true;
  begun = !gatherer.idle();
  if (problem.bad() || !gathered.complete)
    return gathered.taken;
  memo.forget();
  head.headers.clear();
  beast_parser.emplace(head, rule);
  problem = beast_parser->take(head.headers.hold(gathered.head), receiver);
  if (!problem.bad())
    problem = beast_parser->check_head();
  if (problem.bad())
    return gathered.taken;
  if (head.status >= 200 && head.content_length && rule == body_rule::as_framed)
    memo.keep(head.headers);
  problem = take_head(receiver);
  return gathered.taken;
}

response_parser::impl::phase response_parser::impl::body_phase() const noexcept {
  if (rule == body_rule::none || head.status == 204 || head.status == 304)
    return phase::finished;
  if (head.chunked)
    return phase::chunks;
  if (!head.content_length)
    return phase::until_end;
  return *head.content_length > 0 ? phase::body : phase::finished;
}

verdict response_parser::impl::take_head(response_handler& receiver) {
  if (head.status < 200) {
    if (++interim_count > limits::http_interim_responses_max)
      return bad("too many interim responses");
    gatherer.reset();
    return good;
  }
  now = body_phase();
  if (now == phase::until_end)
    head.keep_alive = false;
  receiver.on_head(head);
  // The receiver may have lifted the limit just now.
  if (now == phase::chunks)
    chunks.begin(body_bytes_max);
  body_left = now == phase::body ? *head.content_length : body_bytes_max;
  if (body_left > body_bytes_max)
    return {errc::body_too_large, "body too large"};
  return good;
}

std::size_t response_parser::impl::step_body(std::string_view bytes, response_handler& receiver) {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), body_left));
  if (fresh)
    problem = beast_parser->take(bytes.substr(0, taken), receiver);
  else
    receiver.on_body(bytes.substr(0, taken));
  body_left -= taken;
  if (body_left == 0)
    now = phase::finished;
  return taken;
}

std::size_t response_parser::impl::step_chunks(std::string_view bytes, response_handler& receiver) {
  const chunk_guard::step piece = chunks.next(bytes);
  problem = piece.problem;
  if (problem.bad() || piece.what == chunk_guard::piece::none)
    return piece.taken;
  problem = beast_parser->take(piece.bytes, receiver);
  if (piece.what == chunk_guard::piece::last)
    now = phase::finished;
  return piece.taken;
}

std::size_t response_parser::impl::step_until_end(std::string_view bytes,
                                                  response_handler& receiver) {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), body_left));
  if (taken > 0)
    problem = beast_parser->take(bytes.substr(0, taken), receiver);
  body_left -= taken;
  if (taken < bytes.size())
    problem = {errc::body_too_large, "body too large"};
  return taken;
}

response_parser::response_parser(response_limits bounds) : impl_(std::make_unique<impl>(bounds)) {}
response_parser::~response_parser() = default;
response_parser::response_parser(response_parser&&) noexcept = default;
response_parser& response_parser::operator=(response_parser&&) noexcept = default;

void response_parser::expect_no_body() {
  impl_->rule = body_rule::none;
}

void response_parser::body_is_unbounded() {
  impl_->body_bytes_max = unbounded;
}

result<std::size_t> response_parser::feed(std::string_view bytes, response_handler& receiver) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !impl_->problem.bad()) {
    taken += impl_->step(bytes.substr(taken), receiver);
    if (impl_->now != impl::phase::finished || impl_->problem.bad())
      continue;
    if (impl_->fresh && !impl_->beast_parser->is_done()) {
      impl_->problem = bad("malformed response");
      break;
    }
    // The receiver may destroy this parser when it hears of the end.
    impl_->reset();
    receiver.on_done();
    return taken;
  }
  if (impl_->problem.bad())
    return fail_with(as_response(impl_->problem));
  return taken;
}

result<> response_parser::finish(response_handler& receiver) {
  if (impl_->problem.bad())
    return fail_with(as_response(impl_->problem));
  if (idle())
    return {};
  if (impl_->now != impl::phase::until_end)
    return fail(errc::unexpected_end, "the server closed the connection within a response");
  impl_->reset();
  receiver.on_done();
  return {};
}

bool response_parser::idle() const noexcept {
  return impl_->now == impl::phase::head && !impl_->begun && impl_->interim_count == 0 &&
         !impl_->problem.bad();
}

const response_head& response_parser::head() const noexcept {
  return impl_->head;
}

void response_parser::reset() {
  impl_->reset();
}

} // namespace nexus::http
