#pragma once

#include "bench/fused/actors.hpp"

#include <atomic>
#include <caf/policy/unprofiled.hpp>
#include <caf/scheduler/coordinator.hpp>
#include <deque>
#include <mutex>
#include <vector>

namespace nexus::bench {

/// Lets the policy find what it polls: CAF hands a policy nothing but the system's configuration.
struct fused_config : caf::actor_system_config {
  proxy_io* io = nullptr;
  std::atomic<dispatcher*> sink{nullptr};
};

/// A scheduler of one worker that is its own I/O thread: it runs actors while there are any and
/// polls the sockets otherwise, and every `jobs_between_polls` jobs so that I/O never starves.
/// Jobs of the worker's own making go through a plain queue, those of other threads (start and stop
/// of the system) through a locked one.
class fused_policy : public caf::policy::unprofiled {
 public:
  static constexpr int jobs_between_polls = 64;

  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator* parent)
        : config(const_cast<fused_config*>(
              static_cast<const fused_config*>(&parent->system().config()))) {}
    // CAF makes one as a pattern and copies it into each worker; only the pattern's origin counts.
    worker_data(const worker_data& other) : config(other.config) {}
    worker_data& operator=(const worker_data&) = delete;

    fused_config* config;
    std::deque<caf::resumable*> queue;
    std::mutex lock;
    std::vector<caf::resumable*> foreign;
    std::atomic<bool> has_foreign{false};
    dispatcher* sink = nullptr;
    int jobs_left = jobs_between_polls;
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    self->worker_by_id(0)->external_enqueue(job);
  }

  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    auto& data = d(self);
    {
      const std::lock_guard guard{data.lock};
      data.foreign.push_back(job);
    }
    data.has_foreign.store(true, std::memory_order_release);
    data.config->io->wake();
  }

  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    d(self).queue.push_back(job);
  }

  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    d(self).queue.push_back(job);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    auto& data = d(self);
    for (;;) {
      if (data.has_foreign.load(std::memory_order_acquire))
        take_foreign(data);
      if (!data.queue.empty() && data.jobs_left > 0) {
        --data.jobs_left;
        auto* job = data.queue.front();
        data.queue.pop_front();
        return job;
      }
      data.jobs_left = jobs_between_polls;
      if (data.sink == nullptr && !attach(self))
        continue;
      data.config->io->poll(data.queue.empty() ? proxy_io::patience::forever
                                               : proxy_io::patience::none);
    }
  }

  template <class Worker, class Function>
  void foreach_resumable(Worker* self, Function release) {
    auto& data = d(self);
    take_foreign(data);
    for (auto* job : data.queue)
      release(job);
    data.queue.clear();
  }

  template <class Coordinator, class Function>
  void foreach_central_resumable(Coordinator*, Function) {}

 private:
  static void take_foreign(worker_data& data) {
    const std::lock_guard guard{data.lock};
    data.has_foreign.store(false, std::memory_order_relaxed);
    data.queue.insert(data.queue.end(), data.foreign.begin(), data.foreign.end());
    data.foreign.clear();
  }

  // The sink needs the actor system, which needs its workers: until main has made it, there is
  // nothing to poll and only jobs of other threads to run.
  template <class Worker>
  static bool attach(Worker* self) {
    auto& data = d(self);
    if (!data.queue.empty())
      return false;
    data.config->sink.wait(nullptr);
    data.sink = data.config->sink.load();
    data.sink->set_context(self);
    data.config->io->start(*data.sink);
    return true;
  }
};

} // namespace nexus::bench
