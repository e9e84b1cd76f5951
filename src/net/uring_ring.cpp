#include "net/uring_ring.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/assert.hpp"
#include "net/socket.hpp"
#include "net/stream.hpp"

namespace nexus::net {
namespace {

/// Entries of one submission: two per stream for the reference load of 64 connections each way.
/// More are submitted early. A small ring stays in the first-level cache.
constexpr unsigned submissions = 256;
/// Completions that fit before the kernel has to allocate: a burst of many connections.
constexpr unsigned completions = 4096;
constexpr std::uint16_t buffers_max = 1024;
/// Few at first: they are used round and round, and what is in use stays in the cache.
constexpr std::uint16_t buffers_at_first = 64;
/// Apart from one another by a little more than a power of two, so that the first lines of all
/// buffers do not compete for the same sets of the cache.
constexpr std::size_t buffer_stride = uring_ring::buffer_bytes + 576;
static_assert(buffer_stride >= uring_ring::buffer_bytes + readable_beyond_bytes);
constexpr int buffer_mask = buffers_max - 1;
constexpr milliseconds probe_timeout{1000};

std::unexpected<error> refused(std::string_view what, int number) {
  std::string_view remedy;
  if (number == EPERM || number == EACCES)
    remedy = " (a seccomp profile or kernel.io_uring_disabled refuses it)";
  if (number == ENOSYS)
    remedy = " (this kernel is built without io_uring)";
  if (number == EINVAL)
    remedy = " (Linux 6.1 or later has it)";
  if (number == ENOMEM)
    remedy = " (raise the limit of locked memory)";
  return fail(make_error_code(errc::unsupported),
              fmt::format("io_uring: {}: {}{}", what, errno_text(number), remedy));
}

void* map_pages(std::size_t bytes) noexcept {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    return nullptr;
  // A forked child must not share, and so move, pages that the kernel writes to.
  ::madvise(at, bytes, MADV_DONTFORK);
  return at;
}

struct socket_pair {
  unique_fd a, b;
  socket_pair() {
    std::array<int, 2> fds{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0)
      return;
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
};

} // namespace

result<std::unique_ptr<uring_ring>> uring_ring::create() {
  std::unique_ptr<uring_ring> made(new uring_ring);
  if (auto done = made->set_up(); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = made->provide_buffers(); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = made->try_multishot_recv(); !done)
    return std::unexpected(std::move(done.error()));
  made->try_silent_sends();
  return made;
}

uring_ring::~uring_ring() {
  if (initialised_)
    io_uring_queue_exit(&ring_);
  if (leak_buffers_)
    return;
  if (buffers_ != nullptr)
    ::munmap(buffers_, buffer_stride * buffers_max);
  if (buffer_ring_ != nullptr)
    ::munmap(buffer_ring_, sizeof(io_uring_buf) * buffers_max);
}

result<> uring_ring::set_up() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  parameters.cq_entries = completions;
  const int code = io_uring_queue_init_params(submissions, &ring_, &parameters);
  if (code < 0)
    return refused("setting a ring up", -code);
  initialised_ = true;
  constexpr unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
  if ((ring_.features & needed) != needed)
    return refused("features", EINVAL);
  io_uring_ring_dontfork(&ring_);
  // Spares each call a look-up of the ring's descriptor; without it everything works.
  io_uring_register_ring_fd(&ring_);
  return {};
}

result<> uring_ring::provide_buffers() {
  buffers_ = static_cast<char*>(map_pages(buffer_stride * buffers_max));
  buffer_ring_ = static_cast<io_uring_buf_ring*>(map_pages(sizeof(io_uring_buf) * buffers_max));
  if (buffers_ == nullptr || buffer_ring_ == nullptr)
    return refused("buffers", ENOMEM);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
  registration.ring_entries = buffers_max;
  registration.bgid = buffer_group;
  const int code = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (code < 0)
    return refused("registering a ring of buffers", -code);
  io_uring_buf_ring_init(buffer_ring_);
  add_buffers();
  commit_buffers();
  return {};
}

io_uring_sqe& uring_ring::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  for (int tries = 0; sqe == nullptr; ++tries) {
    // The kernel refuses submissions only while it is out of memory.
    NEXUS_ASSERT(tries < 1000);
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return *sqe;
}

void uring_ring::submit_prepared() {
  for (int tries = 0; io_uring_sq_ready(&ring_) != 0; ++tries) {
    NEXUS_ASSERT(tries < 1000); // as above
    io_uring_submit(&ring_);
  }
}

unsigned uring_ring::collect(nanoseconds max) {
  unsigned calls = 0;
  if (max > nanoseconds::zero()) {
    const auto seconds_part = std::chrono::floor<seconds>(max);
    __kernel_timespec timeout{};
    timeout.tv_sec = seconds_part.count();
    timeout.tv_nsec = (max - seconds_part).count();
    io_uring_cqe* first = nullptr;
    const int code = io_uring_submit_and_wait_timeout(
        &ring_, &first, 1, max == nanoseconds::max() ? nullptr : &timeout, nullptr);
    NEXUS_ASSERT(code != -EEXIST && code != -EBADF && code != -EINVAL && code != -EFAULT);
    ++calls;
  } else if (io_uring_sq_ready(&ring_) != 0 || (IO_URING_READ_ONCE(*ring_.sq.kflags) &
                                                (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
    const int code = io_uring_submit_and_get_events(&ring_);
    NEXUS_ASSERT(code != -EEXIST && code != -EBADF && code != -EINVAL && code != -EFAULT);
    ++calls;
  }
  all_submitted_ = io_uring_sq_ready(&ring_) == 0 && !io_uring_cq_has_overflow(&ring_);
  return calls;
}

std::string_view uring_ring::bytes(const io_uring_cqe& cqe) const noexcept {
  const std::size_t index = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  return {buffers_ + index * buffer_stride, static_cast<std::size_t>(std::max(0, cqe.res))};
}

void uring_ring::recycle(const io_uring_cqe& cqe) noexcept {
  const auto index = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
  io_uring_buf_ring_add(buffer_ring_, buffers_ + index * buffer_stride, buffer_bytes, index,
                        buffer_mask, to_commit_++);
}

void uring_ring::commit_buffers() noexcept {
  if (to_commit_ == 0)
    return;
  io_uring_buf_ring_advance(buffer_ring_, to_commit_);
  to_commit_ = 0;
}

void uring_ring::add_buffers() noexcept {
  if (std::exchange(grown_, true))
    return;
  const int more = buffers_count_ == 0
                       ? buffers_at_first
                       : std::min<int>(buffers_count_, buffers_max - buffers_count_);
  for (int i = 0; i < more; ++i, ++buffers_count_)
    io_uring_buf_ring_add(buffer_ring_, buffers_ + buffers_count_ * buffer_stride, buffer_bytes,
                          buffers_count_, buffer_mask, to_commit_++);
}

result<> uring_ring::try_multishot_recv() {
  socket_pair sockets;
  if (!sockets.b)
    return refused("a pair of sockets", errno);
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_recv_multishot(&sqe, sockets.a.get(), nullptr, 0, 0);
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = buffer_group;
  if (::send(sockets.b.get(), "x", 1, MSG_NOSIGNAL) != 1)
    return refused("a send", errno);
  int received = 0;
  int failure = EINVAL;
  bool more = true;
  // First the byte; then, with the other end closed, the end of the operation.
  while (more) {
    collect(probe_timeout);
    const std::size_t count = reap([&](const io_uring_cqe& cqe) {
      if (cqe.res > 0 && (cqe.flags & IORING_CQE_F_BUFFER) != 0) {
        received += static_cast<int>(bytes(cqe).size());
        recycle(cqe);
      }
      if (cqe.res < 0)
        failure = -cqe.res;
      more = (cqe.flags & IORING_CQE_F_MORE) != 0;
      sockets.b.reset();
    });
    if (count == 0)
      return refused("multishot recv", ETIMEDOUT);
  }
  if (received != 1)
    return refused("multishot recv", failure);
  return {};
}

void uring_ring::try_silent_sends() {
  socket_pair sockets;
  if (!sockets.b)
    return;
  const int small = 4096;
  ::setsockopt(sockets.a.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const auto attempt = [&](std::string_view text) {
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_send(&sqe, sockets.a.get(), text.data(), text.size(),
                       MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
    collect(nanoseconds::zero());
    int told = 0;
    if (reap([&](const io_uring_cqe& cqe) { told = cqe.res; }) == 0)
      told = 0;
    return told;
  };
  // Success says nothing, a short send says how much, a full socket says so.
  const std::string more_than_fits(256 * 1024, 'x');
  if (attempt("x") != 0)
    return;
  const int short_count = attempt(more_than_fits);
  if (short_count <= 0 || static_cast<std::size_t>(short_count) >= more_than_fits.size())
    return;
  if (attempt("x") != -EAGAIN)
    return;
  std::size_t received = 0;
  std::vector<char> sink(more_than_fits.size());
  for (;;) {
    const ssize_t n = ::recv(sockets.b.get(), sink.data(), sink.size(), MSG_DONTWAIT);
    if (n <= 0)
      break;
    received += static_cast<std::size_t>(n);
  }
  silent_sends_ = received == static_cast<std::size_t>(short_count) + 1;
}

} // namespace nexus::net
