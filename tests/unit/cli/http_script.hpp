#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include "http/message.hpp"
#include "net/socket.hpp"

namespace nexus::cli::test {

/// An HTTP server for one connection at a time, on a thread and a port of its own. A handler turns
/// each request into the bytes that go back; then the connection is closed.
class http_script {
 public:
  using handler = std::function<std::string(const http::request&)>;
  /// An answer that never comes; the connection stays open until the client leaves.
  static constexpr std::string_view silence = "silence";

  explicit http_script(handler on_request)
      : on_request_(std::move(on_request)), listener_(net::open_listener({"127.0.0.1", 0}).value()),
        thread_([this] { run(); }) {}
  ~http_script() {
    stopped_ = true;
    thread_.join();
  }
  http_script(const http_script&) = delete;
  http_script& operator=(const http_script&) = delete;

  [[nodiscard]] net::endpoint address() const { return net::local_endpoint(listener_.get()); }
  /// `METHOD target` of each request, in order.
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static constexpr int poll_ms = 20;

  static bool readable(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, poll_ms) > 0;
  }

  void run() {
    while (!stopped_) {
      if (!readable(listener_.get()))
        continue;
      const net::unique_fd peer(::accept(listener_.get(), nullptr, nullptr));
      if (peer)
        serve(peer.get());
    }
  }

  void serve(int fd) {
    http::request_parser parser;
    std::string buffer(64 * 1024, '\0');
    while (!stopped_ && !parser.done()) {
      if (!readable(fd))
        continue;
      const auto count = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (count <= 0 || !parser.feed({buffer.data(), static_cast<std::size_t>(count)}))
        return;
    }
    if (!parser.done())
      return;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(parser.message().verb_text + " " + parser.message().target);
    }
    const std::string answer = on_request_(parser.message());
    if (answer == silence) {
      while (!stopped_ && !readable(fd)) {
      }
      return;
    }
    std::string_view rest = answer;
    while (!rest.empty()) {
      const auto count = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (count <= 0)
        return;
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  handler on_request_;
  net::unique_fd listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

inline std::string respond(unsigned status, std::string_view type, std::string_view body) {
  std::string out;
  http::append_status_line(out, status);
  http::append_field(out, "Content-Type", type);
  http::append_field(out, "Content-Length", body.size());
  out += "\r\n";
  return out += body;
}

inline std::string respond_json(std::string_view body) {
  return respond(200, "application/json", body);
}

/// An event stream that ends with the connection.
inline std::string respond_events(std::string_view events) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + std::string(events);
}

} // namespace nexus::cli::test
