#include "bench/load/run.hpp"

#include <atomic>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <random>
#include <thread>
#include <unistd.h>

#include "bench/e2e/process_usage.hpp"
#include "bench/e2e/sockets.hpp"
#include "bench/load/worker.hpp"

namespace nexus::load {
namespace {

using bench::now_ns;

constexpr std::int64_t second_ns = 1'000'000'000;
/// From the decision to start until the start, so that all threads know of it.
constexpr std::int64_t start_delay_ns = second_ns / 50;
constexpr auto look_every = std::chrono::milliseconds(5);

std::atomic<bool> interrupted{false};

/// The CPU time of the watched processes and of this one over a window.
class usage_meter {
 public:
  explicit usage_meter(const std::vector<pid_t>& watched) : watched_(watched) {}

  void begin() { at_begin_ = take(); }

  void end(run_report& into) const {
    const auto at_end = take();
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      into.watched_cpu_us.push_back(at_end[i].cpu_us - at_begin_[i].cpu_us);
      into.watched_rss_bytes.push_back(at_end[i].rss_bytes);
    }
    into.own_cpu_us = at_end.back().cpu_us - at_begin_.back().cpu_us;
  }

 private:
  [[nodiscard]] std::vector<bench::process_usage> take() const {
    std::vector<bench::process_usage> out;
    for (const auto pid : watched_)
      out.push_back(bench::usage_of(pid));
    out.push_back(bench::usage_of(::getpid()));
    return out;
  }

  const std::vector<pid_t>& watched_;
  std::vector<bench::process_usage> at_begin_;
};

/// Looks after the threads of one run from the main one.
class conductor {
 public:
  explicit conductor(const run_options& run) : run_(run), meter_(run.watched) {
    std::random_device random;
    shared_.first_id = first_id + random() % 1'000'000'000U;
    shared_.warmup_ns = static_cast<std::int64_t>(run.warmup_seconds * 1e9);
    shared_.window_ns = static_cast<std::int64_t>(run.seconds * 1e9);
    for (unsigned i = 0; i < static_cast<unsigned>(run.threads); ++i)
      workers_.push_back(std::make_unique<worker>(run_, shared_, i));
    for (const auto& one : workers_)
      threads_.emplace_back([&one] { one->run(); });
  }
  ~conductor() {
    shared_.stop = true;
    for (auto& thread : threads_)
      thread.join();
  }
  conductor(const conductor&) = delete;
  conductor& operator=(const conductor&) = delete;

  result<run_report> conduct() {
    if (!wait_for_all([](const live_counts& live) { return live.ready.load(); }))
      return failed();
    const auto start = now_ns() + start_delay_ns;
    const auto begin = start + shared_.warmup_ns;
    const auto end = begin + shared_.window_ns;
    shared_.start_ns = start;
    wait_until(begin);
    meter_.begin();
    wait_until(end);
    run_report usage(recorder(run_.work.operations.size(), 0));
    meter_.end(usage);
    wait_for_all([](const live_counts& live) { return live.done.load(); });
    if (run_.progress && ::isatty(STDERR_FILENO) != 0)
      fmt::print(stderr, "\n");
    for (auto& thread : threads_)
      thread.join();
    threads_.clear();
    if (interrupted)
      return fail(std::make_error_code(std::errc::interrupted), "interrupted");
    for (const auto& one : workers_)
      if (one->live().failed)
        return failed();
    return summed(std::move(usage));
  }

 private:
  template <class Condition>
  bool wait_for_all(Condition condition) {
    for (;;) {
      bool all = true;
      for (const auto& one : workers_) {
        if (one->live().failed || interrupted)
          return false;
        all = all && condition(one->live());
      }
      if (all)
        return true;
      show_progress();
      std::this_thread::sleep_for(look_every);
    }
  }

  void wait_until(std::int64_t at) {
    for (auto now = now_ns(); now < at && !interrupted; now = now_ns()) {
      show_progress();
      const auto next = run_.progress ? shown_ns_ + second_ns : at;
      std::this_thread::sleep_for(
          std::chrono::nanoseconds(std::min({at - now, next - now, second_ns / 5})));
    }
    if (interrupted)
      shared_.stop = true;
  }

  [[nodiscard]] result<run_report> failed() const {
    for (const auto& one : workers_)
      if (one->live().failed)
        return fail(std::make_error_code(std::errc::connection_refused), one->failure());
    return fail(std::make_error_code(std::errc::interrupted), "interrupted");
  }

  [[nodiscard]] run_report summed(run_report usage) const {
    run_report out(workers_[0]->record());
    for (std::size_t i = 1; i < workers_.size(); ++i)
      out.seen.merge(workers_[i]->record());
    out.seconds = static_cast<double>(shared_.window_ns) / 1e9;
    if (run_.open_loop()) {
      for (const auto& one : run_.stages)
        out.rate += (one.from_rate + one.to_rate) / 2 * one.seconds;
      out.rate /= out.seconds;
    }
    out.own_cpu_us = usage.own_cpu_us;
    out.watched_cpu_us = std::move(usage.watched_cpu_us);
    out.watched_rss_bytes = std::move(usage.watched_rss_bytes);
    out.reactor = workers_[0]->reactor_name();
    return out;
  }

  void show_progress() {
    const auto now = now_ns();
    if (!run_.progress || now < shown_ns_ + second_ns)
      return;
    std::uint64_t ready = 0, calls = 0, errors = 0, in_flight = 0;
    std::int64_t behind = 0;
    for (const auto& one : workers_) {
      const auto& live = one->live();
      ready += live.ready_channels;
      calls += live.calls;
      errors += live.errors;
      in_flight += live.in_flight;
      behind = std::max(behind, live.behind_ns.load());
    }
    const auto start = shared_.start_ns.load();
    const auto seconds = static_cast<double>(now - shown_ns_) / 1e9;
    std::string line;
    if (start == 0)
      line = fmt::format("connecting: {}/{}", ready, run_.connections);
    else
      line = fmt::format("{:.0f} s: {:.0f} calls/s, {} errors, {} in flight{}",
                         static_cast<double>(now - start) / 1e9,
                         static_cast<double>(calls - shown_calls_) / seconds, errors, in_flight,
                         behind >= 1'000'000
                             ? fmt::format(", {:.0f} ms behind", static_cast<double>(behind) / 1e6)
                             : "");
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    fmt::print(stderr, "{}{}{}", terminal ? "\r\033[K" : "", line, terminal ? "" : "\n");
    std::fflush(stderr);
    shown_ns_ = now;
    shown_calls_ = calls;
  }

  const run_options& run_;
  run_state shared_;
  usage_meter meter_;
  std::vector<std::unique_ptr<worker>> workers_;
  std::vector<std::thread> threads_;
  std::int64_t shown_ns_ = now_ns();
  std::uint64_t shown_calls_ = 0;
};

} // namespace

double run_report::errors_share() const noexcept {
  const auto wrong = seen.errors.total() + seen.refusal.count();
  const auto all = seen.calls + wrong;
  return all == 0 ? 1.0 : static_cast<double>(wrong) / static_cast<double>(all);
}

result<run_report> run_load(const run_options& run) {
  bench::raise_file_limit();
  conductor one(run);
  return one.conduct();
}

void interrupt_run() noexcept {
  interrupted = true;
}

} // namespace nexus::load
