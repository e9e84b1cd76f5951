#include "bench/e2e/sockets.hpp"
#include "bench/fused/proxy_io.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/core.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

namespace nexus::bench {
namespace {

constexpr unsigned ring_entries = 4096;
constexpr std::size_t buffer_bytes = 16 * 1024;

// The user data of an operation: a link's number times four, plus which operation it is.
enum operation : std::uint64_t { client_read, server_read, client_write, server_write };
constexpr std::uint64_t accept_tag = 0;
constexpr std::uint64_t waker_tag = 1;
constexpr link_id first_link = 1;

struct end_point {
  explicit end_point(message_cutter::kind what) : cutter(what) {}

  int fd = -1;
  message_cutter cutter;
  std::string sending; ///< the kernel's until its completion
  std::string unsent;
  std::array<char, buffer_bytes> buffer;
};

struct link_state {
  end_point client{message_cutter::kind::requests};
  end_point server{message_cutter::kind::answers};
  int operations = 0;
  bool dead = false;
};

class uring_io final : public proxy_io {
 public:
  uring_io(std::uint16_t listen_port, std::uint16_t server_port)
      : listener_(listen_or_exit(listen_port)), waker_(::eventfd(0, EFD_CLOEXEC)),
        server_(loopback(server_port)) {}

  void start(io_sink& sink) override {
    sink_ = &sink;
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 4 * ring_entries;
    const int made = ::io_uring_queue_init_params(ring_entries, &ring_, &params);
    if (made < 0)
      die(fmt::format("io_uring is refused here: {}", std::strerror(-made)));
    arm_accept();
    arm_waker();
  }

  void poll(patience wait) override {
    if (wait == patience::forever)
      ::io_uring_submit_and_wait(&ring_, 1);
    else
      ::io_uring_submit_and_get_events(&ring_);
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++seen;
      on_completion(*completion);
    }
    ::io_uring_cq_advance(&ring_, seen);
  }

  void to_server(link_id link, std::string bytes) override {
    if (const auto found = links_.find(link); found != links_.end())
      put(link, *found->second, found->second->server, server_write, std::move(bytes));
  }

  void to_client(link_id link, std::string bytes) override {
    if (const auto found = links_.find(link); found != links_.end())
      put(link, *found->second, found->second->client, client_write, std::move(bytes));
  }

  void wake() override {
    const std::uint64_t one = 1;
    if (::write(waker_, &one, sizeof one) < 0)
      die(fmt::format("eventfd: {}", std::strerror(errno)));
  }

 private:
  io_uring_sqe& entry() {
    auto* free = ::io_uring_get_sqe(&ring_);
    if (free == nullptr) {
      ::io_uring_submit(&ring_);
      free = ::io_uring_get_sqe(&ring_);
    }
    if (free == nullptr)
      die("io_uring: the submission queue stays full");
    return *free;
  }

  void arm_accept() {
    auto& sqe = entry();
    ::io_uring_prep_multishot_accept(&sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ::io_uring_sqe_set_data64(&sqe, accept_tag);
  }

  void arm_waker() {
    auto& sqe = entry();
    ::io_uring_prep_read(&sqe, waker_, &wakes_, sizeof wakes_, 0);
    ::io_uring_sqe_set_data64(&sqe, waker_tag);
  }

  void on_completion(const io_uring_cqe& completion) {
    const auto tag = completion.user_data;
    if (tag == accept_tag) {
      if (completion.res >= 0)
        on_accepted(completion.res);
      if ((completion.flags & IORING_CQE_F_MORE) == 0)
        arm_accept();
    } else if (tag == waker_tag) {
      arm_waker();
    } else {
      on_link_completion(tag / 4, static_cast<operation>(tag % 4), completion.res);
    }
  }

  void on_accepted(int fd) {
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A loopback connect to a listening socket ends at once, so it may block.
    const auto* name = reinterpret_cast<const sockaddr*>(&server_);
    if (server < 0 || ::connect(server, name, sizeof server_) != 0) {
      ::close(server);
      ::close(fd);
      return;
    }
    disable_delay(fd);
    disable_delay(server);
    const auto id = next_link_++;
    auto& made = *(links_[id] = std::make_unique<link_state>());
    made.client.fd = fd;
    made.server.fd = server;
    sink_->on_opened(id);
    receive(id, made, made.client, client_read);
    receive(id, made, made.server, server_read);
  }

  void on_link_completion(link_id id, operation done, int count) {
    const auto found = links_.find(id);
    if (found == links_.end())
      return;
    auto& link = *found->second;
    --link.operations;
    if (!link.dead && count <= 0)
      drop(id, link);
    if (!link.dead) {
      const auto size = static_cast<std::size_t>(count);
      if (done == client_read || done == server_read)
        on_read(id, link, done, size);
      else
        on_written(id, link, done, size);
    }
    if (!link.dead || link.operations > 0)
      return;
    ::close(link.client.fd);
    ::close(link.server.fd);
    links_.erase(found);
  }

  void on_read(link_id id, link_state& link, operation done, std::size_t size) {
    auto& end = done == client_read ? link.client : link.server;
    if (!end.cutter.add({end.buffer.data(), size})) {
      drop(id, link);
      return;
    }
    for (auto whole = end.cutter.next(); !whole.empty(); whole = end.cutter.next()) {
      if (done == client_read)
        sink_->on_request(id, std::move(whole));
      else
        sink_->on_answer(id, std::move(whole));
    }
    receive(id, link, end, done);
  }

  void on_written(link_id id, link_state& link, operation done, std::size_t size) {
    auto& end = done == client_write ? link.client : link.server;
    end.sending.erase(0, size);
    if (end.sending.empty())
      std::swap(end.sending, end.unsent);
    if (!end.sending.empty())
      transmit(id, link, end, done);
  }

  void put(link_id id, link_state& link, end_point& end, operation kind, std::string bytes) {
    if (link.dead)
      return;
    if (!end.sending.empty()) {
      end.unsent += bytes;
      return;
    }
    end.sending = std::move(bytes);
    transmit(id, link, end, kind);
  }

  void receive(link_id id, link_state& link, end_point& end, operation kind) {
    auto& sqe = entry();
    ::io_uring_prep_recv(&sqe, end.fd, end.buffer.data(), end.buffer.size(), 0);
    sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
    ::io_uring_sqe_set_data64(&sqe, 4 * id + kind);
    ++link.operations;
  }

  void transmit(link_id id, link_state& link, end_point& end, operation kind) {
    auto& sqe = entry();
    ::io_uring_prep_send(&sqe, end.fd, end.sending.data(), end.sending.size(), MSG_NOSIGNAL);
    ::io_uring_sqe_set_data64(&sqe, 4 * id + kind);
    ++link.operations;
  }

  // Shutting both sockets down ends the operations that still wait on them.
  void drop(link_id id, link_state& link) {
    link.dead = true;
    ::shutdown(link.client.fd, SHUT_RDWR);
    ::shutdown(link.server.fd, SHUT_RDWR);
    sink_->on_closed(id);
  }

  io_uring ring_{};
  int listener_;
  int waker_;
  sockaddr_in server_;
  std::uint64_t wakes_ = 0;
  io_sink* sink_ = nullptr;
  link_id next_link_ = first_link;
  std::unordered_map<link_id, std::unique_ptr<link_state>> links_;
};

} // namespace

std::unique_ptr<proxy_io> make_uring_io(std::uint16_t listen_port, std::uint16_t server_port) {
  return std::make_unique<uring_io>(listen_port, server_port);
}

} // namespace nexus::bench
