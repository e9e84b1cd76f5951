#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <thread>

#include "metrics/metrics.hpp"

using namespace nexus;
using namespace std::chrono_literals;

namespace {

/// Samples of an exposition by `name{labels}`.
std::map<std::string, double> parse(const std::string& page) {
  std::map<std::string, double> samples;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#')
      continue;
    const std::size_t space = line.rfind(' ');
    REQUIRE(space != std::string::npos);
    const auto [at, inserted] =
        samples.emplace(line.substr(0, space), std::stod(line.substr(space + 1)));
    INFO(at->first);
    CHECK(inserted); // a duplicate makes Prometheus refuse the whole page
  }
  return samples;
}

/// A sample that must be there.
double value(const metrics::registry& registry, const std::string& name) {
  const auto samples = parse(registry.exposition());
  INFO(name);
  REQUIRE(samples.count(name) == 1);
  return samples.at(name);
}

bool has(const metrics::registry& registry, const std::string& text) {
  return registry.exposition().find(text) != std::string::npos;
}

/// Name and type of every family, from `# TYPE` lines.
std::map<std::string, std::string> families(const std::string& page) {
  std::map<std::string, std::string> found;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, keyword, name, type;
    words >> hash >> keyword >> name >> type;
    if (hash == "#" && keyword == "TYPE")
      found[name] = type;
  }
  return found;
}

} // namespace

TEST_CASE("registry sums what the workers counted", "[metrics][registry]") {
  metrics::registry registry(3);
  for (std::size_t i = 0; i < 3; ++i) {
    metrics::worker_block& block = registry.worker(i);
    block.calls.add(metrics::call_result::ok, i + 1);
    block.requests.add(metrics::request_result::invalid);
    block.refusals.add(metrics::refusal::origin);
    block.sealed_refusals.add(metrics::sealed_text::task_id, 2);
    block.http_responses.add(metrics::class_of_status(404));
    block.bytes_in.add(1000);
  }
  registry.worker(0).exchanges_in_flight.up(5);
  registry.worker(2).exchanges_in_flight.down(3);

  CHECK(value(registry, "nexus_gateway_calls_total{result=\"ok\"}") == 6);
  CHECK(value(registry, "nexus_gateway_calls_total{result=\"timeout\"}") == 0);
  CHECK(value(registry, "nexus_gateway_requests_total{result=\"invalid\"}") == 3);
  CHECK(value(registry, "nexus_gateway_refusals_total{reason=\"origin\"}") == 3);
  CHECK(value(registry, "nexus_gateway_sealed_refusals_total{kind=\"task_id\"}") == 6);
  CHECK(value(registry, "nexus_http_responses_total{status=\"4xx\"}") == 3);
  CHECK(value(registry, "nexus_http_received_bytes_total") == 3000);
  CHECK(value(registry, "nexus_gateway_exchanges_in_flight") == 2);
}

TEST_CASE("registry does not round large counters", "[metrics][registry]") {
  metrics::registry registry(1);
  registry.worker(0).bytes_out.add(123'456'789'012'345);
  CHECK(value(registry, "nexus_http_sent_bytes_total") == 123'456'789'012'345.0);
}

TEST_CASE("latency_histogram puts a duration below its bound", "[metrics][histogram]") {
  metrics::registry registry(2);
  const std::string name = "nexus_gateway_call_duration_seconds";
  registry.worker(0).call_latency.record(50us); // bounds are inclusive
  registry.worker(0).call_latency.record(50us + 1ns);
  registry.worker(1).call_latency.record(60s);
  registry.worker(1).call_latency.record(3600s);
  registry.worker(1).call_latency.record(-1s); // a clock that is not ours; counts as zero

  const auto samples = parse(registry.exposition());
  CHECK(samples.at(name + "_bucket{le=\"5e-05\"}") == 2);
  CHECK(samples.at(name + "_bucket{le=\"0.0001\"}") == 3);
  CHECK(samples.at(name + "_bucket{le=\"30\"}") == 3);
  CHECK(samples.at(name + "_bucket{le=\"60\"}") == 4);
  CHECK(samples.at(name + "_bucket{le=\"+Inf\"}") == 5);
  CHECK(samples.at(name + "_count") == 5);
  CHECK(samples.at(name + "_sum") == Approx(3660.0001));
}

