#include "bench/e2e/sockets.hpp"
#include "bench/fused/proxy_io.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace nexus::bench {
namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;

// What epoll hands back: a link's number doubled, odd for its server end, and two small numbers.
constexpr std::uint64_t listener_tag = 0;
constexpr std::uint64_t waker_tag = 1;
constexpr link_id first_link = 1;

struct end_point {
  int fd = -1;
  message_cutter cutter;
  std::string unsent;
};

struct link_state {
  end_point client{-1, message_cutter{message_cutter::kind::requests}, {}};
  end_point server{-1, message_cutter{message_cutter::kind::answers}, {}};
};

class epoll_io final : public proxy_io {
 public:
  epoll_io(std::uint16_t listen_port, std::uint16_t server_port)
      : listener_(listen_or_exit(listen_port)), waker_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)), server_(loopback(server_port)),
        buffer_(buffer_bytes) {}

  void start(io_sink& sink) override {
    sink_ = &sink;
    watch(listener_, listener_tag, EPOLLIN);
    watch(waker_, waker_tag, EPOLLIN | static_cast<std::uint32_t>(EPOLLET));
  }

  void poll(patience wait) override {
    epoll_event events[256];
    const int count = ::epoll_wait(epoll_, events, 256, wait == patience::forever ? -1 : 0);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == listener_tag)
        accept_all();
      else if (events[i].data.u64 != waker_tag)
        on_event(events[i].data.u64, events[i].events);
    }
  }

  void to_server(link_id link, std::string bytes) override {
    if (const auto found = links_.find(link); found != links_.end())
      put(found->second.server, bytes);
  }

  void to_client(link_id link, std::string bytes) override {
    if (const auto found = links_.find(link); found != links_.end())
      put(found->second.client, bytes);
  }

  // The waker is edge-triggered: each write is an edge, so nobody has to read it.
  void wake() override {
    const std::uint64_t one = 1;
    if (::write(waker_, &one, sizeof one) < 0)
      die(fmt::format("eventfd: {}", std::strerror(errno)));
  }

 private:
  void watch(int fd, std::uint64_t tag, std::uint32_t interest) {
    epoll_event event{};
    event.events = interest;
    event.data.u64 = tag;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0)
      die(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  }

  void accept_all() {
    for (int fd = accept_one(listener_); fd >= 0; fd = accept_one(listener_)) {
      const int server = start_connect(server_);
      if (server < 0) {
        ::close(fd);
        continue;
      }
      const auto id = next_link_++;
      auto& made = links_[id];
      made.client.fd = fd;
      made.server.fd = server;
      sink_->on_opened(id);
      const auto interest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET);
      watch(fd, 2 * id, interest);
      watch(server, 2 * id + 1, interest);
    }
  }

  void on_event(std::uint64_t tag, std::uint32_t events) {
    const auto id = tag / 2;
    const auto found = links_.find(id);
    if (found == links_.end())
      return;
    const bool is_server = tag % 2 != 0;
    auto& end = is_server ? found->second.server : found->second.client;
    if ((events & EPOLLOUT) != 0 && !end.unsent.empty()) {
      const auto bytes = std::move(end.unsent);
      end.unsent.clear();
      put(end, bytes);
    }
    bool alive = (events & EPOLLIN) == 0 || read_all(id, end, is_server);
    alive = alive && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0;
    if (alive)
      return;
    ::close(found->second.client.fd);
    ::close(found->second.server.fd);
    links_.erase(found);
    sink_->on_closed(id);
  }

  bool read_all(link_id id, end_point& end, bool is_server) {
    for (;;) {
      const auto received = ::recv(end.fd, buffer_.data(), buffer_.size(), 0);
      if (received <= 0)
        return received < 0 && errno == EAGAIN;
      const auto size = static_cast<std::size_t>(received);
      if (!end.cutter.add({buffer_.data(), size}))
        return false;
      for (auto whole = end.cutter.next(); !whole.empty(); whole = end.cutter.next()) {
        if (is_server)
          sink_->on_answer(id, std::move(whole));
        else
          sink_->on_request(id, std::move(whole));
      }
      if (size < buffer_.size())
        return true;
    }
  }

  // A failed send is not handled here: the same failure comes as an event and ends the link.
  static void put(end_point& to, std::string_view bytes) {
    if (to.unsent.empty()) {
      const auto sent = ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    }
    to.unsent.append(bytes);
  }

  int listener_;
  int waker_;
  int epoll_;
  sockaddr_in server_;
  std::vector<char> buffer_;
  io_sink* sink_ = nullptr;
  link_id next_link_ = first_link;
  std::unordered_map<link_id, link_state> links_;
};

} // namespace

std::unique_ptr<proxy_io> make_epoll_io(std::uint16_t listen_port, std::uint16_t server_port) {
  return std::make_unique<epoll_io>(listen_port, server_port);
}

} // namespace nexus::bench
