#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "metrics/counters.hpp"

/// What the process tells Prometheus. Workers write into blocks of their own; a scrape sums them.
///
///     metrics::registry registry(worker_count);
///     registry.define_server(slot, "files");               // when the configuration names one
///     metrics::worker_block& block = registry.worker(i);   // once, on the worker
///     block.calls.add(metrics::call_result::ok);           // per call: plain load and store
///     block.server(slot).latency.record(elapsed);
///     std::string page = registry.exposition();            // GET /metrics
namespace nexus::metrics {

/// Index of a configured server, given by who defines it; small numbers, reused after a reload.
using server_slot = std::uint32_t;

/// One worker's numbers about one server.
struct alignas(64) server_block {
  calls_by_result calls;
  latency_histogram latency; ///< from sending the call to its last byte; only calls that were sent
  gauge in_flight;
};

class registry;

/// One worker's numbers. Written by that worker only.
class alignas(64) worker_block {
 public:
  // Clients
  counters_by<http_method, http_method_names.size()> http_requests;
  counters_by<status_class, status_class_names.size()> http_responses;
  counters_by<request_result, request_result_names.size()> requests; ///< JSON-RPC, all methods
  counters_by<refusal, refusal_names.size()> refusals;
  counters_by<sealed_text, sealed_text_names.size()> sealed_refusals;
  counter bytes_in, bytes_out; ///< client side, as on the wire below TLS
  gauge client_connections;
  gauge sse_streams; ///< open answers and listening streams towards clients
  // Calls
  calls_by_result calls;
  latency_histogram call_latency; ///< from the request's last byte to the answer's first
  gauge exchanges_in_flight;
  gauge exchanges_parked;    ///< waiting for a permit, a connection or a server that starts
  counter failovers;         ///< calls of a merged tool that went on to another server
  counter degraded_searches; ///< answered by words alone although a model was to be asked
  // Between workers
  counter posts; ///< messages handed to another worker: crossings of the data path

  /// The numbers about a server. A slot that was not defined, or lies beyond
  /// limits::metric_servers_max, shares one block that is told as server="(other)".
  [[nodiscard]] server_block& server(server_slot slot) noexcept {
    if (slot < limits::metric_servers_max)
      if (chunk* const found = chunks_[slot / chunk_servers].load(std::memory_order_acquire))
        return (*found)[slot % chunk_servers];
    return other_servers_;
  }

 private:
  friend class registry;
  static constexpr std::size_t chunk_servers = 64;
  static_assert(limits::metric_servers_max % chunk_servers == 0);
  using chunk = std::array<server_block, chunk_servers>;

  // Blocks never move: a chunk is added for good, by registry::define_server.
  std::array<std::atomic<chunk*>, limits::metric_servers_max / chunk_servers> chunks_{};
  server_block other_servers_;
};

/// What a scrape asks of one worker's reactor and scheduler.
struct worker_sample {
  bool io_uring = false;
  std::uint64_t turns = 0, waits = 0, system_calls = 0, completions = 0, posted = 0;
  std::uint64_t streams = 0;          ///< open now
  std::uint64_t jobs = 0, steals = 0; ///< actors run; of these taken from a neighbour
  std::uint64_t run_queue = 0;        ///< actors ready now
};

/// What a scrape asks of one server. Several with one name are summed.
struct server_sample {
  std::string name;
  bool ready = false;
  std::uint64_t permits_in_use = 0, permits_max = 0;
  std::uint64_t queued = 0; ///< calls that wait for a permit or a connection
  std::uint64_t tools = 0;
  std::uint64_t restarts = 0;
};

/// What a scrape asks of the process as a whole.
struct gateway_sample {
  std::uint64_t sessions = 0;
  std::uint64_t permits_in_use = 0, permits_max = 0; ///< calls in flight and their limit
  std::uint64_t actors = 0;                          ///< running
  std::uint64_t catalog_tools = 0;
  std::uint64_t catalog_generation = 0;
  std::uint64_t changed_definitions = 0; ///< that were other than their pins
  std::uint64_t reloads_ok = 0, reloads_failed = 0;
  bool draining = false;
};

/// Where the samples come from. Each may be empty; then its metrics have no value.
/// @thread called on the thread that scrapes, one at a time; they must not block
struct sources {
  std::function<std::vector<worker_sample>()> workers;
  std::function<std::vector<server_sample>()> servers;
  std::function<gateway_sample()> gateway;
};

/// Every metric of the process; main.cpp builds one.
class registry {
 public:
  /// @pre workers > 0
  explicit registry(std::size_t workers);
  ~registry();
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  [[nodiscard]] std::size_t worker_count() const noexcept;
  /// @pre index < worker_count()
  /// @lifetime as the registry's
  [[nodiscard]] worker_block& worker(std::size_t index) noexcept;

  /// Gives a slot its name. A slot that had another name starts again from zero under this one.
  /// A server keeps its series when its name moves to another slot.
  /// @returns false when the slot is beyond limits::metric_servers_max
  /// @thread any
  bool define_server(server_slot slot, std::string_view name);
  /// The series of the slot's server end, unless another slot has its name. @thread any
  void retire_server(server_slot slot);

  /// Replaces the sources; an empty one disconnects them, and none is in use when this returns.
  /// @thread any
  void connect(sources from);

  /// The page for /metrics, in Prometheus' text format 0.0.4.
  /// @thread any @cost one string; reads every block
  [[nodiscard]] std::string exposition() const;
  /// The media type of that page.
  [[nodiscard]] static std::string_view content_type() noexcept;

 private:
  class implementation;
  std::unique_ptr<implementation> self_;
};

} // namespace nexus::metrics
