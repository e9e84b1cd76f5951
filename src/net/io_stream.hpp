#pragma once

#include <optional>

#include "net/reactor_base.hpp"

/// What the streams of both reactors share: buffers, limits, the order of callbacks, closing.
namespace nexus::net {

/// The two subclasses move bytes between the kernel and this class. on_data() is
/// called from their event handlers or run_deferred(), everything rarer from the latter alone, so
/// that no method that the owner calls ever calls back before it returns.
class io_stream : public stream, public io_object {
 public:
  void set_handler(stream_handler& handler) final;
  [[nodiscard]] std::string& out() final { return out_; }
  void flush() final;
  [[nodiscard]] std::size_t queued_bytes() const noexcept final {
    return dead_ ? 0 : sending_.size() - sent_ + out_.size();
  }
  [[nodiscard]] std::size_t unread_bytes() const noexcept final;
  void pause_reading() final { paused_ = true; }
  void resume_reading() final;
  void shutdown_write() final;

  void run_deferred() final;
  void reactor_ends() noexcept final;
  /// The reactor's part of flush().
  void flush_now();

 protected:
  io_stream(reactor_base& owner, const descriptors& fds);
  ~io_stream() override;
  void release() noexcept final;
  void release_after_flush() noexcept final;

  /// Reading is wanted and nothing may be under way for it.
  virtual void start_reading() = 0;
  /// Sends what is queued, unless the kernel has yet to answer the last attempt.
  virtual void send_queued() = 0;
  /// Takes everything back from the kernel and closes the descriptors; may be called twice.
  virtual void stop() noexcept = 0;
  /// `fd` is about to be closed.
  virtual void forget(int /*fd*/) noexcept {}

  // ---- For the subclasses' event handlers ------------------------------------------------------
  /// @returns whether deliver() may be called: a handler is there and wants bytes
  [[nodiscard]] bool wants_data() const noexcept {
    return (handler_ != nullptr || lingering_) && !paused_ && !end_seen_ && !dead_;
  }
  /// @pre wants_data(). The stream may be released or dead afterwards.
  void deliver(std::string_view bytes);
  void reached_end();
  /// Has on_error() called as the last callback.
  void fail(errc code, int number);
  void read_failed(int number);
  void send_failed(int number);
  /// The bytes to offer to the kernel next; empty when nothing is queued.
  [[nodiscard]] std::string_view next_bytes();
  /// The reactor calls send_queued() at the end of this turn anyway.
  [[nodiscard]] bool flush_scheduled() const noexcept { return flush_scheduled_; }
  /// The kernel took `bytes` of next_bytes().
  void sent(std::size_t bytes);
  /// Everything queued is sent: does what waited for that.
  void all_sent();
  /// The peer takes nothing for now.
  void await_progress();
  /// Closes what is open, restoring what adopting it changed.
  void close_descriptors() noexcept;
  void close_write_side() noexcept;
  [[nodiscard]] bool dead() const noexcept { return dead_; }
  [[nodiscard]] bool failing() const noexcept { return error_ != nullptr; }
  [[nodiscard]] bool end_reached() const noexcept { return end_pending_ || end_seen_; }
  [[nodiscard]] bool reads_socket() const noexcept { return reads_socket_; }
  [[nodiscard]] bool writes_socket() const noexcept { return writes_socket_; }

  int read_fd_;
  int write_fd_;

 private:
  void deliver_end();
  void deliver_error();
  void drain_before_error();
  /// Over a peer that does not take what it is sent, or a stream that lingers.
  struct stall_watch {
    lazy_timer again;
    std::size_t held_by_kernel = 0; ///< when the peer was last seen to go on
    time_point progress_at{};
  };
  [[nodiscard]] bool watches_stall() const noexcept { return stall_ && stall_->again.armed(); }
  void end_stall_watch() noexcept {
    if (stall_)
      stall_->again.cancel();
  }
  [[nodiscard]] stall_watch& stall();
  /// What the peer has still to take of what the kernel took.
  [[nodiscard]] std::size_t kernel_holds() const noexcept;
  void note_progress(time_point now, std::size_t held);
  void on_stall();
  void finish_lingering() noexcept;
  void arm_stall(nanoseconds delay);

  const bool reads_socket_;
  const bool writes_socket_;
  stream_handler* handler_ = nullptr;
  std::string out_;      ///< what the owner appends to
  std::string sending_;  ///< what the kernel may hold
  std::size_t sent_ = 0; ///< of sending_
  bool paused_ = false;
  bool end_pending_ = false; ///< the peer ended; the handler is not told yet
  bool end_seen_ = false;
  bool dead_ = false; ///< failed, released or without a reactor: no more I/O
  bool lingering_ = false;
  bool flush_scheduled_ = false;
  bool flush_wanted_ = false;
  bool shutdown_wanted_ = false;
  bool write_ended_ = false;
  bool above_high_ = false;
  bool drained_pending_ = false;
  bool drain_before_error_ = false; ///< writing failed: what the peer said before may say why
  bool error_follows_data_ = false; ///< reading failed: told once reading is wanted
  bool restore_read_blocking_ = false;
  bool restore_write_blocking_ = false;
  time_point linger_until_{};
  // What few streams ever have is apart: many of them share a cache.
  std::unique_ptr<error> error_;
  std::unique_ptr<stall_watch> stall_;
};

} // namespace nexus::net
