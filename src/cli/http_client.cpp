#include "cli/http_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "http/message.hpp"
#include "http/sse.hpp"
#include "net/socket.hpp"
#include "json/scan.hpp"

namespace nexus::cli {
namespace {

class category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "cli"; }
  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
    case errc::unreachable:
      return "unreachable";
    case errc::timed_out:
      return "timed out";
    case errc::bad_answer:
      return "bad answer";
    case errc::refused:
      return "refused";
    case errc::absent:
      return "absent";
    }
    return "unknown";
  }
};

using addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// Blocks while a name is looked up; numeric addresses and localhost need no lookup.
addresses look_up(const net::endpoint& at, int& code) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  code = ::getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &found);
  return {code == 0 ? found : nullptr, &::freeaddrinfo};
}

/// A non-blocking socket and the time until which it is waited for.
class connection {
 public:
  connection(const clock& time, time_point deadline) : time_(time), deadline_(deadline) {}

  [[nodiscard]] result<> connect(const net::endpoint& at) {
    int code = 0;
    const addresses found = look_up(at, code);
    if (!found)
      return fail(errc::unreachable,
                  code == EAI_SYSTEM ? net::errno_text(errno) : gai_strerror(code));
    int why = ECONNREFUSED;
    for (const addrinfo* entry = found.get(); entry != nullptr; entry = entry->ai_next) {
      fd_ = net::open_client_socket(entry->ai_family);
      if (fd_ && connect_to(*entry, why))
        return {};
    }
    if (time_.now() >= deadline_)
      return fail(errc::timed_out, "no connection in time");
    return fail(errc::unreachable, net::errno_text(why));
  }

  /// Sends everything, or what the peer takes before it hangs up: it may have answered already.
  [[nodiscard]] result<> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        if (!wait(POLLOUT))
          return fail(errc::timed_out, "the request could not be sent in time");
      } else if (errno != EINTR) {
        return {};
      }
    }
    return {};
  }

  /// @returns nothing left when the peer ended the connection
  [[nodiscard]] result<std::string_view> receive() {
    for (;;) {
      const auto count = ::recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
      if (count >= 0)
        return std::string_view(buffer_.data(), static_cast<std::size_t>(count));
      if (errno == EAGAIN) {
        if (!wait(POLLIN))
          return fail(errc::timed_out, "no answer in time");
      } else if (errno != EINTR) {
        return fail(errc::bad_answer,
                    fmt::format("the connection broke: {}", net::errno_text(errno)));
      }
    }
  }

 private:
  bool connect_to(const addrinfo& to, int& why) {
    if (::connect(fd_.get(), to.ai_addr, to.ai_addrlen) == 0)
      return true;
    why = errno;
    if (why != EINPROGRESS)
      return false;
    const time_point whole = std::exchange(
        deadline_, std::min(deadline_, time_.now() + limits::connect_timeout_default));
    const bool ready = wait(POLLOUT);
    deadline_ = whole;
    why = ETIMEDOUT;
    socklen_t size = sizeof why;
    if (ready)
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &why, &size);
    return ready && why == 0;
  }

  /// @returns false at the deadline
  [[nodiscard]] bool wait(short events) const {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(deadline_ - time_.now()).count();
      if (left <= 0)
        return false;
      pollfd entry{fd_.get(), events, 0};
      const auto most = static_cast<milliseconds::rep>(std::numeric_limits<int>::max());
      if (::poll(&entry, 1, static_cast<int>(std::min(left, most))) > 0)
        return true;
    }
  }

  const clock& time_;
  time_point deadline_;
  net::unique_fd fd_;
  std::array<char, 64 * 1024> buffer_{};
};

/// Gathers one response; an event stream goes to the sink event by event.
class receiver final : public http::response_handler, public http::sse_handler {
 public:
  receiver(http::response_parser& parser, const http_client::event_sink& on_event)
      : parser_(parser), on_event_(on_event) {}

