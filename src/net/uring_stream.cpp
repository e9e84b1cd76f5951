#include "net/uring_stream.hpp"

#include <cerrno>
#include <utility>

namespace nexus::net {
namespace {

/// IORING_OP_READ_MULTISHOT of Linux 6.7, which the liburing of Debian 12 does not name.
constexpr std::uint8_t op_read_multishot = 49;

} // namespace

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
    std::string held = std::exchange(held_, {});
    held.reserve(held.size() + readable_beyond_bytes);
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
  // The failure of a write to a pipe is told in a completion that may be turns late (since Linux
  // 6.13 a call to the kernel does not finish all that is pending), that of a send in this one.
  if (on_.ring().silent_sends() && writes_socket())
    send_silently(bytes);
  else
    send_plainly(bytes);
}

void uring_stream::send_silently(std::string_view bytes) {
  io_uring_sqe& sqe = on_.begin_operation(*this);
  io_uring_prep_send(&sqe, write_fd_, bytes.data(), bytes.size(),
                     MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
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
        send_queued();
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

} // namespace nexus::net
