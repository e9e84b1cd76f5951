#include "bench/load/worker.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <sys/prctl.h>

#include "bench/e2e/sockets.hpp"

namespace nexus::load {
namespace {

using bench::now_ns;

constexpr std::int64_t sweep_ns = 100'000'000;
constexpr std::int64_t setup_ns_max = 60'000'000'000;
/// Connections under way at once while all are made: less than a listener's usual queue.
constexpr std::size_t opening_max = 256;

/// What of `total` goes to thread `share` of `shares`.
int part_of(int total, unsigned share, unsigned shares) {
  const auto all = static_cast<unsigned>(total);
  return static_cast<int>(all / shares + (share < all % shares ? 1 : 0));
}

std::int64_t nanoseconds_of(double of_seconds) {
  return static_cast<std::int64_t>(of_seconds * 1e9);
}

} // namespace

worker::worker(const run_options& run, run_state& shared, unsigned share)
    : run_(run), shared_(shared), share_(share),
      requests_(run.work, run.to, run.headers, share + 1),
      record_(run.work.operations.size(), static_cast<std::int64_t>(std::ceil(run.seconds))),
      idle_sessions_left_(part_of(run.idle_sessions, share, static_cast<unsigned>(run.threads))),
      usable_(static_cast<std::size_t>(
          part_of(run.connections, share, static_cast<unsigned>(run.threads)))),
      random_(share + 1) {}

void worker::run() {
  // The default slack of 50 microseconds would blur the arrivals of an open loop.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  auto made = net::reactor::create(run_.reactor);
  if (!made) {
    fail_run(made.error().message);
    return;
  }
  reactor_ = std::move(*made);
  const bool coarse = reactor_->kind() == net::reactor_kind::epoll;
  reactor_name_ = coarse ? "epoll" : "io_uring";
  if (coarse && (run_.open_loop() || run_.work.think.mean_ms > 0))
    precise_ = std::make_unique<wake_timer>(*reactor_);
  if (set_up()) {
    drive();
    finish(now_ns());
  }
  // A ring belongs to the thread that made it, and all of these to the ring.
  subscribers_.clear();
  channels_.clear();
  precise_.reset();
  reactor_.reset();
  live_.done = true;
}

void worker::fail_run(std::string why) {
  if (!live_.failed) {
    failure_ = std::move(why);
    live_.failed = true;
    shared_.stop = true;
  }
  live_.done = true;
}

std::unique_ptr<channel> worker::make_channel() {
  switch (run_.to.over) {
  case transport::http:
    return make_http_channel(*reactor_, run_, *this);
  case transport::sse:
    return make_sse_channel(*reactor_, run_, *this);
  case transport::websocket:
    return make_websocket_channel(*reactor_, run_, *this);
  case transport::stdio:
    break;
  }
  return make_stdio_channel(*reactor_, run_, *this);
}

// ---- Setting up --------------------------------------------------------------------------------

bool worker::set_up() {
  setup_until_ns_ = now_ns() + setup_ns_max;
  const auto threads = static_cast<unsigned>(run_.threads);
  for (std::size_t i = 0; i < usable_; ++i) {
    channels_.push_back(make_channel());
    channels_.back()->index = i;
  }
  for (int i = part_of(run_.work.subscribers.count, share_, threads); i > 0; --i) {
    subscribers_.push_back(std::make_unique<subscriber>(*reactor_, run_, next_id()));
    subscribers_.back()->open();
  }
  while (!shared_.stop) {
    open_some();
    reactor_->wait(milliseconds(20));
    const bool listening = std::all_of(subscribers_.begin(), subscribers_.end(),
                                       [](const auto& one) { return one->listening(); });
    if (ready_ == channels_.size() && listening)
      live_.ready = true;
    for (const auto& one : subscribers_)
      if (!one->problem().empty())
        fail_run(fmt::format("a subscriber: {}", one->problem()));
    if (!live_.ready && now_ns() > setup_until_ns_)
      fail_run(
          fmt::format("only {} of {} connections were ready after 60 s", ready_, channels_.size()));
    if (const auto start = shared_.start_ns.load(); start != 0) {
      begin(start);
      return true;
    }
  }
  return false;
}

void worker::open_some() {
  while (opened_ < channels_.size() && opened_ - ready_ < opening_max && !shared_.stop)
    channels_[opened_++]->open();
}

void worker::on_ready(channel& from) {
  if (!std::exchange(from.was_ready, true)) {
    ++ready_;
    live_.ready_channels.store(ready_, std::memory_order_relaxed);
  }
  list(from);
}

bool worker::take_idle_session() {
  return !started_ && idle_sessions_left_ > 0 && idle_sessions_left_-- > 0;
}

void worker::share_session(const std::string& id) {
  shared_session_ = id;
  for (const auto& one : channels_)
    one->session_shared();
}

std::uint64_t worker::next_id() {
  // Threads take turns, so that a stranger's answer is known whichever thread it belongs to.
  const auto range = last_id - shared_.first_id + 1;
  const auto offset = ids_used_++ * static_cast<std::uint64_t>(run_.threads) + share_;
  return shared_.first_id + offset % range;
}

// ---- The course of a run -----------------------------------------------------------------------

void worker::begin(std::int64_t start_ns) {
  started_ = true;
  start_ns_ = start_ns;
  window_begin_ns_ = start_ns + shared_.warmup_ns;
  window_end_ns_ = window_begin_ns_ + shared_.window_ns;
  next_sweep_ns_ = start_ns + sweep_ns;
  use_stage(start_ns);
  if (!run_.open_loop())
    return;
  auto stages = run_.stages;
  const auto first = stages[0].from_rate > 0 ? stages[0].from_rate : stages[0].to_rate / 10;
  if (run_.warmup_seconds > 0)
    stages.insert(stages.begin(), {run_.warmup_seconds, first, first, 0});
  pacer_.emplace(std::move(stages), run_.spacing, share_, static_cast<unsigned>(run_.threads),
                 share_ + 17);
}

void worker::drive() {
  for (auto now = now_ns(); !over(now); now = now_ns()) {
    if (now >= next_sweep_ns_)
      sweep(now);
    end_thoughts(now);
    pump(now);
    const auto wake = next_wake(now);
    if (precise_ && wake - now > 0 && wake < next_sweep_ns_)
      precise_->arm(wake);
    reactor_->wait(nanoseconds(std::max<std::int64_t>(0, wake - now)));
  }
}

std::int64_t worker::next_wake(std::int64_t now) const {
  auto wake = next_sweep_ns_;
  if (now < start_ns_)
    wake = std::min(wake, start_ns_);
  else if (now < window_end_ns_)
    wake = std::min(wake, window_end_ns_);
  if (!thoughts_.empty())
    wake = std::min(wake, thoughts_.top().until_ns);
  if (pacer_ && pacer_->due_ns() && !with_room_.empty())
    wake = std::min(wake, start_ns_ + *pacer_->due_ns());
  return wake;
}

bool worker::over(std::int64_t now) const {
  if (shared_.stop)
    return true;
  if (now < window_end_ns_)
    return false;
  const bool all_sent = !pacer_ || !pacer_->due_ns() || now > window_end_ns_ + catch_up_ns;
  return (all_sent && in_flight_ == 0) ||
         now > window_end_ns_ + catch_up_ns + nanoseconds_of(run_.timeout_seconds);
}

void worker::sweep(std::int64_t now) {
  next_sweep_ns_ = now + sweep_ns;
  const auto lost = std::exchange(lost_, {});
  for (auto* one : lost)
    one->open();
  for (const auto& one : channels_)
    expire_calls(*one, now);
  for (const auto& one : subscribers_)
    one->reopen_when_lost();
  use_stage(now);
  live_.calls.store(record_.calls, std::memory_order_relaxed);
  live_.errors.store(record_.errors.total(), std::memory_order_relaxed);
  live_.in_flight.store(in_flight_, std::memory_order_relaxed);
  const auto due = pacer_ ? pacer_->due_ns() : std::nullopt;
  live_.behind_ns.store(due ? std::max<std::int64_t>(0, now - start_ns_ - *due) : 0,
                        std::memory_order_relaxed);
}

void worker::use_stage(std::int64_t now) {
  if (run_.stages.empty() || run_.open_loop())
    return;
  const auto since = std::max<std::int64_t>(0, now - window_begin_ns_);
  usable_ = static_cast<std::size_t>(
      part_of(connections_at(run_.stages, since), share_, static_cast<unsigned>(run_.threads)));
  for (const auto& one : channels_)
    list(*one);
}

void worker::expire_calls(channel& of, std::int64_t now) {
  const auto limit = now - nanoseconds_of(run_.timeout_seconds);
  bool any = false;
  while (!of.calls.empty() && of.calls.front().sent_ns < limit) {
    const auto one = of.calls.front();
    of.calls.erase(of.calls.begin());
    expired_.insert(one.id);
    any = true;
    on_failed(of, one, error_class::timeout, "no answer in time");
  }
  if (!any)
    return;
  if (run_.to.over == transport::http)
    of.open(); // the answer that is missing would be taken for that of the next call
  else
    on_free(of);
}

void worker::finish(std::int64_t now) {
  for (const auto& one : channels_) {
    for (const auto& left : one->calls)
      on_failed(*one, left, error_class::timeout, "no answer before the end of the run");
    one->calls.clear();
  }
  // What never left has waited at least until now: to leave it out would flatter the server.
  for (; pacer_ && pacer_->due_ns(); pacer_->advance()) {
    const auto due = start_ns_ + *pacer_->due_ns();
    if (due < window_begin_ns_)
      continue;
    ++record_.backlog;
    record_.latency.record(now - due);
    if (auto* second = second_of(due))
      second->latency.record(now - due);
  }
  for (const auto& one : subscribers_) {
    record_.subscribers.opened += one->opened();
    record_.subscribers.ended += one->ended();
    record_.subscribers.notifications.push_back(one->notifications());
  }
  live_.calls = record_.calls;
  live_.errors = record_.errors.total();
}

} // namespace nexus::load
