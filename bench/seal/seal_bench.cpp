// What a sealed text costs: requirement, below 2 microseconds each way for 200 bytes.

#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "seal/sealer.hpp"

namespace nexus::seal {
namespace {

const wall_time now{std::chrono::seconds(1'800'000'000)};
const wall_time later = now + std::chrono::minutes(10);

/// Arguments of a call: what a binding mostly consists of.
constexpr std::string_view arguments =
    R"({"repository":"example/gateway","branch":"main","paths":["src/net","src/http"],)"
    R"("query":"where is the deadline of a call armed","limit":20,"case_sensitive":false,)"
    R"("context_lines":3})";
const std::array<std::string_view, 3> request{"tools/call", "code__search", arguments};
const binding to{"user:7c0d5e1a-94c2-4e1f", "code", request};

sealer make_sealer() {
  const std::vector<std::string> secrets{
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff"};
  return sealer(key_ring::from_secrets(secrets).value());
}

void report(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

/// The floor: what it costs to copy the payload once.
void BM_seal_copy(benchmark::State& state) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 's');
  for (auto _ : state) {
    std::string copy(payload);
    benchmark::DoNotOptimize(copy.data());
  }
  report(state);
}
BENCHMARK(BM_seal_copy)->ArgName("payload_bytes")->Arg(200);

void BM_seal_seal(benchmark::State& state) {
  sealer own = make_sealer();
  const std::string payload(static_cast<std::size_t>(state.range(0)), 's');
  for (auto _ : state)
    benchmark::DoNotOptimize(own.seal(kind::request_state, payload, to, later)->data());
  report(state);
}
BENCHMARK(BM_seal_seal)->ArgName("payload_bytes")->Arg(0)->Arg(200)->Arg(4 << 10)->Arg(64 << 10);

void BM_seal_open(benchmark::State& state) {
  sealer own = make_sealer();
  const std::string payload(static_cast<std::size_t>(state.range(0)), 's');
  const std::string text = own.seal(kind::request_state, payload, to, later).value();
  for (auto _ : state)
    benchmark::DoNotOptimize(own.open(kind::request_state, text, to, now)->payload.data());
  report(state);
}
BENCHMARK(BM_seal_open)->ArgName("payload_bytes")->Arg(0)->Arg(200)->Arg(4 << 10)->Arg(64 << 10);

/// What an attacker can make us do.
void BM_seal_open_forged(benchmark::State& state) {
  sealer own = make_sealer();
  const std::string payload(static_cast<std::size_t>(state.range(0)), 's');
  std::string text = own.seal(kind::request_state, payload, to, later).value();
  text[100] = text[100] == 'A' ? 'B' : 'A';
  for (auto _ : state)
    benchmark::DoNotOptimize(own.open(kind::request_state, text, to, now).has_value());
  report(state);
}
BENCHMARK(BM_seal_open_forged)->ArgName("payload_bytes")->Arg(200);

} // namespace
} // namespace nexus::seal
