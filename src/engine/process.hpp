#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/admission.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/unique_function.hpp"
#include "config/config.hpp"
#include "engine/control.hpp"
#include "engine/replay_log.hpp"
#include "engine/tool_usage.hpp"
#include "gateway/client_capabilities.hpp"
#include "gateway/host_check.hpp"
#include "metrics/metrics.hpp"
#include "seal/key_ring.hpp"

namespace nexus::engine {

class worker;

/// What one server's calls share over all workers.
struct server_runtime {
  std::uint32_t slot = 0;
  std::atomic<std::uint32_t> in_flight{0};   ///< permits taken
  std::atomic<std::uint32_t> waiting{0};     ///< exchanges that wait, on all workers
  std::atomic<std::int64_t> last_used_ns{0}; ///< of a branch
  std::mutex mutex;                          ///< of `endpoint`, which only the metrics read
  endpoint_ptr endpoint;                     ///< the newest one; null until there is one
  std::atomic<std::uint32_t> tools{0};
};

/// What the whole process shares: fixed at start unless it is atomic.
class process {
 public:
  process(std::size_t workers, const config::gateway& settings);
  /// With another clock for the control plane, which outlives the process.
  process(std::size_t workers, const config::gateway& settings, const clock& time);

  [[nodiscard]] std::size_t worker_count() const noexcept { return workers_.size(); }
  /// @pre all workers are up
  [[nodiscard]] worker& at(worker_id id) const noexcept;
  /// Monotonic time for the control plane; workers have their reactor's. @thread any
  [[nodiscard]] time_point now() const noexcept { return time_->now(); }
  /// Wall time, for the expiry of what clients carry. @thread any
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const noexcept {
    return time_->wall_now();
  }
  /// The worker that holds a server's link.
  [[nodiscard]] worker_id home_of(std::uint32_t slot) const noexcept {
    return {static_cast<std::uint32_t>(slot % workers_.size())};
  }
  /// Names someone who subscribes to resources; never 0. @thread any
  [[nodiscard]] std::uint64_t next_subscriber() noexcept { return ++subscribers_; }
  /// Runs `work` on a worker's thread. @thread any. @pre all workers are up
  void post(worker_id to, unique_function<void(worker&)> work);
  /// Runs a copy of `work` on every worker.
  void post_to_all(const std::function<void(worker&)>& work);

  /// Called by each worker once on its own thread. The last one unblocks wait_until_up().
  void worker_up(worker& self);
  void wait_until_up();

  metrics::registry metrics;
  control* plane = nullptr; ///< set before the workers serve
  const config::tunable_limits limits;
  const gateway::host_check hosts;
  const gateway::extension_list extensions;
  const net::endpoint listen_at; ///< as configured; virtual MCPs have their ports there too
  own_ports opens_ports = own_ports::none;      ///< set before the actors run
  std::atomic<std::uint16_t> listening_port{0}; ///< of the gateway; 0: it does not listen
  const seal::key_ring keys;                    ///< of what clients carry
  const std::optional<config::embedding_provider> embeddings;
  /// Bytes that the replay logs of all sessions hold.
  const std::shared_ptr<replay_log::budget> replay_bytes = std::make_shared<replay_log::budget>(0);
  std::atomic<bool> draining{false};
  tool_usage usage;
  admission sessions{limits.sessions};
  admission connections{limits.connections};
  std::atomic<std::uint64_t> catalogue_tools{0}, catalogue_generation{0};
  std::atomic<std::uint64_t> changed_definitions{0}; ///< that were other than their pins
  std::atomic<bool> vmcps_restored{false};           ///< those that a process before had made

  /// Each server's permits and state, for the metrics. @thread any
  [[nodiscard]] std::vector<metrics::server_sample> server_samples();
  /// Made when it is first asked for.
  [[nodiscard]] std::shared_ptr<server_runtime> runtime(std::uint32_t slot);
  /// The slot's server is gone; the next one there gets a runtime of its own.
  void forget_runtime(std::uint32_t slot);

 private:
  const clock* time_;
  std::vector<std::atomic<worker*>> workers_;
  std::atomic<std::size_t> up_{0};
  std::atomic<std::uint64_t> subscribers_{0};
  std::mutex runtimes_mutex_; // control path only: workers keep what they got
  std::vector<std::shared_ptr<server_runtime>> runtimes_;
};

} // namespace nexus::engine
