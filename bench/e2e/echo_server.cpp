// nexus_e2e_echo: a downstream MCP server that does as little as one can, over Streamable HTTP or
// stdio, in both eras. It answers tools/call of any tool with the arguments that it got.

#include "bench/e2e/echo_answer.hpp"
#include "bench/e2e/http_scan.hpp"
#include "bench/e2e/sockets.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <fmt/core.h>
#include <memory>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace nexus::bench {
namespace {

constexpr std::int64_t millisecond_ns = 1'000'000;
constexpr std::size_t buffer_bytes = 64 * 1024;

struct options {
  echo_settings echo;
  std::uint16_t port = 0;
  bool stdio = false;
  std::int64_t delay_ns = 0;
  std::int64_t start_delay_ns = 0;
};

/// An answer that waits for its time. The delay is the same for all, so the oldest is due first.
struct delayed {
  std::int64_t due_ns;
  std::uint64_t peer; ///< serial number of a connection that may be gone by then
  std::string bytes;
};

class http_server {
 public:
  explicit http_server(const options& settings)
      : settings_(settings), answerer_(settings.echo), listener_(listen_or_exit(settings.port)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(buffer_bytes) {
    watch(listener_, listener_serial, EPOLLIN);
  }

  [[noreturn]] void run() {
    for (;;) {
      epoll_event events[512];
      const int count = ::epoll_wait(epoll_, events, 512, wait_ms());
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 == listener_serial)
          accept_all();
        else
          on_event(events[i].data.u64, events[i].events);
      }
      send_due();
    }
  }

 private:
  struct connection {
    int fd = -1;
    bool lost = false;
    std::size_t wanted_bytes = 0;
    std::string input;
    std::string output;
  };

  static constexpr std::uint64_t listener_serial = 0;

  void watch(int fd, std::uint64_t serial, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = serial;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0)
      die(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  }

  int wait_ms() const {
    if (delayed_.empty())
      return -1;
    const auto left = delayed_.front().due_ns - now_ns();
    return left <= 0 ? 0 : static_cast<int>((left + millisecond_ns - 1) / millisecond_ns);
  }

  void accept_all() {
    for (int fd = accept_one(listener_); fd >= 0; fd = accept_one(listener_)) {
      const auto serial = next_serial_++;
      peers_[serial].fd = fd;
      watch(fd, serial, EPOLLIN | EPOLLOUT | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET));
    }
  }

  void on_event(std::uint64_t serial, std::uint32_t events) {
    const auto found = peers_.find(serial);
    if (found == peers_.end())
      return;
    auto& peer = found->second;
    if ((events & EPOLLOUT) != 0 && !peer.output.empty())
      flush(peer);
    if ((events & EPOLLIN) != 0)
      read_all(peer, serial);
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
      peer.lost = true;
    if (!peer.lost)
      return;
    ::close(peer.fd);
    peers_.erase(found);
  }

  void read_all(connection& peer, std::uint64_t serial) {
    for (;;) {
      const auto received = ::recv(peer.fd, buffer_.data(), buffer_.size(), 0);
      if (received <= 0) {
        peer.lost = peer.lost || received == 0 || errno != EAGAIN;
        break;
      }
      const std::string_view fresh{buffer_.data(), static_cast<std::size_t>(received)};
      if (peer.input.empty()) {
        peer.input.assign(fresh.substr(take_messages(peer, serial, fresh)));
      } else {
        peer.input.append(fresh);
        if (peer.input.size() >= peer.wanted_bytes)
          peer.input.erase(0, take_messages(peer, serial, peer.input));
      }
      if (peer.lost || fresh.size() < buffer_.size())
        break;
    }
    flush(peer);
  }

  std::size_t take_messages(connection& peer, std::uint64_t serial, std::string_view data) {
    std::size_t taken = 0;
    while (taken < data.size()) {
      const auto state = scan_request(data.substr(taken), message_);
      peer.wanted_bytes = message_.wanted_bytes;
      if (state == scan_state::incomplete)
        break;
      if (state == scan_state::invalid) {
        peer.lost = true;
        break;
      }
      if (settings_.delay_ns == 0) {
        append_answer(peer.output);
        peer.lost = peer.lost || !message_.keep_alive;
      } else {
        delayed_.push_back({now_ns() + settings_.delay_ns, serial, {}});
        append_answer(delayed_.back().bytes);
      }
      taken += message_.total_bytes;
    }
    return taken;
  }

  void append_answer(std::string& out) {
    using kind = echo_answerer::kind;
    if (message_.method != "POST") {
      out += "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n";
      return;
    }
    const auto got = answerer_.answer(message_.body, body_);
    if (got == kind::accepted) {
      out += "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
      return;
    }
    if (got == kind::malformed) {
      out += "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
      return;
    }
    out += "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    if (got == kind::initialized && !settings_.echo.session_id.empty())
      out += fmt::format("Mcp-Session-Id: {}\r\n", settings_.echo.session_id);
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, body_.size()).ptr;
    out += "Content-Length: ";
    out.append(digits, end);
    out += "\r\n\r\n";
    out += body_;
  }

  void flush(connection& peer) {
    if (peer.output.empty())
      return;
    const auto sent = ::send(peer.fd, peer.output.data(), peer.output.size(), MSG_NOSIGNAL);
    if (sent > 0)
      peer.output.erase(0, static_cast<std::size_t>(sent));
    else if (errno != EAGAIN)
      peer.lost = true;
  }

  void send_due() {
    const auto now = delayed_.empty() ? 0 : now_ns();
    while (!delayed_.empty() && delayed_.front().due_ns <= now) {
      const auto found = peers_.find(delayed_.front().peer);
      if (found != peers_.end()) {
        found->second.output += delayed_.front().bytes;
        flush(found->second);
      }
      delayed_.pop_front();
    }
  }

  options settings_;
  echo_answerer answerer_;
  int listener_;
  int epoll_;
  std::vector<char> buffer_;
  std::unordered_map<std::uint64_t, connection> peers_;
  std::uint64_t next_serial_ = listener_serial + 1;
  std::deque<delayed> delayed_;
  http_message message_;
  std::string body_;
};

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      std::exit(0);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Newline-delimited JSON on stdin and stdout; ends with its input.
class stdio_server {
 public:
  explicit stdio_server(const options& settings)
      : delay_ns_(settings.delay_ns), answerer_(settings.echo), buffer_(buffer_bytes) {}

