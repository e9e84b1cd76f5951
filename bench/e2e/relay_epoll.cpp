#include "bench/e2e/relay.hpp"
#include "bench/e2e/sockets.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/core.h>
#include <memory>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace nexus::bench {
namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;

struct link;

/// One end of a link; what epoll hands back.
struct side {
  int fd = -1;
  side* other = nullptr;
  link* owner = nullptr;
  std::string waiting; ///< bytes that this socket did not take yet
};

struct link {
  side client;
  side server;
  bool dead = false;
};

class epoll_relay {
 public:
  epoll_relay(std::uint16_t listen_port, std::uint16_t server_port)
      : listener_(listen_or_exit(listen_port)), epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        server_(loopback(server_port)), buffer_(buffer_bytes) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0)
      die(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  }

  [[noreturn]] void run() {
    for (;;) {
      epoll_event events[512];
      const int count = ::epoll_wait(epoll_, events, 512, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.ptr == nullptr)
          accept_all();
        else
          on_event(*static_cast<side*>(events[i].data.ptr), events[i].events);
      }
      // Both ends of a link may be in one batch of events, so it is freed only after the batch.
      dead_.clear();
    }
  }

 private:
  void accept_all() {
    for (int fd = accept_one(listener_); fd >= 0; fd = accept_one(listener_)) {
      const int server = start_connect(server_);
      if (server < 0) {
        ::close(fd);
        continue;
      }
      auto* made = new link;
      made->client = {fd, &made->server, made, {}};
      made->server = {server, &made->client, made, {}};
      watch(made->client);
      watch(made->server);
    }
  }

  void watch(side& end) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET);
    event.data.ptr = &end;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, end.fd, &event) != 0)
      die(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  }

  void on_event(side& end, std::uint32_t events) {
    if (end.owner->dead)
      return;
    bool alive = true;
    if ((events & EPOLLOUT) != 0 && !end.waiting.empty()) {
      const auto bytes = std::move(end.waiting);
      end.waiting.clear();
      alive = put(end, bytes);
    }
    if (alive && (events & EPOLLIN) != 0)
      alive = pump(end);
    if (!alive || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
      drop(*end.owner);
  }

  bool pump(side& from) {
    for (;;) {
      const auto received = ::recv(from.fd, buffer_.data(), buffer_.size(), 0);
      if (received <= 0)
        return received < 0 && errno == EAGAIN;
      const auto size = static_cast<std::size_t>(received);
      if (!put(*from.other, {buffer_.data(), size}))
        return false;
      if (size < buffer_.size())
        return true;
    }
  }

  static bool put(side& to, std::string_view bytes) {
    if (to.waiting.empty()) {
      const auto sent = ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != ENOTCONN)
        return false;
      bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    }
    to.waiting.append(bytes);
    return true;
  }

  void drop(link& gone) {
    gone.dead = true;
    ::close(gone.client.fd);
    ::close(gone.server.fd);
    dead_.emplace_back(&gone);
  }

  int listener_;
  int epoll_;
  sockaddr_in server_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<link>> dead_;
};

} // namespace

void run_epoll_relay(std::uint16_t listen_port, std::uint16_t server_port) {
  epoll_relay{listen_port, server_port}.run();
}

} // namespace nexus::bench
