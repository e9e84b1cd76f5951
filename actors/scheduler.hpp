#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include <caf/detail/double_ended_queue.hpp>
#include <caf/policy/unprofiled.hpp>
#include <caf/scheduler/coordinator.hpp>

#include "base/clock.hpp"
#include "engine/worker.hpp"

/// CAF's scheduler fused with the reactors: each scheduler thread is one engine::worker, so that a
/// request crosses no thread on its way from a socket to an actor to a socket.
namespace nexus::actors {

/// Builds the workers. Found by the policy through the system's configuration.
class worker_factory {
 public:
  virtual ~worker_factory() = default;
  /// @thread the scheduler thread that will run the worker
  [[nodiscard]] virtual std::unique_ptr<engine::worker> make_worker(worker_id id) = 0;
};

/// An actor system's configuration that carries the factory.
class system_config : public caf::actor_system_config {
 public:
  explicit system_config(worker_factory& factory) : factory_(factory) {}
  [[nodiscard]] worker_factory& factory() const noexcept { return factory_; }

 private:
  worker_factory& factory_;
};

class fused_policy : public caf::policy::unprofiled {
 public:
  /// Jobs that run between two looks at the reactor while there are more.
  static constexpr unsigned jobs_per_poll = 16;
  /// The longest sleep: bounds what a lost wake-up could cost.
  static constexpr milliseconds sleep_max{1000};

  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}
    std::atomic<std::size_t> next_worker{0};
    std::atomic<std::size_t> stopped{0}; ///< workers that run nothing any more
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator* parent) : coordinator(parent) {}
    worker_data(const worker_data& other) : coordinator(other.coordinator) {}

    caf::scheduler::abstract_coordinator* coordinator;
    caf::detail::double_ended_queue<caf::resumable> queue;
    std::atomic<std::size_t> queued{0};
    std::unique_ptr<engine::worker> engine; ///< made and destroyed on its own thread
    std::atomic<net::reactor*> reactor{nullptr};
    std::atomic<unsigned> wakers{0}; ///< threads that may hold `reactor` right now
    std::atomic<bool> sleeping{false};
    std::atomic<std::uint64_t> jobs{0}, steals{0};
    unsigned since_poll = 0;
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    auto* const w = self->worker_by_id(d(self).next_worker++ % self->num_workers());
    w->external_enqueue(job);
  }

  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    // Announced before the job can be taken: it may be the one that ends this worker.
    d(self).wakers.fetch_add(1);
    push(self, job);
    if (auto* const reactor = d(self).reactor.load())
      reactor->wake();
    d(self).wakers.fetch_sub(1);
  }

  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    push(self, job);
    // A worker that sleeps may take what this one has too much of.
    if (has_too_much(d(self)))
      wake_a_sleeper(self);
  }

  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    push(self, job);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    auto& data = d(self);
    if (!data.engine)
      start(self);
    auto& reactor = data.engine->reactor();
    for (;;) {
      if (++data.since_poll >= jobs_per_poll) {
        data.since_poll = 0;
        reactor.poll();
      }
      if (auto* const job = take(self))
        return job;
      data.since_poll = 0;
      if (has_victim(self)) {
        // What the last turn wants sent does not wait for a job of somebody else.
        if (reactor.poll() > 0)
          continue;
        if (auto* const job = steal(self))
          return job;
      }
      data.sleeping.store(true);
      if (data.queued.load() == 0)
        reactor.wait(sleep_max);
      data.sleeping.store(false);
    }
  }

  /// Workers post to each other and wake each other, so none goes before all have stopped.
  template <class Worker>
  void before_shutdown(Worker* self) {
    auto* const parent = self->parent();
    auto& stopped = d(parent).stopped;
    stopped.fetch_add(1);
    stopped.notify_all();
    for (auto count = stopped.load(); count < parent->num_workers(); count = stopped.load())
      stopped.wait(count);
    auto& data = d(self);
    data.reactor.store(nullptr);
    while (data.wakers.load() > 0)
      std::this_thread::yield();
    data.engine.reset();
  }

  template <class Worker, class Function>
  void foreach_resumable(Worker* self, Function f) {
    while (auto* const job = d(self).queue.take_head())
      f(job);
  }

  template <class Coordinator, class Function>
  void foreach_central_resumable(Coordinator*, Function) {}

 private:
  template <class Worker>
  void start(Worker* self) {
    auto& data = d(self);
    const auto& config = data.coordinator->system().config();
    auto& factory = dynamic_cast<const system_config&>(config).factory();
    data.engine = factory.make_worker({static_cast<std::uint32_t>(self->id())});
    data.reactor.store(&data.engine->reactor());
  }

  template <class Worker>
  void push(Worker* self, caf::resumable* job) {
    d(self).queued.fetch_add(1);
    d(self).queue.append(job);
  }

  template <class Worker>
  caf::resumable* take(Worker* self) {
    auto& data = d(self);
    if (data.queued.load(std::memory_order_relaxed) == 0)
      return nullptr;
    auto* const job = data.queue.take_head();
    if (job == nullptr)
      return nullptr;
    data.queued.fetch_sub(1);
    data.jobs.fetch_add(1, std::memory_order_relaxed);
    return job;
  }

  static bool has_too_much(const worker_data& of) noexcept {
    return of.queued.load(std::memory_order_relaxed) > 1;
  }

  template <class Worker>
  bool has_victim(Worker* self) {
    auto* const parent = self->parent();
    for (std::size_t i = 0; i < parent->num_workers(); ++i)
      if (i != self->id() && has_too_much(d(parent->worker_by_id(i))))
        return true;
    return false;
  }

  template <class Worker>
  caf::resumable* steal(Worker* self) {
    auto* const parent = self->parent();
    const auto count = parent->num_workers();
    for (std::size_t i = 1; i < count; ++i) {
      auto& victim = d(parent->worker_by_id((self->id() + i) % count));
      if (!has_too_much(victim))
        continue;
      if (auto* const job = victim.queue.take_tail()) {
        victim.queued.fetch_sub(1);
        d(self).steals.fetch_add(1, std::memory_order_relaxed);
        return job;
      }
    }
    return nullptr;
  }

  template <class Worker>
  void wake_a_sleeper(Worker* self) {
    auto* const parent = self->parent();
    for (std::size_t i = 0; i < parent->num_workers(); ++i) {
      auto& other = d(parent->worker_by_id(i));
      if (i == self->id() || !other.sleeping.load(std::memory_order_relaxed))
        continue;
      other.wakers.fetch_add(1);
      auto* const reactor = other.reactor.load();
      if (reactor != nullptr)
        reactor->wake();
      other.wakers.fetch_sub(1);
      if (reactor != nullptr)
        return;
    }
  }
};

using fused_coordinator = caf::scheduler::coordinator<fused_policy>;

} // namespace nexus::actors
