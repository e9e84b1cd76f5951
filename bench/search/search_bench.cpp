/// The ranker: what a query costs, at most times and at worst, what building an index costs, and
/// what it costs when one server changes; each beside a floor.
///   NEXUS_RETRIEVAL_DATA=FOLDER nexus_bench_search
/// where FOLDER has real tools as toucan_corpus/tools.jsonl, and queries as SET/queries.jsonl.
/// Without it tools and queries are generated.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <time.h>

#include "bench/search/corpus.hpp"
#include "search/searcher.hpp"

namespace {

using namespace nexus;
using by_server = std::map<std::string, std::vector<search::document>>;

const bench::corpus& given() {
  static const bench::corpus all = [] {
    if (const char* const folder = std::getenv("NEXUS_RETRIEVAL_DATA"))
      return bench::real_corpus(folder);
    std::fputs("GENERATED TOOLS: NEXUS_RETRIEVAL_DATA names no folder with real ones; see "
               "bench/retrieval/README.md\n",
               stderr);
    return bench::generated_corpus();
  }();
  return all;
}

/// The first `count` tools of the corpus; beyond its end they come again from other servers.
by_server servers_of(std::size_t count) {
  const auto& corpus = given().tools;
  by_server out;
  for (std::size_t k = 0; k < count; ++k) {
    search::document tool = corpus[k % corpus.size()];
    if (k >= corpus.size()) {
      const std::string round = std::to_string(k / corpus.size());
      tool.server += round;
      tool.id += "/" + round;
    }
    out[tool.server].push_back(std::move(tool));
  }
  return out;
}

void fill(search::index_builder& builder, const by_server& servers) {
  for (const auto& [name, tools] : servers)
    builder.set_server(name, tools);
}

/// Of this thread, so that other programs do not count. The clock's own cost is in it: 0.3 us.
double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Each iteration is one query; the counters show how the times of all are spread.
void query(benchmark::State& state, bool filtered) {
  search::index_builder builder;
  fill(builder, servers_of(static_cast<std::size_t>(state.range(0))));
  const auto index = builder.build();
  const auto visible =
      index->select([](const search::tool_ref& t) { return t.server.size() % 2 == 0; });
  search::searcher searcher;
  std::vector<double> times;
  std::size_t next = 0;
  for (auto _ : state) {
    const double start = thread_seconds();
    benchmark::DoNotOptimize(searcher.find(*index, given().queries[next++ % given().queries.size()],
                                           {10, filtered ? &visible : nullptr}));
    const double took = thread_seconds() - start;
    state.SetIterationTime(took);
    times.push_back(took * 1e6);
  }
  std::ranges::sort(times);
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["p99_us"] = times[times.size() * 99 / 100];
  state.counters["max_us"] = times.back();
  state.SetItemsProcessed(state.iterations());
}

/// The floor of a query: one score for each tool is looked at, and the best ten are taken.
void BM_search_query_floor(benchmark::State& state) {
  std::vector<float> scores(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < scores.size(); ++i)
    scores[i] = static_cast<float>(i * 7919 % scores.size());
  std::vector<float> best(10);
  for (auto _ : state) {
    std::ranges::partial_sort_copy(scores, best, std::greater<>());
    benchmark::DoNotOptimize(best.data());
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_search_query(benchmark::State& state) {
  query(state, false);
}

void BM_search_query_filtered(benchmark::State& state) {
  query(state, true);
}

void BM_search_build(benchmark::State& state) {
  const auto servers = servers_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    search::index_builder builder;
    fill(builder, servers);
    benchmark::DoNotOptimize(builder.build());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// The floor of an index: the tools are copied.
void BM_search_build_floor(benchmark::State& state) {
  const auto servers = servers_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    by_server copy = servers;
    benchmark::DoNotOptimize(copy);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// A server of middling size is replaced, and the next snapshot is made.
void BM_search_change_server(benchmark::State& state) {
  const auto servers = servers_of(static_cast<std::size_t>(state.range(0)));
  search::index_builder builder;
  fill(builder, servers);
  const auto changing =
      std::ranges::find_if(servers, [](const auto& server) { return server.second.size() >= 20; });
  for (auto _ : state) {
    builder.set_server(changing->first, changing->second);
    benchmark::DoNotOptimize(builder.build());
  }
  state.SetItemsProcessed(state.iterations());
}

} // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto iterations = static_cast<benchmark::IterationCount>(given().queries.size());
  for (auto* const made :
       {benchmark::RegisterBenchmark("BM_search_query/tools", BM_search_query),
        benchmark::RegisterBenchmark("BM_search_query_filtered/tools", BM_search_query_filtered)}) {
    made->Arg(1'000)
        ->Arg(10'000)
        ->Arg(100'000)
        ->Iterations(iterations)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark("BM_search_query_floor/tools", BM_search_query_floor)
      ->Arg(1'000)
      ->Arg(10'000)
      ->Arg(100'000)
      ->Unit(benchmark::kMicrosecond);
  for (auto* const made :
       {benchmark::RegisterBenchmark("BM_search_build/tools", BM_search_build),
        benchmark::RegisterBenchmark("BM_search_build_floor/tools", BM_search_build_floor),
        benchmark::RegisterBenchmark("BM_search_change_server/tools", BM_search_change_server)})
    made->Arg(10'000)->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
}
