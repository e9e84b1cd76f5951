#include "engine/process.hpp"

#include "base/assert.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {
namespace {

net::endpoint endpoint_of(const std::string& listen) {
  return net::endpoint::parse(listen).value_or(net::endpoint{});
}

seal::key_ring make_keys(const config::gateway& settings) {
  auto made = settings.sealing_keys.empty() ? seal::key_ring::random()
                                            : seal::key_ring::from_secrets(settings.sealing_keys);
  // Secrets were checked when they were read; the kernel's random source does not fail once booted.
  NEXUS_ASSERT(made.has_value());
  return std::move(*made);
}

const system_clock_source real_time;

} // namespace

process::process(std::size_t workers, const config::gateway& settings)
    : process(workers, settings, real_time) {}

process::process(std::size_t workers, const config::gateway& settings, const clock& time)
    : metrics(workers), limits(settings.limits),
      hosts(endpoint_of(settings.listen).host, settings.allowed_hosts, settings.allowed_origins),
      extensions(settings.extensions), listen_at(endpoint_of(settings.listen)),
      keys(make_keys(settings)), embeddings(settings.embeddings), time_(&time), workers_(workers) {}

worker& process::at(worker_id id) const noexcept {
  NEXUS_ASSERT(id.value < workers_.size());
  return *workers_[id.value].load(std::memory_order_acquire);
}

void process::post(worker_id to, unique_function<void(worker&)> work) {
  auto& target = at(to);
  target.reactor().post([&target, work = std::move(work)]() mutable { work(target); });
}

void process::post_to_all(const std::function<void(worker&)>& work) {
  for (std::uint32_t i = 0; i < workers_.size(); ++i)
    post({i}, [work](worker& w) { work(w); });
}

void process::worker_up(worker& self) {
  workers_[self.id().value].store(&self, std::memory_order_release);
  up_.fetch_add(1, std::memory_order_acq_rel);
  up_.notify_all();
}

void process::wait_until_up() {
  for (auto up = up_.load(); up < workers_.size(); up = up_.load())
    up_.wait(up);
}

std::vector<metrics::server_sample> process::server_samples() {
  std::vector<metrics::server_sample> samples;
  const std::lock_guard lock(runtimes_mutex_);
  for (const auto& runtime : runtimes_) {
    if (!runtime)
      continue;
    const std::lock_guard own(runtime->mutex);
    if (!runtime->endpoint || !runtime->endpoint->settings)
      continue;
    const auto& endpoint = *runtime->endpoint;
    metrics::server_sample sample;
    sample.name = endpoint.settings->name;
    sample.ready = endpoint.state == server_state::ready;
    sample.permits_in_use = runtime->in_flight.load();
    sample.permits_max = endpoint.settings->concurrency;
    sample.queued = runtime->waiting.load();
    sample.tools = runtime->tools.load();
    sample.restarts = endpoint.restarts;
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::shared_ptr<server_runtime> process::runtime(std::uint32_t slot) {
  const std::lock_guard lock(runtimes_mutex_);
  if (runtimes_.size() <= slot)
    runtimes_.resize(slot + 1);
  if (!runtimes_[slot]) {
    runtimes_[slot] = std::make_shared<server_runtime>();
    runtimes_[slot]->slot = slot;
  }
  return runtimes_[slot];
}

void process::forget_runtime(std::uint32_t slot) {
  const std::lock_guard lock(runtimes_mutex_);
  if (slot < runtimes_.size())
    runtimes_[slot] = nullptr;
}

} // namespace nexus::engine
