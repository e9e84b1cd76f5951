#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "base/rate_limit.hpp"
#include "net/reactor.hpp"
#include "net/resolver.hpp"
#include "net/socket.hpp"

/// What the io_uring and the epoll reactor share: the turn, posted work, sleeping and waking,
/// timers, and the lifetime of objects that the kernel may still refer to.
namespace nexus::net {

class io_stream;
class reactor_base;

/// Something of a reactor that outlives its owner's interest until the last kernel operation and
/// the last list of the turn let go of it.
class io_object {
 public:
  explicit io_object(reactor_base& owner) noexcept;
  io_object(const io_object&) = delete;
  io_object& operator=(const io_object&) = delete;
  virtual ~io_object();

  /// One more operation or list refers to this object.
  void hold() noexcept { ++holds_; }
  /// One less. The object may be gone after the turn, never before.
  void drop() noexcept;
  /// What defer() asked for, later in the turn or in the next one.
  virtual void run_deferred() {}
  /// The reactor ends before this object: takes everything back from the kernel. Only the owner's
  /// release follows.
  virtual void reactor_ends() noexcept = 0;

 protected:
  /// The owner has no more interest. @post the caller touches the object no more
  void let_go() noexcept;
  [[nodiscard]] bool released() const noexcept { return released_; }

  reactor_base* reactor_; ///< null once the reactor ended

 private:
  friend class reactor_base;
  unsigned holds_ = 0;
  bool released_ = false;
  bool deferred_ = false;
  io_object* next_ = nullptr; ///< all objects of the reactor
  io_object** previous_next_ = nullptr;
};

/// The descriptors of a stream. What they are is asked of the kernel only where it is not known.
struct descriptors {
  int read = -1;
  int write = -1;
  bool read_socket = false;
  bool write_socket = false;

  [[nodiscard]] static descriptors of_socket(int fd) noexcept { return {fd, fd, true, true}; }
  [[nodiscard]] static descriptors of(int read_fd, int write_fd) noexcept;
};

/// A listener's socket; the two reactors differ in how they accept.
class acceptor : public io_object {
 public:
  acceptor(reactor_base& owner, unique_fd fd, reactor::accept_handler on_accept);
  virtual void start() = 0;
  /// The listener is gone.
  void close() noexcept;
  void reactor_ends() noexcept final;
  [[nodiscard]] endpoint local() const { return local_endpoint(fd_.get()); }

 protected:
  virtual void stop() noexcept = 0;
  void accepted(int fd);
  /// @returns whether to go on accepting now; otherwise start() follows by timer
  [[nodiscard]] bool accept_failed(int number);

  unique_fd fd_;

 private:
  reactor::accept_handler on_accept_;
  timer retry_;
  rate_limit complaints_{1};
};

/// One TCP connection attempt.
class connect_attempt : public io_object {
 public:
  /// `number` is an errno value, 0 for success, when `fd` is the connected socket.
  using handler = unique_function<void(unique_fd fd, int number)>;
  connect_attempt(reactor_base& owner, unique_fd fd, const socket_address& to, handler on_done);
  /// Nobody waits for it any more; the handler does not run.
  void cancel() noexcept;
  void reactor_ends() noexcept final;

 protected:
  virtual void stop() noexcept = 0;
  void finish(int number);

  unique_fd fd_;
  socket_address to_;

 private:
  handler on_done_;
};

/// A counter that one thread writes and others read.
class relaxed_counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class reactor_base : public reactor {
 public:
  reactor_base();

  [[nodiscard]] const std::string& fallback_reason() const noexcept final { return reason_; }
  void set_fallback_reason(std::string reason) { reason_ = std::move(reason); }
  std::size_t poll() final { return turn(nanoseconds::zero()); }
  std::size_t wait(nanoseconds max) final { return turn(max); }
  void wake() noexcept final;
  void post(unique_function<void()> work) final;
  [[nodiscard]] time_point now() const noexcept final { return now_; }
  [[nodiscard]] timer_wheel& timers() noexcept final { return timers_; }
  [[nodiscard]] reactor_counters counters() const noexcept final;
  [[nodiscard]] result<std::unique_ptr<listener>> listen(const endpoint& at,
                                                         accept_handler on_accept) final;
  [[nodiscard]] std::unique_ptr<listener> accept_on(int listening_fd,
                                                    accept_handler on_accept) final;
  [[nodiscard]] std::unique_ptr<pending_connect> connect(connect_options options,
                                                         connect_handler on_done) final;
  [[nodiscard]] stream_ptr adopt(int read_fd, int write_fd) final;

