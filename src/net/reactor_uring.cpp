#include "net/reactor_uring.hpp"

#include <bit>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.hpp"
#include "net/io_stream.hpp"
#include "net/uring_ring.hpp"

// One system call per turn: flushed streams become send entries, which the same call submits that
// then waits for completions.
//
// A send is first tried "silently": MSG_DONTWAIT | MSG_WAITALL with IOSQE_CQE_SKIP_SUCCESS. The
// kernel decides it during submission and posts a completion only when not everything was taken.
// So a successful send, the usual case, costs no completion, and above all it does not end the
// wait of the very call that submitted it. What a silent send left over goes out by a plain send,
// which the kernel retries when there is room.
namespace nexus::net {
namespace {

class uring_reactor;

/// IORING_OP_READ_MULTISHOT of Linux 6.7, which the liburing of Debian 12 does not name.
constexpr std::uint8_t op_read_multishot = 49;

/// What a completion belongs to; kept in the low bits of the pointer that is its user data.
enum class operation : std::uint8_t { receive = 1, silent_send, send, accept, connect };
constexpr std::uint64_t operation_mask = 7;
/// User data of entries whose completion tells nothing.
constexpr std::uint64_t ignored = 0;
constexpr std::uint64_t woken = operation_mask;

class uring_source {
 public:
  virtual void complete(operation which, const io_uring_cqe& cqe) = 0;
  [[nodiscard]] std::uint64_t tag(operation which) const noexcept {
    return std::bit_cast<std::uint64_t>(this) | static_cast<std::uint64_t>(which);
  }

 protected:
  ~uring_source() = default;
};
static_assert(alignof(uring_source) > operation_mask);

class uring_stream;

class uring_reactor final : public reactor_base {
 public:
  uring_reactor(std::unique_ptr<uring_ring> ring, unique_fd eventfd);
  ~uring_reactor() override;

  [[nodiscard]] reactor_kind kind() const noexcept override { return reactor_kind::io_uring; }
  [[nodiscard]] stream_ptr make_stream(const descriptors& fds) override;
  [[nodiscard]] acceptor* make_acceptor(unique_fd fd, accept_handler on_accept) override;
  [[nodiscard]] connect_attempt* start_attempt(unique_fd fd, const socket_address& to,
                                               connect_attempt::handler on_done) override;

  [[nodiscard]] uring_ring& ring() noexcept { return *ring_; }
  /// An entry for an operation of `object`, which lives until end_operation().
  [[nodiscard]] io_uring_sqe& begin_operation(io_object& object) {
    object.hold();
    ++operations_;
    return ring_->next_sqe();
  }
  void end_operation(io_object& object) noexcept {
    --operations_;
    object.drop();
  }
  void cancel(std::uint64_t user_data);
  /// Calls settle() of `s` once the kernel has tried what it queued.
  void await_settlement(uring_stream& s) { silent_queued_.push_back(&s); }

  bool reads_multishot = true; ///< pipes can be read so; false once the kernel refused

 protected:
  void collect(nanoseconds max) override;
  [[nodiscard]] bool has_ready() const noexcept override { return ring_->has_completions(); }
  std::size_t dispatch() override;
  void interrupt() noexcept override;

 private:
  void watch_eventfd();
  void complete(const io_uring_cqe& cqe);

  std::unique_ptr<uring_ring> ring_;
  unique_fd eventfd_;
  std::size_t operations_ = 0;
  std::size_t events_ = 0;
  std::vector<uring_stream*> silent_queued_;
  std::vector<uring_stream*> silent_tried_;
};

// ---- Streams -----------------------------------------------------------------------------------

class uring_stream final : public io_stream, public uring_source {
 public:
  uring_stream(uring_reactor& on, const descriptors& fds) : io_stream(on, fds), on_(on) {}

  void complete(operation which, const io_uring_cqe& cqe) override;
  /// The silent send was tried; `silent_result_` says what came of it.
  void settle();

 protected:
  void start_reading() override;
  void send_queued() override;
  void forget(int /*fd*/) noexcept override { on_.ring().submit_prepared(); }
  void stop() noexcept override;

 private:
  enum class sending : std::uint8_t { nothing, silently, plainly };
  static constexpr int everything = 0; ///< a silent send that posted no completion

  void received(const io_uring_cqe& cqe);
  void receive_failed(int number);
  void arm_receive();
  void stop_receiving();
  void plain_send_done(int result);
  void send_silently(std::string_view bytes);
  void send_plainly(std::string_view bytes);

