#include "net/io_stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.hpp"
#include "base/limits.hpp"

namespace nexus::net {
namespace {

/// A closing stream may take this many stall timeouts in all, so that a peer that takes a byte now
/// and then does not hold its buffers for ever.
constexpr int linger_stalls_max = 10;
/// A stalled peer is looked at so often before it is given up.
constexpr int stall_looks = 4;
/// More than the kernel ever holds: whatever it says later is progress.
constexpr std::size_t not_asked = std::numeric_limits<std::size_t>::max();
/// What is read at most of a peer that no longer takes anything, before it is given up.
constexpr std::size_t last_words_bytes_max = 1024 * 1024;

void restore_blocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0)
    ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

} // namespace

void close_after_flush(stream_ptr closing) {
  if (closing)
    closing.release()->release_after_flush();
}

io_stream::io_stream(reactor_base& owner, const descriptors& fds)
    : io_object(owner), read_fd_(fds.read), write_fd_(fds.write), reads_socket_(fds.read_socket),
      writes_socket_(fds.write_socket) {
  // Sockets are asked with MSG_DONTWAIT; everything else needs the flag, which its descriptor may
  // share with other processes (a terminal).
  if (!reads_socket_ && fds.read >= 0)
    restore_read_blocking_ = set_nonblocking(fds.read);
  if (!writes_socket_ && fds.write >= 0 && fds.write != fds.read)
    restore_write_blocking_ = set_nonblocking(fds.write);
  owner.stream_opened();
}

io_stream::~io_stream() = default;

void io_stream::set_handler(stream_handler& handler) {
  handler_ = &handler;
  if (!dead_)
    reactor_->defer(*this);
}

void io_stream::resume_reading() {
  if (!paused_)
    return;
  paused_ = false;
  if (!dead_)
    reactor_->defer(*this);
}

void io_stream::flush() {
  if (dead_ || error_ || write_fd_ < 0) {
    out_.clear();
    return;
  }
  if (write_ended_)
    out_.clear();
  const std::size_t queued = queued_bytes();
  if (queued > limits::write_queue_high_bytes) {
    above_high_ = true;
    if (queued > limits::write_queue_bytes_max)
      return fail(errc::write_queue_full, 0);
  }
  flush_wanted_ = true;
  if (flush_scheduled_)
    return;
  flush_scheduled_ = true;
  reactor_->schedule_flush(*this);
}

void io_stream::flush_now() {
  flush_scheduled_ = false;
  if (!dead_ && !error_)
    send_queued();
}

void io_stream::shutdown_write() {
  shutdown_wanted_ = true;
  flush();
}

// ---- Callbacks
// -----------------------------------------------------------------------------------

void io_stream::deliver(std::string_view bytes) {
  if (!lingering_)
    handler_->on_data(bytes);
}

void io_stream::reached_end() {
  if (end_reached())
    return;
  end_pending_ = true;
  reactor_->defer(*this);
}

void io_stream::deliver_end() {
  end_pending_ = false;
  end_seen_ = true;
  if (!lingering_)
    handler_->on_end();
  else if (queued_bytes() == 0)
    finish_lingering();
}

void io_stream::fail(errc code, int number) {
  if (dead_ || error_)
    return;
  std::string reason = code == errc::write_queue_full
                           ? "the peer takes too little of what it is sent"
                       : code == errc::timed_out ? "the peer took nothing for too long"
                                                 : errno_text(number);
  error_ = std::make_unique<error>(error{make_error_code(code), std::move(reason), {}});
  out_.clear();
  end_stall_watch();
  reactor_->defer(*this);
}

void io_stream::read_failed(int number) {
  error_follows_data_ = !error_;
  fail(errc::reset, number);
}

void io_stream::send_failed(int number) {
  drain_before_error_ = !error_;
  fail(errc::reset, number);
}

void io_stream::run_deferred() {
  if (dead_)
    return;
  if (std::exchange(drained_pending_, false) && handler_ != nullptr)
    handler_->on_drained();
  if (wants_data())
    start_reading();
  if (end_pending_ && wants_data())
    deliver_end();
  const bool told = handler_ != nullptr || lingering_;
  if (!dead_ && error_ && told && !(error_follows_data_ && paused_))
    deliver_error();
}

void io_stream::drain_before_error() {
  if (read_fd_ < 0 || end_reached())
    return;
  constexpr std::size_t piece_bytes = 16 * 1024;
  std::array<char, piece_bytes + readable_beyond_bytes> buffer; // NOLINT: filled by the kernel
  for (std::size_t total = 0; total < last_words_bytes_max && wants_data();) {
    const ssize_t n = reads_socket_ ? ::recv(read_fd_, buffer.data(), piece_bytes, MSG_DONTWAIT)
                                    : ::read(read_fd_, buffer.data(), piece_bytes);
    reactor_->count_system_call();
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    total += static_cast<std::size_t>(n);
    deliver({buffer.data(), static_cast<std::size_t>(n)});
  }
}

void io_stream::deliver_error() {
  if (std::exchange(drain_before_error_, false))
    drain_before_error();
  if (dead_)
    return; // Released by what it was told.
  if (lingering_)
    return finish_lingering();
  dead_ = true;
  stop();
  const error reason = std::move(*error_);
  std::exchange(handler_, nullptr)->on_error(reason);
}

// ---- Sending
// -------------------------------------------------------------------------------------

