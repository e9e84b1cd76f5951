/// What a message between two actors costs: on the scheduler of the product, whose one thread also
/// polls its reactor, and on CAF's own with one thread. The floor is a queue of functions, which is
/// what a message would be without actors.

#include <atomic>
#include <deque>
#include <thread>

#include <benchmark/benchmark.h>
#include <caf/all.hpp>

#include "base/unique_function.hpp"
#include "tests/actors/fused_fixture.hpp"

namespace nexus::actors {
namespace {

/// Messages of one iteration: a wake-up of the thread from outside is one in that many.
constexpr std::int64_t hops = 10'000;

struct pair_state {
  caf::actor other;
};
using half = caf::stateful_actor<pair_state>;

/// Passes a number back and forth, one less each time; the one that gets 0 raises the flag.
caf::behavior hopper(half* self, std::shared_ptr<std::atomic<bool>> done) {
  return {
      [self](const caf::actor& other) { self->state.other = other; },
      [self, done](std::int64_t left) {
        if (left > 0)
          self->send(self->state.other, left - 1);
        else {
          done->store(true);
          done->notify_one();
        }
      },
  };
}

void hop(benchmark::State& state, caf::actor_system& system) {
  {
    const auto done = std::make_shared<std::atomic<bool>>(false);
    const auto one = system.spawn(hopper, done);
    const auto two = system.spawn(hopper, done);
    caf::anon_send(one, two);
    caf::anon_send(two, one);
    for (auto _ : state) {
      done->store(false);
      caf::anon_send(one, hops);
      done->wait(false);
    }
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(two, caf::exit_reason::user_shutdown);
  }
  state.SetItemsProcessed(state.iterations() * hops);
}

void BM_actor_hop_floor(benchmark::State& state) {
  std::deque<unique_function<void()>> queue;
  for (auto _ : state) {
    std::int64_t left = hops;
    struct again {
      std::deque<unique_function<void()>>& queue;
      std::int64_t& left;
      void operator()() const {
        if (--left > 0)
          queue.emplace_back(again{queue, left});
      }
    };
    queue.emplace_back(again{queue, left});
    while (!queue.empty()) {
      auto job = std::move(queue.front());
      queue.pop_front();
      job();
    }
  }
  state.SetItemsProcessed(state.iterations() * hops);
}

void BM_actor_hop_fused(benchmark::State& state) {
  const auto kind = state.range(0) != 0 ? net::reactor_kind::io_uring : net::reactor_kind::epoll;
  if (!net::reactor::create(kind))
    return state.SkipWithError("the kernel has no such reactor for us");
  test::fused_system fused(1, kind);
  hop(state, *fused.system);
}

void BM_actor_hop_stock(benchmark::State& state) {
  caf::actor_system_config config;
  config.set("scheduler.max-threads", std::size_t{1});
  config.set("scheduler.max-throughput", std::size_t{64});
  caf::actor_system system(config);
  hop(state, system);
}

// Time passes on the scheduler's thread, so the wall is what counts.
BENCHMARK(BM_actor_hop_floor)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_actor_hop_fused)
    ->ArgName("io_uring")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_actor_hop_stock)->UseRealTime()->Unit(benchmark::kMicrosecond);

} // namespace
} // namespace nexus::actors