  uring_reactor& on_;
  sending sending_by_ = sending::nothing;
  bool receiving_ = false;
  bool stopping_ = false;     ///< a cancellation of the receive is under way
  bool single_reads_ = false; ///< this descriptor cannot be read multishot
  bool plain_writes_ = false; ///< this descriptor refuses RWF_NOWAIT
  int silent_result_ = everything;
  std::string held_; ///< arrived while reading was paused
};

void uring_stream::complete(operation which, const io_uring_cqe& cqe) {
  if (which == operation::receive) {
    received(cqe);
  } else if (which == operation::silent_send) {
    silent_result_ = cqe.res;
  } else {
    const int result = cqe.res;
    sending_by_ = sending::nothing;
    if (!dead())
      plain_send_done(result);
    on_.end_operation(*this);
  }
}

void uring_stream::received(const io_uring_cqe& cqe) {
  const bool last = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (last)
    receiving_ = stopping_ = false;
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    if (cqe.res > 0 && !dead()) {
      // What is held comes first.
      if (wants_data() && held_.empty())
        deliver(on_.ring().bytes(cqe));
      else
        held_ += on_.ring().bytes(cqe);
    }
    on_.ring().recycle(cqe);
  }
  if (!dead()) {
    if (cqe.res == 0)
      reached_end();
    else if (cqe.res < 0)
      receive_failed(-cqe.res);
    else if (!wants_data())
      stop_receiving();
    else if (last)
      arm_receive();
  }
  if (last)
    on_.end_operation(*this);
}

void uring_stream::receive_failed(int number) {
  switch (number) {
  case ENOBUFS:
    // All buffers wait in completions of this turn; run_deferred() finds them returned.
    on_.ring().add_buffers();
    return on_.defer(*this);
  case ECANCELED:
  case EAGAIN:
  case EINTR:
    return on_.defer(*this);
  case EINVAL:
  case EBADFD:
    if (!reads_socket() && !single_reads_) {
      if (number == EINVAL)
        on_.reads_multishot = false;
      single_reads_ = true;
      return on_.defer(*this);
    }
    break;
  default:
    break;
  }
  read_failed(number);
}

void uring_stream::start_reading() {
  if (!held_.empty()) {
    const std::string held = std::exchange(held_, {});
    deliver(held);
  }
  if (wants_data())
    arm_receive();
}

void uring_stream::arm_receive() {
  if (receiving_ || end_reached() || failing() || read_fd_ < 0)
    return;
  io_uring_sqe& sqe = on_.begin_operation(*this);
  if (reads_socket()) {
    io_uring_prep_recv_multishot(&sqe, read_fd_, nullptr, 0, 0);
  } else if (on_.reads_multishot && !single_reads_) {
    io_uring_prep_rw(op_read_multishot, &sqe, read_fd_, nullptr, 0, ~std::uint64_t{0});
  } else {
    io_uring_prep_read(&sqe, read_fd_, nullptr, uring_ring::buffer_bytes, ~std::uint64_t{0});
  }
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = uring_ring::buffer_group;
  sqe.user_data = tag(operation::receive);
  receiving_ = true;
}

void uring_stream::stop_receiving() {
  if (!receiving_ || stopping_)
    return;
  stopping_ = true;
  on_.cancel(tag(operation::receive));
}

void uring_stream::send_queued() {
  if (sending_by_ != sending::nothing)
    return;
  const auto bytes = next_bytes();
  if (bytes.empty())
    return all_sent();
  if (on_.ring().silent_sends() && !plain_writes_)
    send_silently(bytes);
  else
    send_plainly(bytes);
}

void uring_stream::send_silently(std::string_view bytes) {
  io_uring_sqe& sqe = on_.begin_operation(*this);
  if (writes_socket()) {
    io_uring_prep_send(&sqe, write_fd_, bytes.data(), bytes.size(),
                       MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
  } else {
    io_uring_prep_write(&sqe, write_fd_, bytes.data(), static_cast<unsigned>(bytes.size()),
                        ~std::uint64_t{0});
    sqe.rw_flags = RWF_NOWAIT;
  }
  sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
  sqe.user_data = tag(operation::silent_send);
  sending_by_ = sending::silently;
  silent_result_ = everything;
  on_.await_settlement(*this);
}

void uring_stream::settle() {
  sending_by_ = sending::nothing;
  const int result = silent_result_;
  if (!dead() && !failing()) {
    if (result == everything) {
      sent(next_bytes().size());
      if (!flush_scheduled())
        all_sent();
    } else if (result == -EOPNOTSUPP || result == -EINVAL) {
      plain_writes_ = true;
      send_plainly(next_bytes());
    } else {
      plain_send_done(result);
    }
  }
  on_.end_operation(*this);
}

void uring_stream::send_plainly(std::string_view bytes) {
  io_uring_sqe& sqe = on_.begin_operation(*this);
  if (writes_socket())
    io_uring_prep_send(&sqe, write_fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  else
    io_uring_prep_write(&sqe, write_fd_, bytes.data(), static_cast<unsigned>(bytes.size()),
                        ~std::uint64_t{0});
  sqe.user_data = tag(operation::send);
  sending_by_ = sending::plainly;
  await_progress();
}

void uring_stream::plain_send_done(int result) {
  if (result < 0 && result != -EAGAIN && result != -EINTR)
    return send_failed(-result);
  if (failing())
    return;
  if (result > 0)
    sent(static_cast<std::size_t>(result));
  const auto bytes = next_bytes();
  if (bytes.empty())
    return all_sent();
  send_plainly(bytes);
}

void uring_stream::stop() noexcept {
  if (read_fd_ < 0 && write_fd_ < 0)
    return;
  stop_receiving();
  if (sending_by_ == sending::plainly)
    on_.cancel(tag(operation::send));
  close_descriptors();
}

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
  ring_->reap([this](const io_uring_cqe& cqe) { complete(cqe); });
  // After the reaping, which brought the results of those that did not succeed.
  for (uring_stream* s : silent_tried_)
    s->settle();
  silent_tried_.clear();
  return events_;
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

} // namespace

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
