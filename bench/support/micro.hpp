#pragma once

#include <bit>
#include <cstdint>
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
  // Half a page apart: where the low bits of both addresses nearly agree, a processor takes its
  // loads for loads of what it has just stored: 16 KiB take 8.9 microseconds in place of 0.3.
  constexpr std::uintptr_t page = 4096;
  std::string room(text.size() + page, '\0');
  const auto apart = std::bit_cast<std::uintptr_t>(text.data()) -
                     std::bit_cast<std::uintptr_t>(room.data()) + page / 2;
  char* const target = room.data() + apart % page;
  for (auto _ : state) {
    std::memcpy(target, text.data(), text.size());
    benchmark::DoNotOptimize(target);
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
