#include "metrics/metrics.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include <prometheus/text_serializer.h>

#include "base/assert.hpp"
#include "metrics/families.hpp"
#include "metrics/process.hpp"

namespace nexus::metrics {
namespace {

constexpr std::string_view other_server_name = "(other)";

/// The sums of one server over its workers and slots.
struct server_totals {
  std::array<std::uint64_t, call_result_names.size()> calls{};
  histogram_totals latency;
  std::int64_t in_flight = 0;

  void add(const server_block& block) {
    for (std::size_t i = 0; i < calls.size(); ++i)
      calls[i] += block.calls.value_at(i);
    latency.add(block.latency);
    in_flight += block.in_flight.value();
  }
  void add(const server_totals& other) {
    for (std::size_t i = 0; i < calls.size(); ++i)
      calls[i] += other.calls[i];
    latency.add(other.latency);
    in_flight += other.in_flight;
  }
  /// What was counted since `before`. Levels are not differences: they stay.
  void since(const server_totals& before) {
    for (std::size_t i = 0; i < calls.size(); ++i)
      calls[i] -= before.calls[i];
    latency.since(before.latency);
  }
};

/// The configured name of a slot. Totals start at `before`, since the blocks are never reset.
struct slot_state {
  std::string name;
  bool live = false;
  server_totals before;
};

} // namespace

class registry::implementation {
 public:
  explicit implementation(std::size_t workers) : blocks_(workers) {}

  [[nodiscard]] std::vector<worker_block>& blocks() noexcept { return blocks_; }

  bool define_server(server_slot slot, std::string_view name) {
    if (slot >= limits::metric_servers_max)
      return false;
    const std::lock_guard lock(mutex_);
    if (slot >= slots_.size())
      slots_.resize(slot + std::size_t{1});
    add_chunk(slot);
    slot_state& state = slots_[slot];
    if (state.name != name) {
      keep_totals(slot);
      state = {std::string(name), true, raw_totals(slot)};
    }
    state.live = true;
    return true;
  }

  void retire_server(server_slot slot) {
    const std::lock_guard lock(mutex_);
    if (slot < slots_.size())
      slots_[slot].live = false;
  }

  void connect(sources from) {
    const std::lock_guard lock(mutex_);
    from_ = std::move(from);
  }

  [[nodiscard]] std::vector<prometheus::MetricFamily> collect() {
    const std::lock_guard lock(mutex_);
    family_writer out;
    write_clients(out);
    write_calls(out);
    write_servers(out);
    write_server_samples(out);
    write_gateway_sample(out);
    write_worker_samples(out);
    write_process(out, read_process());
    return out.take();
  }

 private:
  void add_chunk(server_slot slot) {
    const std::size_t index = slot / worker_block::chunk_servers;
    for (worker_block& block : blocks_) {
      if (block.chunks_[index].load(std::memory_order_relaxed) != nullptr)
        continue;
      chunks_.push_back(std::make_unique<worker_block::chunk>());
      block.chunks_[index].store(chunks_.back().get(), std::memory_order_release);
    }
  }

  [[nodiscard]] server_totals raw_totals(server_slot slot) {
    server_totals totals;
    for (worker_block& block : blocks_)
      totals.add(block.server(slot));
    return totals;
  }

  [[nodiscard]] server_totals totals_of(server_slot slot) {
    server_totals totals = raw_totals(slot);
    totals.since(slots_[slot].before);
    return totals;
  }

  /// Before a slot takes another name: what it counted stays with the name that it had.
  void keep_totals(server_slot slot) {
    const std::string& name = slots_[slot].name;
    if (name.empty())
      return;
    slots_[slot].live = false;
    const bool lives_on = std::any_of(slots_.begin(), slots_.end(), [&](const slot_state& other) {
      return other.live && other.name == name;
    });
    if (!lives_on) {
      kept_.erase(name);
      return;
    }
    server_totals totals = totals_of(slot);
    totals.in_flight = 0;
    kept_[name].add(totals);
  }

  [[nodiscard]] std::map<std::string, server_totals> totals_by_name() {
    std::map<std::string, server_totals> by_name;
    for (const slot_state& state : slots_)
      if (state.live)
        by_name.try_emplace(state.name);
    for (server_slot slot = 0; slot < slots_.size(); ++slot)
      if (const auto found = by_name.find(slots_[slot].name); found != by_name.end())
        found->second.add(totals_of(slot));
    for (const auto& [name, totals] : kept_)
      if (const auto found = by_name.find(name); found != by_name.end())
        found->second.add(totals);
    server_totals others;
    for (const worker_block& block : blocks_)
      others.add(block.other_servers_);
    for (const std::uint64_t calls : others.calls)
      if (calls != 0)
        by_name.try_emplace(std::string(other_server_name), others);
    return by_name;
  }

  /// The sum of a counter or gauge over the workers.
  template <class Member>
  [[nodiscard]] double sum(Member worker_block::*member) const {
    double total = 0;
    for (const worker_block& block : blocks_)
      total += static_cast<double>((block.*member).value());
    return total;
  }

