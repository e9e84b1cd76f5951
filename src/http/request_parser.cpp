/// A request in three steps: head_gatherer collects and checks the head line by line, chunk_guard
/// does the same for chunk framing, and Beast's parser decodes what passed. Two parsers of
/// different make have to agree on every request; where they do not, it is refused.

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "http/body.hpp"
#include "http/chunk_guard.hpp"
#include "http/head_gatherer.hpp"
#include "http/head_memo.hpp"
#include "http/message.hpp"
#include "http/syntax.hpp"

namespace nexus::http {
namespace {

namespace beast = boost::beast;

constexpr verdict good{};

verdict bad(const char* why) noexcept {
  return {errc::bad_request, why};
}

std::string_view view_of(beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// Fields of one value that access or routing depends on: of two, another reader may take the
/// other one. Host, Content-Length and Transfer-Encoding have rules of their own.
/// RFC 9110 section 5.3; the names without a number in Beast are those of MCP's transport.
constexpr std::array<std::string_view, 8> single_fields = {
    "content-type",         "origin",     "authorization", "mcp-session-id",
    "mcp-protocol-version", "mcp-method", "mcp-name",      "last-event-id",
};

method method_of(beast::http::verb verb) noexcept {
  switch (verb) {
  case beast::http::verb::get:
    return method::get;
  case beast::http::verb::head:
    return method::head;
  case beast::http::verb::post:
    return method::post;
  case beast::http::verb::put:
    return method::put;
  case beast::http::verb::patch:
    return method::patch;
  case beast::http::verb::delete_:
    return method::del;
  case beast::http::verb::options:
    return method::options;
  default:
    return method::other;
  }
}

/// Beast's parser with our verdict on what it finds. One per request: it cannot be rewound.
class decoder final : public beast::http::basic_parser<true> {
 public:
  using code = beast::error_code;

  explicit decoder(request& message) : message_(message) {
    // The bounds are ours: Beast compares an absent body limit as if it were zero.
    header_limit(std::numeric_limits<std::uint32_t>::max());
    body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  /// Decodes a piece that is complete in itself, all of it.
  verdict take(std::string_view bytes) {
    code failed;
    const std::size_t taken = put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
    if (problem_.bad())
      return problem_;
    if ((failed && failed != beast::http::error::need_more) || taken != bytes.size())
      return bad("malformed request");
    return good;
  }

  /// Host, framing and target, once the head is complete.
  verdict check_head() {
    if (const verdict problem = framing_.check(message_.version); problem.bad())
      return problem;
    if (hosts_ != 1 && message_.version >= 11)
      return bad("exactly one Host field is required");
    const auto parts = split_target(message_.target);
    if (!parts)
      return bad("malformed request target");
    if (message_.target == "*" && message_.verb != method::options)
      return bad("the target '*' is for OPTIONS only");
    if (!parts->authority.empty() && hosts_ == 1 &&
        !iequals(parts->authority, *message_.headers.find("host")))
      return bad("the target names another host than the Host field");
    message_.path = parts->path;
    message_.query = parts->query;
    message_.keep_alive = framing_.persists(message_.version);
    return good;
  }

  [[nodiscard]] const framing& frame() const noexcept { return framing_; }
  /// RFC 9110 10.1.1: an HTTP/1.0 client cannot mean it.
  [[nodiscard]] bool expects_continue() const noexcept {
    return expects_continue_ && message_.version >= 11;
  }

 private:
  void refuse(const verdict& problem, code& failed) {
    problem_ = problem;
    failed = beast::http::error::bad_value;
  }

  void on_request_impl(beast::http::verb verb, beast::string_view verb_text,
                       beast::string_view target, int version, code& failed) override {
    failed = {};
    message_.verb = method_of(verb);
    message_.verb_text = view_of(verb_text);
    message_.target = view_of(target);
    message_.version = static_cast<unsigned>(version);
  }

  void on_field_impl(beast::http::field name, beast::string_view name_text,
                     beast::string_view value_text, code& failed) override {
    failed = {};
    // What comes after the body is a trailer: checked by chunk_guard, of no use to anybody.
    if (is_header_done())
      return;
    const std::string_view value = view_of(value_text);
    if (const verdict problem = judge(name, value); problem.bad())
      return refuse(problem, failed);
    if (is_repeated(view_of(name_text)))
      return refuse(bad("a field of one value stands twice"), failed);
    message_.headers.add_held(view_of(name_text), value);
  }

  /// Whether the field is the second one of a name in `single_fields`; notes the first.
  bool is_repeated(std::string_view name) {
    for (std::size_t i = 0; i < single_fields.size(); ++i) {
      if (name.size() != single_fields[i].size() || !iequals(name, single_fields[i]))
        continue;
      const unsigned bit = 1U << i;
      const bool repeated = (singles_seen_ & bit) != 0;
      singles_seen_ |= bit;
      return repeated;
    }
    return false;
  }

  verdict judge(beast::http::field name, std::string_view value) {
    switch (name) {
    case beast::http::field::host:
      if (++hosts_ > 1)
        return bad("several Host fields");
      return is_host(value) ? good : bad("malformed Host");
    case beast::http::field::content_length:
      return framing_.take_content_length(value);
    case beast::http::field::transfer_encoding:
      return framing_.take_transfer_encoding(value);
    case beast::http::field::connection:
      framing_.take_connection(value);
      return good;
    case beast::http::field::expect:
      expects_continue_ = iequals(value, "100-continue");
      if (expects_continue_)
        return good;
      return {errc::expectation_failed, "only the expectation '100-continue' is supported"};
    default:
      return good;
    }
  }

  std::size_t on_body_impl(beast::string_view bytes, code& failed) override {
    failed = {};
    append_spared(message_.body, view_of(bytes), content_length_remaining().value_or(0));
    return bytes.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t /*left*/, beast::string_view bytes,
                                 code& failed) override {
    return on_body_impl(bytes, failed);
  }

  void on_response_impl(int, beast::string_view, int, code&) override {}
  void on_header_impl(code& failed) override { failed = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, code& failed) override {
    failed = {};
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, code& failed) override {
    failed = {};
  }
  void on_finish_impl(code& failed) override { failed = {}; }

  request& message_;
  framing framing_;
  unsigned hosts_ = 0;
  unsigned singles_seen_ = 0; ///< bits of `single_fields`
  bool expects_continue_ = false;
  verdict problem_;
};

head_gatherer::rules rules_of(const request_limits& bounds) noexcept {
  // METHOD SP target SP HTTP/1.1 CRLF
  const std::size_t start_line_bytes_max =
      limits::http_method_bytes_max + 1 + bounds.target_bytes_max + 1 + 8 + 2;
  return {.start_line = check_request_line,
          .endless_start_line = check_endless_request_line,
          .start_line_bytes_max = start_line_bytes_max,
          .target_bytes_max = bounds.target_bytes_max,
          .header_count_max = bounds.header_count_max,
          .header_bytes_max = bounds.header_bytes_max,
          .leading_crlf = true};
}

} // namespace

struct request_parser::impl {
  enum class phase : std::uint8_t { head, body, chunks, done, failed };

  explicit impl(const request_limits& limits_in)
      : bounds(limits_in), head(rules_of(limits_in)),
        chunks(limits_in.header_count_max, limits_in.header_bytes_max) {
    reset();
  }

  void reset();
  /// @returns bytes taken; sets `problem` when the request is refused
  std::size_t step(std::string_view bytes);
  std::size_t step_head(std::string_view bytes);
  /// Takes a head that is the last one over again. @returns whether it is
  bool repeat_head(std::string_view bytes);
  /// Forgets what `message` says of the last head.
  void clear_head();
  std::size_t step_body(std::string_view bytes);
  std::size_t step_chunks(std::string_view bytes);
  verdict begin_body();
  verdict begin_counted_body(std::uint64_t body_bytes);
  void finish();

  // What every request needs is together: many connections share a cache.
  phase now = phase::head;
  bool fresh = false; ///< the head is not a repeated one: `head` and Beast are in use
  bool begun = false; ///< a part of a head has come
  bool expects_continue = false;
  head_memo memo; ///< of what `message` says of its head, which stays until another one comes
  std::uint64_t body_left = 0;
  verdict problem;
  request_limits bounds;
  request message;
  head_gatherer head;
  chunk_guard chunks;
  std::optional<decoder> beast_parser; ///< of this request, unless its head is a repeated one
};

void request_parser::impl::reset() {
  now = phase::head;
  begun = false;
  if (std::exchange(fresh, false)) {
    head.reset();
    beast_parser.reset();
  }
  body_left = 0;
  expects_continue = false;
  problem = {};
  recycle(message.body);
  if (!memo.keeps())
    clear_head();
}

void request_parser::impl::clear_head() {
  memo.forget();
  message.verb = method::other;
  message.verb_text.clear();
  message.target.clear();
  // Beyond what a string holds in place, so that the views survive a move of the message.
  message.target.reserve(64);
  message.path = message.query = {};
  message.version = 11;
  message.keep_alive = true;
  message.headers.clear();
}

std::size_t request_parser::impl::step(std::string_view bytes) {
  switch (now) {
  case phase::head:
    return step_head(bytes);
  case phase::body:
    return step_body(bytes);
  case phase::chunks:
    return step_chunks(bytes);
  case phase::done:
  case phase::failed:
    break;
  }
  return 0;
}

bool request_parser::impl::repeat_head(std::string_view bytes) {
  if (!memo.keeps() || fresh)
    return false;
  const auto body_bytes = memo.take(bytes, message.headers);
  if (!body_bytes)
    return false;
  problem = begin_counted_body(*body_bytes);
  return true;
}

std::size_t request_parser::impl::step_head(std::string_view bytes) {
  if (repeat_head(bytes))
    return message.headers.held().size();
  const head_gatherer::step gathered = head.next(bytes);
  problem = gathered.problem;
  fresh = true;
  begun = !head.idle();
  if (problem.bad() || !gathered.complete)
    return gathered.taken;
  clear_head();
  beast_parser.emplace(message);
  problem = beast_parser->take(message.headers.hold(gathered.head));
  if (!problem.bad())
    problem = beast_parser->check_head();
  if (!problem.bad()) {
    if (beast_parser->frame().content_length && !beast_parser->expects_continue())
      memo.keep(message.headers);
    problem = begin_body();
  }
  return gathered.taken;
}

verdict request_parser::impl::begin_body() {
  const framing& frame = beast_parser->frame();
  if (frame.chunked) {
    chunks.begin(bounds.body_bytes_max);
    now = phase::chunks;
    expects_continue = beast_parser->expects_continue();
    return good;
  }
  const verdict problem_of_body = begin_counted_body(frame.content_length.value_or(0));
  expects_continue = now == phase::body && beast_parser->expects_continue();
  return problem_of_body;
}

verdict request_parser::impl::begin_counted_body(std::uint64_t body_bytes) {
  if (body_bytes > bounds.body_bytes_max)
    return {errc::body_too_large, "body too large"};
  body_left = body_bytes;
  if (body_bytes == 0)
    finish();
  else
    now = phase::body;
  return good;
}

std::size_t request_parser::impl::step_body(std::string_view bytes) {
  expects_continue = false;
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), body_left));
  if (fresh)
    problem = beast_parser->take(bytes.substr(0, taken));
  else
    append_spared(message.body, bytes.substr(0, taken), body_left - taken);
  body_left -= taken;
  if (body_left == 0 && !problem.bad())
    finish();
  return taken;
}