TEST_CASE("class_of_status names every status", "[metrics]") {
  CHECK(metrics::class_of_status(100) == metrics::status_class::informational);
  CHECK(metrics::class_of_status(202) == metrics::status_class::success);
  CHECK(metrics::class_of_status(308) == metrics::status_class::redirect);
  CHECK(metrics::class_of_status(499) == metrics::status_class::client_error);
  CHECK(metrics::class_of_status(503) == metrics::status_class::server_error);
  CHECK(metrics::class_of_status(0) == metrics::status_class::server_error);
  CHECK(metrics::class_of_status(999) == metrics::status_class::server_error);
}

TEST_CASE("registry tells servers apart by their configured names", "[metrics][servers]") {
  metrics::registry registry(2);
  REQUIRE(registry.define_server(0, "files"));
  REQUIRE(registry.define_server(70, "odd \"name\"\\\nhere"));
  registry.worker(0).server(0).calls.add(metrics::call_result::ok);
  registry.worker(1).server(0).calls.add(metrics::call_result::ok);
  registry.worker(1).server(70).calls.add(metrics::call_result::refused, 4);
  registry.worker(1).server(0).latency.record(1ms);
  registry.worker(1).server(0).in_flight.up();

  CHECK(value(registry, "nexus_server_calls_total{server=\"files\",result=\"ok\"}") == 2);
  CHECK(value(registry, "nexus_server_calls_in_flight{server=\"files\"}") == 1);
  CHECK(value(registry, "nexus_server_call_duration_seconds_count{server=\"files\"}") == 1);
  CHECK(has(registry, "server=\"odd \\\"name\\\"\\\\\\nhere\",result=\"refused\"} 4\n"));
}

TEST_CASE("registry collects undefined slots under one name", "[metrics][servers]") {
  metrics::registry registry(1);
  CHECK_FALSE(registry.define_server(limits::metric_servers_max, "one too many"));
  CHECK_FALSE(has(registry, "(other)"));
  registry.worker(0).server(limits::metric_servers_max).calls.add(metrics::call_result::ok);
  registry.worker(0).server(3).calls.add(metrics::call_result::ok);
  CHECK(value(registry, "nexus_server_calls_total{server=\"(other)\",result=\"ok\"}") == 2);
}

TEST_CASE("registry keeps a block's address when servers are added", "[metrics][servers]") {
  metrics::registry registry(1);
  registry.define_server(0, "first");
  metrics::server_block* const block = &registry.worker(0).server(0);
  for (metrics::server_slot slot = 1; slot < 1000; ++slot)
    REQUIRE(registry.define_server(slot, "server" + std::to_string(slot)));
  CHECK(&registry.worker(0).server(0) == block);
  registry.worker(0).server(999).calls.add(metrics::call_result::ok);
  CHECK(value(registry, "nexus_server_calls_total{server=\"server999\",result=\"ok\"}") == 1);
}

TEST_CASE("registry forgets a server that is retired", "[metrics][servers]") {
  metrics::registry registry(1);
  registry.define_server(0, "old");
  registry.worker(0).server(0).calls.add(metrics::call_result::ok, 3);
  registry.retire_server(0);
  CHECK_FALSE(has(registry, "\"old\""));

  SECTION("its slot starts from zero under another name") {
    registry.define_server(0, "new");
    CHECK(value(registry, "nexus_server_calls_total{server=\"new\",result=\"ok\"}") == 0);
    registry.worker(0).server(0).calls.add(metrics::call_result::ok);
    CHECK(value(registry, "nexus_server_calls_total{server=\"new\",result=\"ok\"}") == 1);
    CHECK_FALSE(has(registry, "\"old\""));
  }
  SECTION("its series continues when the name comes back to another slot") {
    registry.define_server(1, "old");
    registry.worker(0).server(1).calls.add(metrics::call_result::ok);
    CHECK(value(registry, "nexus_server_calls_total{server=\"old\",result=\"ok\"}") == 4);
    registry.define_server(0, "new");
    CHECK(value(registry, "nexus_server_calls_total{server=\"old\",result=\"ok\"}") == 4);
    CHECK(value(registry, "nexus_server_calls_total{server=\"new\",result=\"ok\"}") == 0);
  }
}

