#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <benchmark/benchmark.h>

#include "json/scan.hpp"

/// What the micro benchmarks share.
namespace nexus::bench {

/// Counts one item of that many bytes per iteration.
inline void report(benchmark::State& state, std::size_t bytes) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

/// The floor under whatever reads a text: one copy of it into memory that is warm.
inline void copy_floor(benchmark::State& state, std::string_view text) {
  std::string target(text.size(), '\0');
  for (auto _ : state) {
    std::memcpy(target.data(), text.data(), text.size());
    benchmark::DoNotOptimize(target.data());
    benchmark::ClobberMemory();
  }
  report(state, text.size());
}

/// A JSON text with the padding that the scanner reads beyond its end.
inline std::string padded(std::string text) {
  json::ensure_padding(text);
  return text;
}

} // namespace nexus::bench