  void run() {
    for (;;) {
      if (wait_for_input()) {
        const auto received = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
        if (received == 0 || (received < 0 && errno != EINTR))
          return;
        if (received > 0)
          take_lines({buffer_.data(), static_cast<std::size_t>(received)});
      }
      send_due();
    }
  }

 private:
  bool wait_for_input() {
    if (delayed_.empty())
      return true;
    const auto left = delayed_.front().due_ns - now_ns();
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const auto wait = left <= 0 ? 0 : (left + millisecond_ns - 1) / millisecond_ns;
    return ::poll(&input, 1, static_cast<int>(wait)) > 0;
  }

  void take_lines(std::string_view fresh) {
    for (auto end = fresh.find('\n'); end != std::string_view::npos; end = fresh.find('\n')) {
      line_.append(fresh.substr(0, end));
      fresh.remove_prefix(end + 1);
      answer_line();
      line_.clear();
    }
    line_.append(fresh);
    write_all(STDOUT_FILENO, output_);
    output_.clear();
  }

  void answer_line() {
    using kind = echo_answerer::kind;
    const auto got = answerer_.answer(line_, body_);
    if (got != kind::answered && got != kind::initialized)
      return;
    body_ += '\n';
    if (delay_ns_ == 0)
      output_ += body_;
    else
      delayed_.push_back({now_ns() + delay_ns_, 0, body_});
  }

  void send_due() {
    const auto now = delayed_.empty() ? 0 : now_ns();
    for (; !delayed_.empty() && delayed_.front().due_ns <= now; delayed_.pop_front())
      output_ += delayed_.front().bytes;
    write_all(STDOUT_FILENO, output_);
    output_.clear();
  }

  std::int64_t delay_ns_;
  echo_answerer answerer_;
  std::vector<char> buffer_;
  std::deque<delayed> delayed_;
  std::string line_;
  std::string body_;
  std::string output_;
};

constexpr const char* usage = R"(usage: nexus_e2e_echo (--port N | --stdio) [options]
  --era legacy|modern|both   which revisions to serve (both)
  --tools N                  how many tools tools/list shows: echo, tool_1, tool_2 ... (1)
  --session ID               the Mcp-Session-Id that initialize hands out (none)
  --delay-ms N               answer that much later
  --start-delay-ms N         do nothing at all for that long first
)";

int count_of(std::string_view name, std::string_view text) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || value < 0)
    die(fmt::format("{}: not a whole number: {}\n{}", name, text, usage));
  return value;
}

void take_option(std::string_view name, std::string_view value, options& out) {
  if (name == "--port")
    out.port = static_cast<std::uint16_t>(count_of(name, value));
  else if (name == "--tools")
    out.echo.tools_count = count_of(name, value);
  else if (name == "--delay-ms")
    out.delay_ns = count_of(name, value) * millisecond_ns;
  else if (name == "--start-delay-ms")
    out.start_delay_ns = count_of(name, value) * millisecond_ns;
  else if (name == "--session")
    out.echo.session_id = value;
  else if (name == "--era" && (value == "legacy" || value == "modern" || value == "both"))
    out.echo.speaks = value == "legacy"   ? echo_era::legacy
                      : value == "modern" ? echo_era::modern
                                          : echo_era::both;
  else
    die(fmt::format("unknown option: {} {}\n{}", name, value, usage));
}

options parse(int argc, char** argv) {
  options out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--stdio")
      out.stdio = true;
    else if (i + 1 < argc)
      take_option(name, argv[++i], out);
    else
      die(fmt::format("{}: needs a value\n{}", name, usage));
  }
  if (out.stdio == (out.port != 0))
    die(fmt::format("one of --port and --stdio is needed\n{}", usage));
  return out;
}

} // namespace
} // namespace nexus::bench

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto settings = nexus::bench::parse(argc, argv);
  if (settings.start_delay_ns > 0) {
    constexpr std::int64_t second_ns = 1'000'000'000;
    const timespec time{settings.start_delay_ns / second_ns, settings.start_delay_ns % second_ns};
    ::nanosleep(&time, nullptr);
  }
  if (settings.stdio) {
    nexus::bench::stdio_server{settings}.run();
    return 0;
  }
  nexus::bench::raise_file_limit();
  nexus::bench::http_server{settings}.run();
}
