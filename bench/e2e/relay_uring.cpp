#include "bench/e2e/relay.hpp"
#include "bench/e2e/sockets.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/core.h>
#include <liburing.h>
#include <memory>
#include <sys/socket.h>
#include <unistd.h>

namespace nexus::bench {
namespace {

constexpr unsigned ring_entries = 4096;
constexpr std::size_t buffer_bytes = 16 * 1024;

struct link;

/// One direction of a link: it is always either reading its buffer full or writing it out.
struct flow {
  int from = -1;
  int to = -1;
  link* owner = nullptr;
  bool writing = false;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::array<char, buffer_bytes> buffer;
};

struct link {
  flow up;
  flow down;
  sockaddr_in server{};
  int operations = 0; ///< in the kernel; the link may not be freed before they are back
  bool connected = false;
  bool dead = false;
};

class uring_relay {
 public:
  uring_relay(std::uint16_t listen_port, std::uint16_t server_port)
      : listener_(listen_or_exit(listen_port)), server_(loopback(server_port)) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 4 * ring_entries;
    const int made = ::io_uring_queue_init_params(ring_entries, &ring_, &params);
    if (made < 0)
      die(fmt::format("io_uring is refused here: {}", std::strerror(-made)));
  }

  [[noreturn]] void run() {
    arm_accept();
    for (;;) {
      ::io_uring_submit_and_wait(&ring_, 1);
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_cqe* completion = nullptr;
      io_uring_for_each_cqe(&ring_, head, completion) {
        ++seen;
        on_completion(*completion);
      }
      ::io_uring_cq_advance(&ring_, seen);
    }
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
    ::io_uring_sqe_set_data(&sqe, nullptr);
  }

  void on_completion(const io_uring_cqe& completion) {
    auto* data = static_cast<flow*>(::io_uring_cqe_get_data(&completion));
    if (data == nullptr) {
      if (completion.res >= 0)
        on_accepted(completion.res);
      if ((completion.flags & IORING_CQE_F_MORE) == 0)
        arm_accept();
      return;
    }
    auto& owner = *data->owner;
    --owner.operations;
    if (completion.res < 0 || (owner.connected && completion.res == 0))
      drop(owner);
    else if (!owner.dead)
      advance(*data, completion.res);
    if (owner.dead && owner.operations == 0)
      free(owner);
  }

  void on_accepted(int fd) {
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0) {
      ::close(fd);
      return;
    }
    disable_delay(fd);
    disable_delay(server);
    auto* made = new link;
    made->server = server_;
    made->up.from = made->down.to = fd;
    made->up.to = made->down.from = server;
    made->up.owner = made->down.owner = made;
    auto& sqe = entry();
    ::io_uring_prep_connect(&sqe, server, reinterpret_cast<const sockaddr*>(&made->server),
                            sizeof made->server);
    ::io_uring_sqe_set_data(&sqe, &made->up);
    ++made->operations;
  }

  void advance(flow& one, int count) {
    if (!one.owner->connected) {
      one.owner->connected = true;
      receive(one.owner->up);
      receive(one.owner->down);
      return;
    }
    if (one.writing) {
      one.begin += static_cast<std::size_t>(count);
    } else {
      one.begin = 0;
      one.end = static_cast<std::size_t>(count);
    }
    if (one.begin == one.end)
      receive(one);
    else
      transmit(one);
  }

  void receive(flow& one) {
    one.writing = false;
    auto& sqe = entry();
    ::io_uring_prep_recv(&sqe, one.from, one.buffer.data(), one.buffer.size(), 0);
    // The answer is never there yet: waiting first saves an attempt that must fail.
    sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
    ::io_uring_sqe_set_data(&sqe, &one);
    ++one.owner->operations;
  }

  void transmit(flow& one) {
    one.writing = true;
    auto& sqe = entry();
    ::io_uring_prep_send(&sqe, one.to, one.buffer.data() + one.begin, one.end - one.begin,
                         MSG_NOSIGNAL);
    ::io_uring_sqe_set_data(&sqe, &one);
    ++one.owner->operations;
  }

  // Shutting down both sockets ends the operations that still wait on them.
  static void drop(link& gone) {
    if (gone.dead)
      return;
    gone.dead = true;
    ::shutdown(gone.up.from, SHUT_RDWR);
    ::shutdown(gone.up.to, SHUT_RDWR);
  }

  static void free(link& gone) {
    ::close(gone.up.from);
    ::close(gone.up.to);
    delete &gone;
  }

  io_uring ring_{};
  int listener_;
  sockaddr_in server_;
};

} // namespace

void run_uring_relay(std::uint16_t listen_port, std::uint16_t server_port) {
  uring_relay{listen_port, server_port}.run();
}

} // namespace nexus::bench