std::string_view io_stream::next_bytes() {
  if (sending_.empty() && flush_wanted_) {
    flush_wanted_ = false;
    sending_.swap(out_);
  }
  return std::string_view(sending_).substr(sent_);
}

void io_stream::sent(std::size_t bytes) {
  sent_ += bytes;
  if (sent_ == sending_.size()) {
    sent_ = 0;
    if (sending_.capacity() > limits::stream_buffer_keep_bytes)
      std::string().swap(sending_);
    else
      sending_.clear();
  }
  if (above_high_ && queued_bytes() < limits::write_queue_low_bytes) {
    above_high_ = false;
    drained_pending_ = true;
    reactor_->defer(*this);
  }
  if (!watches_stall() || queued_bytes() == 0)
    return;
  if (lingering_)
    arm_stall(reactor_->write_stall_timeout());
  else
    note_progress(reactor_->read_clock(), kernel_holds());
}

void io_stream::all_sent() {
  if (!lingering_)
    end_stall_watch();
  if (shutdown_wanted_ && !write_ended_) {
    write_ended_ = true;
    close_write_side();
  }
  if (!lingering_)
    return;
  if (!reads_socket_ || end_reached())
    return finish_lingering();
  linger_until_ = reactor_->read_clock() + limits::linger_timeout;
  arm_stall(limits::linger_timeout);
}

void io_stream::await_progress() {
  if (watches_stall())
    return;
  if (!lingering_) // to ask the kernel for each write to a pipe would cost as much as the write
    note_progress(reactor_->read_clock(), not_asked);
  else
    arm_stall(reactor_->write_stall_timeout());
}

void io_stream::note_progress(time_point now, std::size_t held) {
  stall().progress_at = now;
  stall().held_by_kernel = held;
  arm_stall(reactor_->write_stall_timeout() / stall_looks);
}

std::size_t io_stream::unread_bytes() const noexcept {
  return dead_ ? 0 : queued_bytes() + kernel_holds();
}

std::size_t io_stream::kernel_holds() const noexcept {
  int count = 0;
  reactor_->count_system_call();
  // pipe(7), tcp(7)
  if (::ioctl(write_fd_, writes_socket_ ? SIOCOUTQ : FIONREAD, &count) != 0)
    return 0;
  return static_cast<std::size_t>(count);
}

io_stream::stall_watch& io_stream::stall() {
  if (!stall_) {
    stall_ = std::make_unique<stall_watch>();
    stall_->again.set_action([this] { on_stall(); });
  }
  return *stall_;
}

void io_stream::arm_stall(nanoseconds delay) {
  const time_point now = reactor_->read_clock();
  if (lingering_)
    delay = std::min(delay, nanoseconds(linger_until_ - now));
  reactor_->timers().arm(stall().again, now, delay);
}

void io_stream::on_stall() {
  if (lingering_)
    return finish_lingering();
  // A kernel that holds megabytes asks for more long after the peer has begun to take them.
  const auto held = kernel_holds();
  const auto now = reactor_->read_clock();
  if (held < stall().held_by_kernel)
    return note_progress(now, held);
  if (now - stall().progress_at >= reactor_->write_stall_timeout())
    return fail(errc::timed_out, 0);
  arm_stall(reactor_->write_stall_timeout() / stall_looks);
}

// ---- Closing
// -------------------------------------------------------------------------------------

void io_stream::release() noexcept {
  handler_ = nullptr;
  dead_ = true;
  end_stall_watch();
  if (reactor_ != nullptr) {
    stop();
    reactor_->stream_closed();
  }
  let_go();
}

void io_stream::release_after_flush() noexcept {
  const bool nothing_to_do = queued_bytes() == 0 && !reads_socket_;
  if (dead_ || error_ || write_fd_ < 0 || nothing_to_do)
    return release();
  handler_ = nullptr;
  lingering_ = true;
  paused_ = false;
  linger_until_ = reactor_->read_clock() + linger_stalls_max * reactor_->write_stall_timeout();
  if (watches_stall())
    arm_stall(reactor_->write_stall_timeout());
  shutdown_write();
  reactor_->defer(*this);
}

void io_stream::finish_lingering() noexcept {
  lingering_ = false;
  release();
}

void io_stream::reactor_ends() noexcept {
  end_stall_watch();
  if (lingering_)
    return finish_lingering();
  handler_ = nullptr;
  dead_ = true;
  stop();
  reactor_->stream_closed();
}

void io_stream::close_write_side() noexcept {
  reactor_->count_system_call();
  if (writes_socket_) {
    ::shutdown(write_fd_, SHUT_WR);
  } else if (write_fd_ != read_fd_) {
    forget(write_fd_);
    if (restore_write_blocking_)
      restore_blocking(write_fd_);
    ::close(std::exchange(write_fd_, -1));
  }
}

void io_stream::close_descriptors() noexcept {
  const int read_fd = std::exchange(read_fd_, -1);
  const int write_fd = std::exchange(write_fd_, -1);
  if (read_fd >= 0) {
    forget(read_fd);
    if (restore_read_blocking_)
      restore_blocking(read_fd);
    ::close(read_fd);
    reactor_->count_system_call();
  }
  if (write_fd >= 0 && write_fd != read_fd) {
    forget(write_fd);
    if (restore_write_blocking_)
      restore_blocking(write_fd);
    ::close(write_fd);
    reactor_->count_system_call();
  }
}

} // namespace nexus::net
