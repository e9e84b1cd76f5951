/// The timing wheel, which every call arms and cancels twice or more, beside a wheel full of other
/// timers; the floor is an empty loop that moves the time.

#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "net/timer.hpp"

namespace nexus::net {
namespace {

const time_point start = time_point() + std::chrono::hours(1000);

/// Timers that wait for something far off, spread over the levels.
class crowd {
 public:
  crowd(timer_wheel& wheel, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      timers_.push_back(std::make_unique<timer>([] {}));
      wheel.arm(*timers_.back(), start, seconds(60) + milliseconds(37) * i);
    }
  }

 private:
  std::vector<std::unique_ptr<timer>> timers_;
};

void BM_timer_floor(benchmark::State& state) {
  time_point now = start;
  for (auto _ : state)
    benchmark::DoNotOptimize(now += nanoseconds(100));
  state.SetItemsProcessed(state.iterations());
}

/// The deadline of a call that is answered.
void BM_timer_arm_cancel(benchmark::State& state) {
  timer_wheel wheel(start);
  const crowd others(wheel, state.range(0));
  timer deadline([] {});
  for (auto _ : state) {
    wheel.arm(deadline, start, seconds(60));
    deadline.cancel();
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

/// A timer that fires again and again, with the turns of the wheel until then.
void BM_timer_fire(benchmark::State& state) {
  timer_wheel wheel(start);
  const crowd others(wheel, state.range(0));
  std::size_t fired = 0;
  timer periodic([&fired] { ++fired; });
  time_point now = start;
  for (auto _ : state) {
    wheel.arm(periodic, now, timer_wheel::tick);
    now += 2 * timer_wheel::tick;
    wheel.advance(now);
  }
  if (fired < static_cast<std::size_t>(state.iterations()))
    state.SkipWithError("a timer did not fire");
  state.SetItemsProcessed(state.iterations());
}

/// Asked before each sleep.
void BM_timer_until_next(benchmark::State& state) {
  timer_wheel wheel(start);
  const crowd others(wheel, state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(wheel.until_next(start));
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(BM_timer_floor);
BENCHMARK(BM_timer_arm_cancel)->ArgName("others")->Arg(0)->Arg(1'000)->Arg(100'000);
BENCHMARK(BM_timer_fire)->ArgName("others")->Arg(0)->Arg(1'000)->Arg(100'000);
BENCHMARK(BM_timer_until_next)->ArgName("others")->Arg(0)->Arg(1'000)->Arg(100'000);

} // namespace
} // namespace nexus::net