  /// One counter per value of a closed enum, summed over the workers.
  template <class Enum, std::size_t Count>
  void write_by(family_writer& out, const char* label,
                const std::array<std::string_view, Count>& names,
                counters_by<Enum, Count> worker_block::*member) const {
    for (std::size_t i = 0; i < Count; ++i) {
      std::uint64_t total = 0;
      for (const worker_block& block : blocks_)
        total += (block.*member).value_at(i);
      out.value(static_cast<double>(total), {{label, std::string(names[i])}});
    }
  }

  void write_clients(family_writer& out) const {
    out.counter("nexus_http_requests_total", "HTTP requests of clients, by method.");
    write_by(out, "method", http_method_names, &worker_block::http_requests);
    out.counter("nexus_http_responses_total", "HTTP answers to clients, by class of status.");
    write_by(out, "status", status_class_names, &worker_block::http_responses);
    out.counter("nexus_http_received_bytes_total", "Bytes received from clients.");
    out.value(sum(&worker_block::bytes_in));
    out.counter("nexus_http_sent_bytes_total", "Bytes sent to clients.");
    out.value(sum(&worker_block::bytes_out));
    out.gauge("nexus_http_connections", "Client connections open now.");
    out.value(sum(&worker_block::client_connections));
    out.gauge("nexus_http_sse_streams", "Event streams open towards clients now.");
    out.value(sum(&worker_block::sse_streams));
    out.counter("nexus_gateway_requests_total", "JSON-RPC requests of clients, by outcome.");
    write_by(out, "result", request_result_names, &worker_block::requests);
    out.counter("nexus_gateway_refusals_total", "Connections and requests turned away, by reason.");
    write_by(out, "reason", refusal_names, &worker_block::refusals);
    out.counter("nexus_gateway_sealed_refusals_total",
                "Cursors, states and task ids of clients that did not open, by kind.");
    write_by(out, "kind", sealed_text_names, &worker_block::sealed_refusals);
  }

  void write_calls(family_writer& out) const {
    out.counter("nexus_gateway_calls_total", "Tool calls of all servers, by result.");
    write_by(out, "result", call_result_names, &worker_block::calls);
    out.histogram("nexus_gateway_call_duration_seconds",
                  "Tool calls from the request's last byte to the answer's first.");
    histogram_totals latency;
    for (const worker_block& block : blocks_)
      latency.add(block.call_latency);
    out.value(latency);
    out.gauge("nexus_gateway_exchanges_in_flight", "Exchanges that have begun and not ended.");
    out.value(sum(&worker_block::exchanges_in_flight));
    out.gauge("nexus_gateway_exchanges_parked",
              "Exchanges that wait for a permit, a connection or a server that starts.");
    out.value(sum(&worker_block::exchanges_parked));
    out.counter("nexus_gateway_failovers_total",
                "Calls of merged tools that went on to another server.");
    out.value(sum(&worker_block::failovers));
    out.counter("nexus_gateway_degraded_searches_total",
                "Searches that words alone answered although a model was to be asked.");
    out.value(sum(&worker_block::degraded_searches));
    out.counter("nexus_worker_posts_total", "Messages handed from one worker to another.");
    out.value(sum(&worker_block::posts));
  }

  void write_servers(family_writer& out) {
    const auto by_name = totals_by_name();
    out.counter("nexus_server_calls_total", "Tool calls, by server and result.");
    for (const auto& [name, totals] : by_name)
      for (std::size_t i = 0; i < totals.calls.size(); ++i)
        out.value(static_cast<double>(totals.calls[i]),
                  {{"server", name}, {"result", std::string(call_result_names[i])}});
    out.histogram("nexus_server_call_duration_seconds",
                  "Tool calls from sending to the answer's last byte, by server.");
    for (const auto& [name, totals] : by_name)
      out.value(totals.latency, {{"server", name}});
    out.gauge("nexus_server_calls_in_flight", "Tool calls under way now, by server.");
    for (const auto& [name, totals] : by_name)
      out.value(static_cast<double>(totals.in_flight), {{"server", name}});
  }

  void write_server_samples(family_writer& out) const {
    std::map<std::string, server_sample> by_name;
    for (server_sample& sample : from_.servers ? from_.servers() : std::vector<server_sample>{}) {
      server_sample& total = by_name[sample.name];
      total.ready = total.ready || sample.ready;
      total.permits_in_use += sample.permits_in_use;
      total.permits_max += sample.permits_max;
      total.queued += sample.queued;
      total.tools += sample.tools;
      total.restarts += sample.restarts;
    }
    const auto each = [&](auto member) {
      for (const auto& [name, sample] : by_name)
        out.value(static_cast<double>(sample.*member), {{"server", name}});
    };
    out.gauge("nexus_server_ready", "1 while the server answers calls, by server.");
    each(&server_sample::ready);
    out.gauge("nexus_server_permits_in_use", "Permits taken now, by server.");
    each(&server_sample::permits_in_use);
    out.gauge("nexus_server_permits_max", "Calls that may be under way at once, by server.");
    each(&server_sample::permits_max);
    out.gauge("nexus_server_queued_calls", "Calls that wait for a permit, by server.");
    each(&server_sample::queued);
    out.gauge("nexus_server_tools", "Tools in the last list of the server.");
    each(&server_sample::tools);
    out.counter("nexus_server_restarts_total", "Restarts and reconnections, by server.");
    each(&server_sample::restarts);
  }

