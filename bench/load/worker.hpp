#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bench/load/answer.hpp"
#include "bench/load/channel.hpp"
#include "bench/load/options.hpp"
#include "bench/load/pacer.hpp"
#include "bench/load/recorder.hpp"
#include "bench/load/request_set.hpp"
#include "bench/load/subscriber.hpp"
#include "bench/load/wake_timer.hpp"

namespace nexus::load {

/// What the threads of a run share.
struct run_state {
  std::atomic<std::int64_t> start_ns{0}; ///< of the warm-up; 0 while connections are made
  std::atomic<bool> stop{false};         ///< somebody failed: no run
  std::uint64_t first_id = 0;
  std::int64_t warmup_ns = 0;
  std::int64_t window_ns = 0;
};

/// What a worker shows while it runs. @thread any may read
struct live_counts {
  std::atomic<bool> ready{false}, done{false}, failed{false};
  std::atomic<std::uint64_t> ready_channels{0}, calls{0}, errors{0}, in_flight{0};
  std::atomic<std::int64_t> behind_ns{0}; ///< open loop: how late the next call is
};

/// One thread of the generator: a reactor, its share of the connections and of the rate.
///
/// Closed loop: a connection sends as soon as it has its answer and has thought. Open loop: a call
/// is due when the pacer says so, whatever the server does; without a free connection it waits, and
/// its latency counts from when it was due, so that a stall is seen by every call that it delayed.
class worker final : private channel_events {
 public:
  /// Number `share` of `run.threads`.
  worker(const run_options& run, run_state& shared, unsigned share);

  /// Connects, waits for the start, runs, waits for the last answers. @thread its own
  void run();

  [[nodiscard]] const live_counts& live() const noexcept { return live_; }
  /// @pre done
  [[nodiscard]] const recorder& record() const noexcept { return record_; }
  /// Why there is no run. @pre failed
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] const std::string& reactor_name() const noexcept { return reactor_name_; }

 private:
  static constexpr std::int64_t second_ns = 1'000'000'000;
  /// How long after the window an open loop still sends what was due in it.
  static constexpr std::int64_t catch_up_ns = 2 * second_ns;

  struct thought {
    std::int64_t until_ns;
    channel* who;
    bool operator>(const thought& other) const noexcept { return until_ns > other.until_ns; }
  };

  void on_ready(channel& from) override;
  heard on_message(channel& from, std::string_view text) override;
  void on_dropped(channel& from, const call& lost) override;
  void on_refused(channel& from, unsigned status, std::string_view body) override;
  void on_failed(channel& from, const call& lost, error_class what, std::string_view why) override;
  void on_free(channel& from) override;
  void on_lost(channel& from, error_class what, std::string_view why, bool idle) override;
  void count_bytes(std::size_t in, std::size_t out) override;
  void count_session() override { ++record_.sessions; }
  void count_reconnect() override { ++record_.reconnects; }
  std::uint64_t next_id() override;
  bool take_idle_session() override;
  bool take_shared_opening() override { return !std::exchange(shared_opening_, true); }
  void share_session(const std::string& id) override;
  [[nodiscard]] const std::string& shared_session() const override { return shared_session_; }

  void fail_run(std::string why);
  void open_some();
  [[nodiscard]] std::unique_ptr<channel> make_channel();
  [[nodiscard]] bool set_up();
  void begin(std::int64_t start_ns);
  void drive();
  void sweep(std::int64_t now);
  void use_stage(std::int64_t now);
  void expire_calls(channel& of, std::int64_t now);
  [[nodiscard]] std::int64_t next_wake(std::int64_t now) const;
  [[nodiscard]] bool over(std::int64_t now) const;
  void finish(std::int64_t now);

  void pump(std::int64_t now);
  void send_call(channel& to, std::int64_t due_ns, std::int64_t now);
  void list(channel& one);
  [[nodiscard]] bool has_room(const channel& one) const noexcept;
  void end_thoughts(std::int64_t now);
  [[nodiscard]] std::int64_t pause_ns();
  void answered(const call& one, std::int64_t now);
  void count_wrong(const call& one);
  void wrong(const call& one, error_class what, std::string_view text);
  [[nodiscard]] bool in_window(std::int64_t at) const noexcept;
  [[nodiscard]] second_record* second_of(std::int64_t at) noexcept;

  const run_options& run_;
  run_state& shared_;
  const unsigned share_;
  std::unique_ptr<net::reactor> reactor_;
  std::unique_ptr<wake_timer> precise_; ///< only where the reactor counts milliseconds
  request_set requests_;
  answer_reader reader_;
  recorder record_;
  live_counts live_;
  std::string failure_, reactor_name_;

  std::vector<std::unique_ptr<channel>> channels_;
  std::vector<std::unique_ptr<subscriber>> subscribers_;
  std::deque<channel*> with_room_;
  std::vector<channel*> lost_;
  std::priority_queue<thought, std::vector<thought>, std::greater<>> thoughts_;
  std::unordered_set<std::uint64_t> expired_; ///< whose answers may still come
  std::string shared_session_;
  bool shared_opening_ = false;
  int idle_sessions_left_ = 0;
  std::size_t opened_ = 0; ///< channels of which open() was called
  std::size_t ready_ = 0;  ///< channels that have been ready before the start
  std::size_t in_flight_ = 0;
  std::size_t usable_; ///< channels in use by a closed loop's stage

  std::optional<pacer> pacer_;
  std::minstd_rand random_;
  std::uint64_t ids_used_ = 0;
  bool started_ = false;
  std::int64_t setup_until_ns_ = 0;
  std::int64_t start_ns_ = 0, window_begin_ns_ = 0, window_end_ns_ = 0;
  std::int64_t next_sweep_ns_ = 0;
};

} // namespace nexus::load
