#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <liburing.h>

#include "base/clock.hpp"
#include "base/result.hpp"

/// A ring with its provided buffers: what reactor_uring builds on.
namespace nexus::net {

class uring_ring {
 public:
  /// @errors unsupported: what was tried, what refused it, and a remedy
  /// @thread the only one that may use the ring
  [[nodiscard]] static result<std::unique_ptr<uring_ring>> create();
  uring_ring(const uring_ring&) = delete;
  uring_ring& operator=(const uring_ring&) = delete;
  ~uring_ring();

  /// A cleared submission entry; submits what is queued when there is no room. The caller sets
  /// everything, user data included.
  [[nodiscard]] io_uring_sqe& next_sqe();
  /// Submits what is prepared, without waiting. An entry names its descriptor by number, which
  /// means another file once it was closed and given out again, by whatever thread: this comes
  /// before every close.
  void submit_prepared();
  /// Submits everything and makes completions visible, in one system call or none when there is
  /// nothing to do. Sleeps for up to `max` until there is one (nanoseconds::max(): for ever).
  /// @returns how many system calls it took
  unsigned collect(nanoseconds max);
  /// Everything queued before the last collect() has been tried by the kernel, and the completions
  /// of what was decided at once are visible.
  [[nodiscard]] bool all_submitted() const noexcept { return all_submitted_; }

  /// How many completions reap() would find.
  [[nodiscard]] unsigned completions_count() const noexcept { return io_uring_cq_ready(&ring_); }
  /// Calls `handle(const io_uring_cqe&)` for every completion that is visible now; those that
  /// appear meanwhile, because the handler submits, are left. @returns how many
  template <class Handler>
  std::size_t reap(Handler&& handle) {
    const unsigned visible = completions_count();
    unsigned head = 0;
    unsigned count = 0;
    grown_ = false;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      if (count == visible)
        break;
      handle(*cqe);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
    commit_buffers();
    return count;
  }

  // ---- Provided buffers ------------------------------------------------------------------------
  static constexpr std::uint16_t buffer_group = 0;
  static constexpr std::size_t buffer_bytes = 16 * 1024;

  /// The bytes of a completion that has IORING_CQE_F_BUFFER.
  [[nodiscard]] std::string_view bytes(const io_uring_cqe& cqe) const noexcept;
  /// Gives the buffer of such a completion back; the kernel sees it after reap().
  void recycle(const io_uring_cqe& cqe) noexcept;
  /// Called upon ENOBUFS: puts more buffers into circulation, once per reap() and up to a bound.
  void add_buffers() noexcept;

  /// Sends may be tried at once and stay silent when they succeed: see uring_stream.hpp.
  [[nodiscard]] bool silent_sends() const noexcept { return silent_sends_; }
  /// The kernel keeps using the buffers of an operation that could not be cancelled.
  void leak_buffers() noexcept { leak_buffers_ = true; }

 private:
  uring_ring() = default;
  [[nodiscard]] result<> set_up();
  [[nodiscard]] result<> provide_buffers();
  [[nodiscard]] result<> try_multishot_recv();
  void try_silent_sends();
  void commit_buffers() noexcept;

  io_uring ring_{};
  bool initialised_ = false;
  bool all_submitted_ = true;
  bool silent_sends_ = false;
  bool leak_buffers_ = false;
  bool grown_ = false; ///< by completions of this reap()
  int to_commit_ = 0;
  std::uint16_t buffers_count_ = 0; ///< in circulation
  char* buffers_ = nullptr;
  io_uring_buf_ring* buffer_ring_ = nullptr;
};

} // namespace nexus::net