  void write_gateway_sample(family_writer& out) const {
    const bool known = static_cast<bool>(from_.gateway);
    const gateway_sample sample = known ? from_.gateway() : gateway_sample{};
    const auto value = [&](auto number, label_list labels = {}) {
      if (known)
        out.value(static_cast<double>(number), std::move(labels));
    };
    out.gauge("nexus_gateway_sessions", "Legacy sessions open now.");
    value(sample.sessions);
    out.gauge("nexus_gateway_permits_in_use", "Permits of the process taken now.");
    value(sample.permits_in_use);
    out.gauge("nexus_gateway_permits_max", "Calls that may be under way in the process.");
    value(sample.permits_max);
    out.gauge("nexus_gateway_draining", "1 from the signal to stop until the end.");
    value(sample.draining);
    out.counter("nexus_catalog_definition_changes_total",
                "Definitions of servers that were other than their pins.");
    value(sample.changed_definitions, {});
    out.counter("nexus_gateway_reloads_total", "Reloads of the configuration, by result.");
    value(sample.reloads_ok, {{"result", "ok"}});
    value(sample.reloads_failed, {{"result", "failed"}});
    out.gauge("nexus_actors_running", "Actors alive now.");
    value(sample.actors);
    out.gauge("nexus_catalog_tools", "Tools in the merged catalogue.");
    value(sample.catalog_tools);
    out.gauge("nexus_catalog_generation", "Number of the catalogue that is served.");
    value(sample.catalog_generation);
  }

  void write_worker_samples(family_writer& out) const {
    const auto samples = from_.workers ? from_.workers() : std::vector<worker_sample>{};
    const auto each = [&](auto member) {
      for (std::size_t i = 0; i < samples.size(); ++i)
        out.value(static_cast<double>(samples[i].*member), {{"worker", std::to_string(i)}});
    };
    out.gauge("nexus_worker_io_uring", "1 when the worker runs on io_uring, 0 on epoll.");
    each(&worker_sample::io_uring);
    out.counter("nexus_worker_turns_total", "Turns of the reactor that found work, by worker.");
    each(&worker_sample::turns);
    out.counter("nexus_worker_waits_total", "Sleeps of the reactor, by worker.");
    each(&worker_sample::waits);
    out.counter("nexus_worker_system_calls_total", "System calls of the reactor, by worker.");
    each(&worker_sample::system_calls);
    out.counter("nexus_worker_completions_total", "I/O events handled, by worker.");
    each(&worker_sample::completions);
    out.counter("nexus_worker_posted_total", "Functions received from other threads, by worker.");
    each(&worker_sample::posted);
    out.gauge("nexus_worker_streams", "Sockets and pipes open now, by worker.");
    each(&worker_sample::streams);
    out.counter("nexus_worker_jobs_total", "Actors run, by worker.");
    each(&worker_sample::jobs);
    out.counter("nexus_worker_steals_total", "Actors taken from another worker, by worker.");
    each(&worker_sample::steals);
    out.gauge("nexus_worker_run_queue", "Actors ready to run now, by worker.");
    each(&worker_sample::run_queue);
  }

  std::mutex mutex_; // scrapes, definitions and connect; workers never take it
  std::vector<worker_block> blocks_;
  std::vector<std::unique_ptr<worker_block::chunk>> chunks_;
  std::vector<slot_state> slots_;
  std::map<std::string, server_totals> kept_;
  sources from_;
};

registry::registry(std::size_t workers) {
  NEXUS_ASSERT(workers > 0);
  self_ = std::make_unique<implementation>(workers);
}

registry::~registry() = default;

std::size_t registry::worker_count() const noexcept {
  return self_->blocks().size();
}

worker_block& registry::worker(std::size_t index) noexcept {
  NEXUS_ASSERT(index < self_->blocks().size());
  return self_->blocks()[index];
}

bool registry::define_server(server_slot slot, std::string_view name) {
  return self_->define_server(slot, name);
}

void registry::retire_server(server_slot slot) {
  self_->retire_server(slot);
}

void registry::connect(sources from) {
  self_->connect(std::move(from));
}

std::string registry::exposition() const {
  std::ostringstream page;
  prometheus::TextSerializer().Serialize(page, self_->collect());
  return std::move(page).str();
}

std::string_view registry::content_type() noexcept {
  return "text/plain; version=0.0.4";
}

} // namespace nexus::metrics