std::size_t request_parser::impl::step_chunks(std::string_view bytes) {
  expects_continue = false;
  const chunk_guard::step piece = chunks.next(bytes);
  problem = piece.problem;
  if (problem.bad() || piece.what == chunk_guard::piece::none)
    return piece.taken;
  problem = beast_parser->take(piece.bytes);
  if (piece.what == chunk_guard::piece::last && !problem.bad())
    finish();
  return piece.taken;
}

void request_parser::impl::finish() {
  if (fresh && !beast_parser->is_done()) {
    problem = bad("malformed request");
    return;
  }
  append_spared(message.body, {});
  now = phase::done;
}

request_parser::request_parser(request_limits bounds) : impl_(std::make_unique<impl>(bounds)) {}
request_parser::~request_parser() = default;
request_parser::request_parser(request_parser&&) noexcept = default;
request_parser& request_parser::operator=(request_parser&&) noexcept = default;

result<std::size_t> request_parser::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !impl_->problem.bad() && impl_->now != impl::phase::done)
    taken += impl_->step(bytes.substr(taken));
  if (impl_->problem.bad()) {
    impl_->now = impl::phase::failed;
    return fail_with(impl_->problem);
  }
  return taken;
}

bool request_parser::head_done() const noexcept {
  return impl_->now == impl::phase::body || impl_->now == impl::phase::chunks || done();
}

bool request_parser::done() const noexcept {
  return impl_->now == impl::phase::done;
}

bool request_parser::idle() const noexcept {
  return impl_->now == impl::phase::head && !impl_->begun;
}

bool request_parser::head_repeats() const noexcept {
  return head_done() && !impl_->fresh;
}

bool request_parser::take_expect_continue() noexcept {
  return std::exchange(impl_->expects_continue, false);
}

request& request_parser::message() noexcept {
  return impl_->message;
}

void request_parser::reset() {
  impl_->reset();
}

} // namespace nexus::http