TEST_CASE("registry asks its sources at each scrape", "[metrics][sources]") {
  metrics::registry registry(1);
  std::uint64_t sessions = 7;
  metrics::sources from;
  from.gateway = [&] {
    metrics::gateway_sample sample;
    sample.sessions = sessions;
    sample.draining = true;
    return sample;
  };
  from.workers = [] {
    std::vector<metrics::worker_sample> samples(2);
    samples[1].io_uring = true;
    samples[1].turns = 11;
    return samples;
  };
  from.servers = [] {
    metrics::server_sample first, second;
    first.name = second.name = "files"; // one drains while its replacement starts
    first.ready = true;
    first.permits_in_use = 2;
    second.permits_in_use = 3;
    return std::vector{first, second};
  };
  CHECK_FALSE(has(registry, "\nnexus_gateway_sessions "));
  registry.connect(std::move(from));
  CHECK(value(registry, "nexus_gateway_sessions") == 7);
  sessions = 8;
  CHECK(value(registry, "nexus_gateway_sessions") == 8);
  CHECK(value(registry, "nexus_gateway_draining") == 1);
  CHECK(value(registry, "nexus_worker_io_uring{worker=\"0\"}") == 0);
  CHECK(value(registry, "nexus_worker_io_uring{worker=\"1\"}") == 1);
  CHECK(value(registry, "nexus_worker_turns_total{worker=\"1\"}") == 11);
  CHECK(value(registry, "nexus_server_ready{server=\"files\"}") == 1);
  CHECK(value(registry, "nexus_server_permits_in_use{server=\"files\"}") == 5);
  registry.connect({});
  CHECK_FALSE(has(registry, "\nnexus_gateway_sessions "));
}

TEST_CASE("registry reads the process from the kernel", "[metrics][process]") {
  const metrics::registry registry(1);
  CHECK(value(registry, "process_resident_memory_bytes") > 100'000);
  CHECK(value(registry, "process_open_fds") >= 3);
  CHECK(value(registry, "process_max_fds") >= value(registry, "process_open_fds"));
  CHECK(value(registry, "process_threads") >= 1);
  CHECK(value(registry, "process_start_time_seconds") > 1'600'000'000);
}

TEST_CASE("registry may be scraped and extended while workers count", "[metrics][threads]") {
  constexpr std::uint64_t calls = 200'000;
  metrics::registry registry(2);
  std::atomic<int> running{2};
  const auto count = [&](std::size_t worker) {
    metrics::worker_block& block = registry.worker(worker);
    for (std::uint64_t i = 0; i < calls; ++i) {
      block.calls.add(metrics::call_result::ok);
      block.server(static_cast<metrics::server_slot>(i % 300)).calls.add(metrics::call_result::ok);
    }
    --running;
  };
  std::thread first(count, 0), second(count, 1);
  metrics::server_slot slot = 0;
  double last = 0;
  bool went_back = false;
  while (running.load() != 0) {
    if (slot < 300)
      registry.define_server(slot, "server" + std::to_string(slot));
    ++slot;
    const double now = parse(registry.exposition()).at("nexus_gateway_calls_total{result=\"ok\"}");
    went_back = went_back || now < last;
    last = now;
  }
  first.join();
  second.join();
  CHECK_FALSE(went_back);
  for (slot = 0; slot < 300; ++slot)
    registry.define_server(slot, "server" + std::to_string(slot));
  CHECK(value(registry, "nexus_gateway_calls_total{result=\"ok\"}") == 2 * calls);
}

TEST_CASE("docs/metrics.md lists every metric with its type and no other", "[metrics][docs]") {
  const auto here = std::filesystem::path(__FILE__).parent_path();
  std::ifstream file(here / "../../../docs/metrics.md");
  REQUIRE(file);
  std::map<std::string, std::string> documented;
  const std::regex row(R"(^\| `([a-z0-9_]+)` \| (\w+) \|.*)");
  for (std::string line; std::getline(file, line);)
    if (std::smatch match; std::regex_match(line, match, row))
      documented[match[1]] = match[2];
  CHECK(documented == families(metrics::registry(1).exposition()));
}

TEST_CASE("metric names follow the convention", "[metrics][docs]") {
  const std::regex ours(
      "nexus_(http|gateway|server|worker|catalog|actors)_[a-z_]+|process_[a-z_]+");
  for (const auto& [name, type] : families(metrics::registry(1).exposition())) {
    INFO(name);
    CHECK(std::regex_match(name, ours));
    CHECK((type == "counter") == name.ends_with("_total"));
    CHECK((type == "histogram") == name.ends_with("_duration_seconds"));
  }
}
