/// The ranker on real tools: what a query costs, at most times and at worst, what building an index
/// costs, and what it costs when one server changes.
///   NEXUS_RETRIEVAL_DATA=FOLDER nexus_bench_search
/// where FOLDER has the tools toucan_corpus/tools.jsonl, and queries as SET/queries.jsonl.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <time.h>

#include "bench/retrieval/tool_file.hpp"
#include "search/searcher.hpp"

namespace {

using namespace nexus;
using by_server = std::map<std::string, std::vector<search::document>>;

std::string folder;

/// The first `count` tools of the corpus; beyond its end they come again from other servers.
by_server servers_of(std::size_t count) {
  static const auto corpus = bench::read_tools(folder + "/toucan_corpus/tools.jsonl");
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

const std::vector<std::string>& queries() {
  static const auto all = [] {
    std::vector<std::string> out;
    for (const char* set : {"metatool", "metatool_multi", "bfcl"}) {
      const auto some = bench::read_strings(folder + "/" + set + "/queries.jsonl", "query");
      out.insert(out.end(), some.begin(), some.end());
    }
    return out;
  }();
  return all;
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
    benchmark::DoNotOptimize(searcher.find(*index, queries()[next++ % queries().size()],
                                           {10, filtered ? &visible : nullptr}));
    const double took = thread_seconds() - start;
    state.SetIterationTime(took);
    times.push_back(took * 1e6);
  }
  std::ranges::sort(times);
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["p99_us"] = times[times.size() * 99 / 100];
  state.counters["max_us"] = times.back();
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
}

} // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const char* const data = std::getenv("NEXUS_RETRIEVAL_DATA");
  if (data == nullptr) {
    std::fputs("SKIPPED: NEXUS_RETRIEVAL_DATA names no folder with toucan_corpus and queries; "
               "see bench/retrieval/README.md\n",
               stderr);
    return 0;
  }
  folder = data;
  const auto iterations = static_cast<benchmark::IterationCount>(queries().size());
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
  benchmark::RegisterBenchmark("BM_search_build/tools", BM_search_build)
      ->Arg(10'000)
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("BM_search_change_server/tools", BM_search_change_server)
      ->Arg(10'000)
      ->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
}
