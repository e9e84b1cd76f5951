/// load_engine's course: set-up, warm-up, window, drain.

#include "bench/e2e/load_engine.hpp"

#include "bench/e2e/process_usage.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <unistd.h>

namespace nexus::bench {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t sweep_ns = second_ns / 10;
constexpr std::int64_t drain_ns = 2 * second_ns;
constexpr std::int64_t setup_ns_max = 60 * second_ns;

std::int64_t nanoseconds(double seconds) {
  return static_cast<std::int64_t>(seconds * 1e9);
}

} // namespace

load_report load_engine::run() {
  setup_ns_ = now_ns();
  next_sweep_ns_ = setup_ns_ + sweep_ns;
  for (int i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<connection>());
    open(*connections_.back());
  }
  while (phase_ != phase::done) {
    const auto now = now_ns();
    advance(now);
    send_due(now);
    wait_and_serve(now);
  }
  finish();
  return report_;
}

void load_engine::advance(std::int64_t now) {
  if (now >= next_sweep_ns_)
    expire(now);
  if (phase_ == phase::setup && ready_ == options_.connections) {
    phase_ = phase::warmup;
    start_ns_ = now;
    window_begin_ns_ = now + nanoseconds(options_.warmup_seconds);
    window_end_ns_ = window_begin_ns_ + nanoseconds(options_.seconds);
    if (options_.rate == 0) {
      idle_.clear();
      for (const auto& peer : connections_)
        next_call(*peer, now);
    }
  }
  if (phase_ == phase::warmup && now >= window_begin_ns_)
    start_window(now);
  if (phase_ == phase::window && now >= window_end_ns_)
    end_window(now);
  if (phase_ != phase::drain)
    return;
  const bool all_sent = options_.rate == 0 || due_at(arrivals_) >= window_end_ns_;
  if ((all_sent && in_flight_ == 0) || now > window_end_ns_ + drain_ns)
    phase_ = phase::done;
}

void load_engine::start_window(std::int64_t now) {
  phase_ = phase::window;
  window_begin_ns_ = now;
  for (const auto pid : options_.watched)
    report_.watched_cpu_us.push_back(-usage_of(pid).cpu_us);
  report_.own_cpu_us = -usage_of(::getpid()).cpu_us;
}

void load_engine::end_window(std::int64_t now) {
  phase_ = phase::drain;
  window_end_ns_ = now;
  report_.seconds = static_cast<double>(now - window_begin_ns_) / 1e9;
  for (std::size_t i = 0; i < options_.watched.size(); ++i) {
    const auto usage = usage_of(options_.watched[i]);
    report_.watched_cpu_us[i] += usage.cpu_us;
    report_.watched_rss_bytes.push_back(usage.rss_bytes);
  }
  report_.own_cpu_us += usage_of(::getpid()).cpu_us;
}

void load_engine::finish() {
  report_.errors.timeout += in_flight_;
  if (in_flight_ > 0 && report_.errors.first.empty())
    report_.errors.first = "no answer before the end of the run";
  if (options_.rate > 0)
    while (due_at(arrivals_ + report_.backlog) < window_end_ns_)
      ++report_.backlog;
}

std::int64_t load_engine::wake_at(std::int64_t now) const {
  auto wake = next_sweep_ns_;
  if (phase_ == phase::done)
    return now;
  if (phase_ == phase::warmup)
    wake = std::min(wake, window_begin_ns_);
  if (phase_ == phase::window)
    wake = std::min(wake, window_end_ns_);
  if (phase_ == phase::setup && ready_ == options_.connections)
    return now;
  if (phase_ == phase::drain && in_flight_ == 0)
    return now;
  if (options_.rate > 0 && phase_ != phase::setup && !idle_.empty() &&
      due_at(arrivals_) < window_end_ns_)
    wake = std::min(wake, due_at(arrivals_));
  return wake;
}

void load_engine::expire(std::int64_t now) {
  next_sweep_ns_ = now + sweep_ns;
  if (phase_ == phase::setup && now - setup_ns_ > setup_ns_max)
    die(fmt::format("only {} of {} connections were ready after 60 s", ready_,
                    options_.connections));
  const auto limit = now - nanoseconds(options_.timeout_seconds);
  for (const auto& peer : connections_) {
    if (peer->fd < 0) {
      open(*peer);
    } else if (peer->at == step::calling && peer->sent_ns < limit) {
      fail(&load_errors::timeout, "no answer in time");
      --in_flight_;
      peer->at = step::idle;
      reopen(*peer);
    }
  }
}

bool load_engine::in_window(std::int64_t due_ns) const {
  const bool begun = phase_ == phase::window || phase_ == phase::drain;
  return begun && due_ns >= window_begin_ns_ && due_ns < window_end_ns_;
}

std::int64_t load_engine::due_at(std::uint64_t index) const {
  return start_ns_ + static_cast<std::int64_t>(static_cast<double>(index) * 1e9 / options_.rate);
}

} // namespace nexus::bench
