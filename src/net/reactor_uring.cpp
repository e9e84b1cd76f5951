#include "net/reactor_uring.hpp"

#include <cerrno>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/uring_reactor.hpp"
#include "net/uring_stream.hpp"

// One system call per turn: flushed streams become send entries, which the same call submits that
// then waits for completions.
namespace nexus::net {
namespace {

/// User data of entries whose completion tells nothing.
constexpr std::uint64_t ignored = 0;
constexpr std::uint64_t woken = operation_mask;

/// A turn with more completions than this sends after every part of so many, while the bytes to
/// send are in the cache still. Smaller turns end before anything leaves it.
constexpr unsigned completions_many = 128;
constexpr std::size_t completions_part = 16;

// ---- Listeners and connection attempts ---------------------------------------------------------

class uring_acceptor final : public acceptor, public uring_source {
 public:
  uring_acceptor(uring_reactor& on, unique_fd fd, reactor::accept_handler on_accept)
      : acceptor(on, std::move(fd), std::move(on_accept)), on_(on) {}

  void start() override {
    if (accepting_ || !fd_)
      return;
    io_uring_sqe& sqe = on_.begin_operation(*this);
    io_uring_prep_multishot_accept(&sqe, fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    sqe.user_data = tag(operation::accept);
    accepting_ = true;
  }
  void run_deferred() override { start(); }

  void complete(operation /*which*/, const io_uring_cqe& cqe) override {
    const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
    if (last)
      accepting_ = false;
    bool go_on = true;
    if (cqe.res >= 0)
      accepted(cqe.res);
    else if (fd_ && cqe.res != -ECANCELED)
      go_on = accept_failed(-cqe.res);
    if (last && go_on && fd_ && !released())
      on_.defer(*this);
    if (last)
      on_.end_operation(*this);
  }

 protected:
  void stop() noexcept override {
    if (accepting_)
      on_.cancel(tag(operation::accept));
    on_.ring().submit_prepared();
    fd_.reset();
  }

 private:
  uring_reactor& on_;
  bool accepting_ = false;
};

class uring_attempt final : public connect_attempt, public uring_source {
 public:
  uring_attempt(uring_reactor& on, unique_fd fd, const socket_address& to, handler on_done)
      : connect_attempt(on, std::move(fd), to, std::move(on_done)), on_(on) {
    io_uring_sqe& sqe = on_.begin_operation(*this);
    io_uring_prep_connect(&sqe, fd_.get(), to_.get(), to_.size);
    sqe.user_data = tag(operation::connect);
  }

  void complete(operation /*which*/, const io_uring_cqe& cqe) override {
    const int number = -cqe.res;
    if (!released())
      finish(number);
    on_.end_operation(*this);
  }

 protected:
  void stop() noexcept override {
    if (!fd_)
      return;
    on_.cancel(tag(operation::connect));
    on_.ring().submit_prepared();
    fd_.reset();
  }

 private:
  uring_reactor& on_;
};

} // namespace

// ---- The reactor -------------------------------------------------------------------------------

uring_reactor::uring_reactor(std::unique_ptr<uring_ring> ring, unique_fd eventfd)
    : ring_(std::move(ring)), eventfd_(std::move(eventfd)) {
  watch_eventfd();
}

uring_reactor::~uring_reactor() {
  stop_objects();
  // Cancelled operations end at once, some at each call; the bound is for a kernel that keeps one.
  for (int idle_calls = 0; operations_ > 0 && idle_calls < 100; ++idle_calls) {
    const std::size_t before = operations_;
    collect(milliseconds(10));
    dispatch();
    if (operations_ < before)
      idle_calls = 0;
  }
  if (operations_ > 0)
    ring_->leak_buffers();
  part_from_objects();
}

stream_ptr uring_reactor::make_stream(const descriptors& fds) {
  return stream_ptr(new uring_stream(*this, fds));
}

acceptor* uring_reactor::make_acceptor(unique_fd fd, accept_handler on_accept) {
  return new uring_acceptor(*this, std::move(fd), std::move(on_accept));
}

connect_attempt* uring_reactor::start_attempt(unique_fd fd, const socket_address& to,
                                              connect_attempt::handler on_done) {
  return new uring_attempt(*this, std::move(fd), to, std::move(on_done));
}

void uring_reactor::cancel(std::uint64_t user_data) {
  io_uring_sqe& sqe = ring_->next_sqe();
  io_uring_prep_cancel64(&sqe, user_data, 0);
  sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
  sqe.user_data = ignored;
}

void uring_reactor::watch_eventfd() {
  // Each write to the eventfd is an event of its own, so it is never read.
  io_uring_sqe& sqe = ring_->next_sqe();
  io_uring_prep_poll_multishot(&sqe, eventfd_.get(), POLLIN);
  sqe.user_data = woken;
}

void uring_reactor::interrupt() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(eventfd_.get(), &one, sizeof one);
}

void uring_reactor::collect(nanoseconds max) {
  for (unsigned calls = ring_->collect(max); calls > 0; --calls)
    count_system_call();
  if (!ring_->all_submitted() || silent_queued_.empty())
    return;
  silent_tried_.insert(silent_tried_.end(), silent_queued_.begin(), silent_queued_.end());
  silent_queued_.clear();
}

std::size_t uring_reactor::dispatch() {
  events_ = 0;
  const bool in_parts = ring_->completions_count() > completions_many;
  ring_->reap([this, in_parts](const io_uring_cqe& cqe) {
    complete(cqe);
    if (in_parts && events_ % completions_part == 0)
      send_part();
  });
  // After the reaping, which brought the results of those that did not succeed.
  for (uring_stream* s : silent_tried_)
    s->settle();
  silent_tried_.clear();
  return events_;
}

void uring_reactor::send_part() {
  flush_streams();
  if (silent_queued_.empty())
    return;
  // What fails of it tells so in a completion that the next turn reaps: it settles these.
  ring_->submit_prepared();
  count_system_call();
}

void uring_reactor::complete(const io_uring_cqe& cqe) {
  if (cqe.user_data == ignored)
    return;
  if (cqe.user_data == woken) {
    if ((cqe.flags & IORING_CQE_F_MORE) == 0)
      watch_eventfd();
    return;
  }
  ++events_;
  const auto which = static_cast<operation>(cqe.user_data & operation_mask);
  auto* const source = std::bit_cast<uring_source*>(cqe.user_data & ~operation_mask);
  note_party(source);
  source->complete(which, cqe);
}

result<std::unique_ptr<reactor_base>> create_uring_reactor() {
  auto ring = uring_ring::create();
  if (!ring)
    return std::unexpected(std::move(ring.error()));
  unique_fd wakeups(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeups)
    return fail(make_error_code(errc::unsupported),
                "io_uring: cannot create an eventfd: " + errno_text(errno));
  return std::make_unique<uring_reactor>(std::move(*ring), std::move(wakeups));
}

} // namespace nexus::net
