#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/reactor_base.hpp"
#include "net/uring_ring.hpp"

/// The reactor over io_uring as its streams see it.
namespace nexus::net {

class uring_stream;

/// What a completion belongs to; kept in the low bits of the pointer that is its user data.
enum class operation : std::uint8_t { receive = 1, silent_send, send, accept, connect };
inline constexpr std::uint64_t operation_mask = 7;

/// What operations are begun for. It lives until the last of them has completed.
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
  [[nodiscard]] bool has_ready() const noexcept override { return ring_->completions_count() != 0; }
  std::size_t dispatch() override;
  void interrupt() noexcept override;

 private:
  void watch_eventfd();
  void complete(const io_uring_cqe& cqe);
  /// Sends what the streams have so far, in the middle of a turn.
  void send_part();

  std::unique_ptr<uring_ring> ring_;
  unique_fd eventfd_;
  std::size_t operations_ = 0;
  std::size_t events_ = 0;
  std::vector<uring_stream*> silent_queued_;
  std::vector<uring_stream*> silent_tried_;
};

} // namespace nexus::net