  void on_head(const http::response_head& head) override {
    answer_.status = head.status;
    answer_.content_type = head.headers.find("content-type").value_or("");
    streams_ = on_event_ && http::media_type_is(answer_.content_type, "text/event-stream");
    if (streams_)
      parser_.body_is_unbounded();
  }
  void on_body(std::string_view bytes) override {
    if (!streams_)
      answer_.body += bytes;
    else if (!finished_ && !failed_)
      failed_ = !events_.feed(bytes, *this);
  }
  void on_done() override { finished_ = true; }
  void on_event(const http::sse_event& event) override {
    if (!finished_ && !event.data.empty())
      finished_ = !on_event_(event.data);
  }

  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] http_answer take() {
    json::ensure_padding(answer_.body);
    return std::move(answer_);
  }

 private:
  http::response_parser& parser_;
  const http_client::event_sink& on_event_;
  http::sse_parser events_;
  http_answer answer_;
  bool streams_ = false, finished_ = false, failed_ = false;
};

/// A request without a body.
std::string bare_request(std::string_view method, std::string_view path, const net::endpoint& at) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: nexus/{}\r\n"
                     "Accept: application/json\r\nConnection: close\r\n\r\n",
                     method, path, at.to_string(), NEXUS_VERSION);
}

/// A request with JSON. @param fields further header lines, each with its CRLF
std::string json_request(std::string_view method, std::string_view path, const net::endpoint& at,
                         std::string_view fields, std::string_view body) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: nexus/{}\r\n"
                     "Content-Type: application/json\r\nConnection: close\r\n"
                     "Content-Length: {}\r\n{}\r\n{}",
                     method, path, at.to_string(), NEXUS_VERSION, body.size(), fields, body);
}

bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~").contains(c);
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  static const category instance;
  return {static_cast<int>(code), instance};
}

result<http_answer> http_client::get(std::string_view path, time_point deadline) {
  return exchange(bare_request("GET", path, at_), {}, deadline);
}

result<http_answer> http_client::post(std::string_view path, std::string_view fields,
                                      std::string_view body, const event_sink& on_event,
                                      time_point deadline) {
  std::string more = "Accept: application/json, text/event-stream\r\n";
  more += fields;
  return exchange(json_request("POST", path, at_, more, body), on_event, deadline);
}

result<http_answer> http_client::put(std::string_view path, std::string_view body,
                                     time_point deadline) {
  return exchange(json_request("PUT", path, at_, "Accept: application/json\r\n", body), {},
                  deadline);
}

result<http_answer> http_client::del(std::string_view path, time_point deadline) {
  return exchange(bare_request("DELETE", path, at_), {}, deadline);
}

result<http_answer> http_client::exchange(std::string_view request, const event_sink& on_event,
                                          time_point deadline) {
  connection peer(time_, deadline);
  if (auto done = peer.connect(at_); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = peer.send(request); !done)
    return std::unexpected(std::move(done.error()));
  http::response_parser parser;
  receiver answer(parser, on_event);
  while (!answer.finished()) {
    const auto bytes = peer.receive();
    if (!bytes)
      return std::unexpected(bytes.error());
    result<> parsed;
    if (bytes->empty())
      parsed = parser.finish(answer);
    else if (auto taken = parser.feed(*bytes, answer); !taken)
      parsed = std::unexpected(std::move(taken.error()));
    if (!parsed)
      return fail(errc::bad_answer, parsed.error().message);
    if (answer.failed())
      return fail(errc::bad_answer, "an event of the answer is too large");
    if (bytes->empty() && !answer.finished())
      return fail(errc::bad_answer, "the connection was closed without an answer");
  }
  return answer.take();
}

result<net::endpoint> parse_gateway_address(std::string_view text) {
  constexpr std::string_view scheme = "http://";
  if (to_lower(text.substr(0, 8)) == "https://")
    return fail(errc::bad_answer, "a gateway speaks http; it has no https address");
  std::string authority(text);
  if (to_lower(text.substr(0, scheme.size())) == scheme) {
    text.remove_prefix(scheme.size());
    authority = text.substr(0, text.find('/'));
    const std::string_view path = text.substr(authority.size());
    if (!path.empty() && path != "/" && path != "/mcp")
      return fail(errc::bad_answer, "expected http://HOST:PORT without a path");
    // Behind the bracket of an IPv6 address, if there is one.
    if (!authority.substr(authority.rfind(']') + 1).contains(':'))
      authority += ":80";
  }
  auto at = net::endpoint::parse(authority);
  if (at && at->host.empty())
    return fail(errc::bad_answer, "the host is missing; expected HOST:PORT");
  return at;
}

std::string percent_encode(std::string_view segment) {
  std::string out;
  for (const char c : segment) {
    if (is_unreserved(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

} // namespace nexus::cli
