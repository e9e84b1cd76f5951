/// What the walk over a message costs, beside simdjson's own parse into a DOM and a plain copy of
/// the same bytes, which is the floor.

#include <cstring>
#include <string>

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include "json/scan.hpp"
#include "json/write.hpp"

namespace {

using namespace nexus;

/// A tools/call of 2026-07-28 as SDKs write it.
std::string envelope() {
  std::string text =
      R"({"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"get_weather",)"
      R"("arguments":{"location":"Oslo","days":3},"_meta":{)"
      R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
      R"("io.modelcontextprotocol/clientCapabilities":{},"progressToken":17}}})";
  json::ensure_padding(text);
  return text;
}

/// A result of many text items with escapes, numbers and nesting.
std::string large_result(std::size_t bytes) {
  std::string text = R"({"jsonrpc":"2.0","id":17,"result":{"content":[)";
  const std::string item =
      R"({"type":"text","text":"line one\nline \"two\" of the answer, with some length to it",)"
      R"("annotations":{"priority":0.75,"audience":["user","assistant"]},"n":12345})";
  while (text.size() + item.size() + 32 < bytes)
    text += item + ",";
  text += item + R"(],"isError":false}})";
  json::ensure_padding(text);
  return text;
}

/// One large string, as images travel.
std::string base64_result(std::size_t bytes) {
  std::string text = R"({"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"image","data":")" +
                     std::string(bytes, 'Q') + R"("}]}})";
  json::ensure_padding(text);
  return text;
}

/// Enters three levels, as the MCP envelope is read.
class envelope_visitor final : public json::visitor {
 public:
  step on_key(unsigned, std::string_view key, json::kind) override {
    return key == "params" || key == "_meta" || key == "result" ? step::enter : step::take;
  }
  void on_member(unsigned, const json::member& found) override { bytes += found.span.size(); }
  std::size_t bytes = 0;
};

void scan(benchmark::State& state, const std::string& text) {
  json::scanner scanner;
  for (auto _ : state) {
    envelope_visitor visitor;
    auto result = scanner.scan_object(text, visitor);
    if (!result)
      state.SkipWithError("the input is valid");
    benchmark::DoNotOptimize(visitor.bytes);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void dom_parse(benchmark::State& state, const std::string& text) {
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(text);
  for (auto _ : state) {
    auto root = parser.parse(padded);
    benchmark::DoNotOptimize(root.error());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void copy(benchmark::State& state, const std::string& text) {
  std::string target(text.size(), '\0');
  for (auto _ : state) {
    std::memcpy(target.data(), text.data(), text.size());
    benchmark::DoNotOptimize(target.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

constexpr std::size_t mebibyte = 1024 * 1024;

void BM_json_scan_envelope(benchmark::State& state) {
  scan(state, envelope());
}
void BM_json_dom_envelope(benchmark::State& state) {
  dom_parse(state, envelope());
}
void BM_json_copy_envelope(benchmark::State& state) {
  copy(state, envelope());
}
void BM_json_scan_large(benchmark::State& state) {
  scan(state, large_result(mebibyte));
}
void BM_json_dom_large(benchmark::State& state) {
  dom_parse(state, large_result(mebibyte));
}
void BM_json_copy_large(benchmark::State& state) {
  copy(state, large_result(mebibyte));
}
void BM_json_scan_base64(benchmark::State& state) {
  scan(state, base64_result(mebibyte));
}
void BM_json_dom_base64(benchmark::State& state) {
  dom_parse(state, base64_result(mebibyte));
}

void BM_json_append_string(benchmark::State& state) {
  const std::string text = "line one\nline \"two\" of the answer, with some length to it and more";
  std::string out;
  for (auto _ : state) {
    out.clear();
    json::append_string(out, text);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void BM_json_canonical(benchmark::State& state) {
  const std::string text = large_result(64 * 1024);
  for (auto _ : state)
    benchmark::DoNotOptimize(json::canonical(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

BENCHMARK(BM_json_scan_envelope);
BENCHMARK(BM_json_dom_envelope);
BENCHMARK(BM_json_copy_envelope);
BENCHMARK(BM_json_scan_large)->Name("BM_json_scan_large/bytes:1048576");
BENCHMARK(BM_json_dom_large)->Name("BM_json_dom_large/bytes:1048576");
BENCHMARK(BM_json_copy_large)->Name("BM_json_copy_large/bytes:1048576");
BENCHMARK(BM_json_scan_base64)->Name("BM_json_scan_base64/bytes:1048576");
BENCHMARK(BM_json_dom_base64)->Name("BM_json_dom_base64/bytes:1048576");
BENCHMARK(BM_json_append_string);
BENCHMARK(BM_json_canonical);

} // namespace