  // ---- For streams, acceptors and connectors --------------------------------------------------
  [[nodiscard]] virtual stream_ptr make_stream(const descriptors& fds) = 0;
  [[nodiscard]] virtual acceptor* make_acceptor(unique_fd fd, accept_handler on_accept) = 0;
  [[nodiscard]] virtual connect_attempt* start_attempt(unique_fd fd, const socket_address& to,
                                                       connect_attempt::handler on_done) = 0;
  [[nodiscard]] resolver& names() noexcept { return resolver_; }
  /// The time as it is, for periods that begin between turns.
  time_point read_clock() noexcept;
  /// Calls send_queued() of `s` when the turn sends.
  void schedule_flush(io_stream& s);
  /// Calls run_deferred() of `object` later in this turn, or in the next one.
  void defer(io_object& object);
  void stream_opened() noexcept { streams_.add(); }
  void stream_closed() noexcept { streams_.add(~std::uint64_t{0}); }
  void count_system_call() noexcept { system_calls_.add(); }
  [[nodiscard]] nanoseconds write_stall_timeout() const noexcept { return write_stall_timeout_; }
  void set_write_stall_timeout_for_test(nanoseconds t) noexcept { write_stall_timeout_ = t; }

 protected:
  /// Submits, sleeps for `max` at most (nanoseconds::max(): for ever), and learns what is ready.
  virtual void collect(nanoseconds max) = 0;
  /// Whether the last collect() learnt something that dispatch() has not handled.
  [[nodiscard]] virtual bool has_ready() const noexcept = 0;
  /// Handles what collect() learnt. @returns how many events
  virtual std::size_t dispatch() = 0;
  /// dispatch() says of each event whose it is.
  void note_party(const void* whose) noexcept {
    if (whose == parties_[0] || whose == parties_[1])
      return;
    parties_[1] = parties_[0];
    parties_[0] = whose;
    stranger_ = true;
  }
  /// After the handlers of a turn ran.
  virtual void end_turn() {}
  /// Ends a collect() from any thread.
  virtual void interrupt() noexcept = 0;

  void flush_streams();
  /// The two ends of every destructor below this: first destroys posted work and has every object
  /// stopped, then, when the kernel is done with them, parts from those that still have owners.
  void stop_objects() noexcept;
  void part_from_objects() noexcept;

 private:
  friend class io_object;
  std::size_t turn(nanoseconds max);
  [[nodiscard]] nanoseconds sleep_time(nanoseconds max) const;
  /// Looks again and again instead of sleeping. @returns whether something is ready
  [[nodiscard]] bool spin(nanoseconds max);
  /// Learns from a wait whether the next one should begin with spin().
  enum class spun : std::uint8_t { never, caught, in_vain };
  void judge_wait(nanoseconds waited, std::size_t events, spun how) noexcept;
  std::size_t run_posted();
  std::size_t run_deferred_objects();
  void bury() noexcept;

  enum class sleep_state : std::uint8_t { awake, sleeping, notified };
  /// What other threads touch has cache lines of its own.
  alignas(64) std::atomic<sleep_state> sleep_{sleep_state::awake};
  std::atomic<bool> has_posted_{false};
  std::mutex posted_mutex_;
  std::vector<unique_function<void()>> posted_;

  alignas(64) time_point now_;
  timer_wheel timers_;
  std::vector<io_stream*> flushing_, flushing_now_;
  std::vector<io_object*> deferred_, deferred_now_;
  std::vector<io_object*> graveyard_;
  std::vector<unique_function<void()>> posted_now_;
  io_object* objects_ = nullptr;
  nanoseconds write_stall_timeout_;
  /// Waits that were worth spinning through, in a row, before the next one is: usually, and at
  /// most.
  static constexpr unsigned short_waits_min = 8, short_waits_max = 1024;
  unsigned short_waits_ = 0; ///< lately, in a row; see judge_wait()
  unsigned short_waits_to_spin_ = short_waits_min;
  const void* parties_[2] = {}; ///< of the last events, the latest first
  bool stranger_ = false;       ///< an event of another one came in this turn
  relaxed_counter turns_, waits_, system_calls_, completions_, posts_run_, streams_;
  std::string reason_;
  resolver resolver_;
};

} // namespace nexus::net
