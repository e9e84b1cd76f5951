#include "bench/mock/http_front.hpp"

#include <charconv>
#include <fmt/format.h>
#include <optional>

#include "http/message.hpp"

namespace nexus::mock {
namespace {

constexpr std::string_view session_field = "Mcp-Session-Id";
constexpr std::string_view session_prefix = "mock-";

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc{} && read.ptr == end ? std::optional(value) : std::nullopt;
}

/// The server that a path leads to: N of /N/mcp, 1 of /mcp. 0 when it leads nowhere.
std::uint64_t server_of(std::string_view path) {
  constexpr std::string_view end = "/mcp";
  if (path == end)
    return 1;
  if (!path.starts_with('/') || !path.ends_with(end))
    return 0;
  return number_in(path.substr(1, path.size() - 1 - end.size())).value_or(0);
}

} // namespace

/// One client's connection. It takes a request, answers it when its time has come, and takes the
/// next one.
class http_peer final : net::stream_handler {
 public:
  http_peer(http_front& owner, std::uint64_t id, net::stream_ptr stream)
      : owner_(owner), id_(id), stream_(std::move(stream)) {
    stream_->set_handler(*this);
  }

  /// The time of an answer has come.
  void answer(const reply& given) {
    if (given.dropped)
      return end();
    busy_ = false;
    write(given);
    if (stream_) {
      stream_->resume_reading();
      take(std::exchange(held_, {}));
    }
  }

 private:
  void on_data(std::string_view bytes) override {
    if (busy_)
      held_ += bytes;
    else
      take(bytes);
  }
  void on_end() override { end(); }
  void on_error(const error&) override { end(); }

  void end() {
    stream_.reset();
    owner_.forget(id_);
  }

  void take(std::string_view bytes) {
    while (stream_ && !busy_ && !bytes.empty()) {
      const auto taken = parser_.feed(bytes);
      if (!taken) {
        write_status(http::status_of(taken.error()), {});
        return end_after_flush();
      }
      bytes.remove_prefix(*taken);
      if (parser_.take_expect_continue())
        stream_->out() += "HTTP/1.1 100 Continue\r\n\r\n";
      if (parser_.done())
        serve(parser_.message());
    }
    if (busy_)
      held_ += bytes;
  }

  void serve(http::request& request) {
    keep_alive_ = request.keep_alive;
    const auto number = server_of(request.path);
    if (number == 0 || number > owner_.servers_.size())
      return write_status(404, "no such mock server");
    if (request.verb == http::method::del)
      return write_status(204, {});
    if (request.verb != http::method::post)
      return write_status(405, {});
    auto given = owner_.servers_[number - 1]->answer(request.body);
    const auto session = request.headers.find(session_field);
    if (!given.modern && given.what != reply::kind::initialized && !known(session))
      return write_status(session ? 404 : 400, "no session of that name: initialize first");
    if (given.delay == nanoseconds(0) && !given.dropped)
      return write(given);
    busy_ = true;
    parser_.reset();
    stream_->pause_reading();
    // Read again, since the reactor's time is that of the turn's begin.
    const auto due = std::chrono::steady_clock::now() + given.delay;
    owner_.waiting_.push(due, {id_, std::move(given)});
  }

  /// Whether a session was begun here. Ended ones stay: nobody asks a mock for more.
  [[nodiscard]] bool known(std::optional<std::string_view> session) const {
    if (!session || !session->starts_with(session_prefix))
      return false;
    const auto number = number_in(session->substr(session_prefix.size()));
    return number && *number > 0 && *number <= owner_.sessions_;
  }

  void write(const reply& given) {
    auto& out = stream_->out();
    const bool malformed = given.what == reply::kind::malformed;
    http::append_status_line(out, given.what == reply::kind::accepted ? 202
                                  : malformed                         ? 400
                                                                      : 200);
    if (given.what == reply::kind::initialized)
      http::append_field(out, session_field,
                         fmt::format("{}{}", session_prefix, ++owner_.sessions_));
    finish(given.body, "application/json");
  }

  void write_status(unsigned status, std::string_view text) {
    http::append_status_line(stream_->out(), status);
    if (status == 405)
      http::append_field(stream_->out(), "Allow", "POST, DELETE");
    finish(text, "text/plain");
  }

  /// The rest of a response, whose status line and own fields are written.
  void finish(std::string_view body, std::string_view type) {
    auto& out = stream_->out();
    if (!body.empty())
      http::append_field(out, "Content-Type", type);
    http::append_field(out, "Content-Length", body.size());
    out += "\r\n";
    out += body;
    parser_.reset();
    stream_->flush();
    if (!keep_alive_)
      end_after_flush();
  }

  void end_after_flush() {
    net::close_after_flush(std::move(stream_));
    owner_.forget(id_);
  }

  http_front& owner_;
  std::uint64_t id_;
  net::stream_ptr stream_;
  http::request_parser parser_;
  bool keep_alive_ = true;
  bool busy_ = false; ///< an answer waits
  std::string held_;  ///< came meanwhile
};

http_front::http_front(const options& settings, net::reactor& on)
    : settings_(settings), reactor_(on) {
  for (std::uint32_t number = 1; number <= settings.servers; ++number)
    servers_.push_back(std::make_unique<mcp_server>(settings_, number));
}

http_front::~http_front() = default;

result<net::endpoint> http_front::listen() {
  auto made = reactor_.listen(settings_.at, [this](net::stream_ptr accepted, const net::endpoint&) {
    accept(std::move(accepted));
  });
  if (!made)
    return std::unexpected(made.error());
  listener_ = std::move(*made);
  return listener_->local();
}

void http_front::run() {
  constexpr seconds sleep_max{1};
  for (;;) {
    reactor_.wait(waiting_.until_next(std::chrono::steady_clock::now(), sleep_max));
    while (const auto due = waiting_.pop(std::chrono::steady_clock::now()))
      if (const auto found = peers_.find(due->peer); found != peers_.end())
        found->second->answer(due->answer);
    gone_.clear();
  }
}

void http_front::accept(net::stream_ptr accepted) {
  const auto id = next_peer_++;
  peers_.emplace(id, std::make_unique<http_peer>(*this, id, std::move(accepted)));
}

void http_front::forget(std::uint64_t peer) {
  if (const auto found = peers_.find(peer); found != peers_.end()) {
    gone_.push_back(std::move(found->second));
    peers_.erase(found);
  }
}

} // namespace nexus::mock
