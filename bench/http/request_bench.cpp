#include <benchmark/benchmark.h>

#include <string>

#include "bench/support/micro.hpp"
#include "http/message.hpp"
#include "http/sse.hpp"
#include "tests/unit/http/wire.hpp"

namespace nexus::http {
namespace {

std::string sample_request() {
  return std::string{test::sample_request_head} + std::string{test::sample_request_body};
}

using bench::report;

/// The floor: what it costs to touch the bytes once.
void BM_http_copy_request(benchmark::State& state) {
  bench::copy_floor(state, sample_request());
}
BENCHMARK(BM_http_copy_request);

/// A request as a connection parses it: reset, head, body, and the fields that routing asks for.
void BM_http_parse_request(benchmark::State& state) {
  const std::string wire = sample_request();
  const auto piece_bytes = static_cast<std::size_t>(state.range(0));
  request_parser parser;
  for (auto _ : state) {
    std::string_view rest = wire;
    while (!rest.empty()) {
      const auto taken = parser.feed(rest.substr(0, piece_bytes));
      rest.remove_prefix(taken.value());
    }
    benchmark::DoNotOptimize(parser.message().body.data());
    parser.reset();
  }
  report(state, wire.size());
}
BENCHMARK(BM_http_parse_request)->ArgName("piece_bytes")->Arg(64)->Arg(1 << 16);

void BM_http_find_field(benchmark::State& state) {
  request_parser parser;
  if (!parser.feed(sample_request()))
    state.SkipWithError("the sample is refused");
  const header_fields& fields = parser.message().headers;
  for (auto _ : state) {
    benchmark::DoNotOptimize(fields.find("mcp-session-id"));
    benchmark::DoNotOptimize(fields.find("origin"));
  }
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(BM_http_find_field);

struct ignoring_handler final : response_handler, sse_handler {
  void on_head(const response_head& head) override { benchmark::DoNotOptimize(head.status); }
  void on_body(std::string_view bytes) override { benchmark::DoNotOptimize(bytes.data()); }
  void on_done() override {}
  void on_event(const sse_event& event) override { benchmark::DoNotOptimize(event.data.data()); }
};

void BM_http_parse_response(benchmark::State& state) {
  const std::string wire = "HTTP/1.1 200 OK\r\n"
                           "Content-Type: application/json\r\n"
                           "Mcp-Session-Id: 7c0d5e1a-94c2-4e1f-9a55-0d6f3f1c2b7e\r\n"
                           "Date: Mon, 02 Mar 2026 10:00:00 GMT\r\n"
                           "Connection: keep-alive\r\n"
                           "Content-Length: 106\r\n\r\n" +
                           std::string{test::sample_request_body};
  response_parser parser;
  ignoring_handler receiver;
  for (auto _ : state)
    benchmark::DoNotOptimize(parser.feed(wire, receiver).value());
  report(state, wire.size());
}
BENCHMARK(BM_http_parse_response);

void BM_sse_parse(benchmark::State& state) {
  std::string wire;
  append_sse_event(wire, std::string(static_cast<std::size_t>(state.range(0)), 'x'), "message",
                   "42");
  sse_parser parser;
  ignoring_handler receiver;
  for (auto _ : state) {
    if (!parser.feed(wire, receiver))
      state.SkipWithError("the sample is refused");
  }
  report(state, wire.size());
}
BENCHMARK(BM_sse_parse)->ArgName("data_bytes")->Arg(128)->Arg(16 << 10)->Arg(1 << 20);

void BM_sse_append(benchmark::State& state) {
  const std::string data(static_cast<std::size_t>(state.range(0)), 'x');
  std::string wire;
  for (auto _ : state) {
    wire.clear();
    append_sse_event(wire, data, "message", "42");
    benchmark::DoNotOptimize(wire.data());
  }
  report(state, wire.size());
}
BENCHMARK(BM_sse_append)->ArgName("data_bytes")->Arg(128)->Arg(16 << 10)->Arg(1 << 20);

/// The floor of both.
void BM_sse_copy(benchmark::State& state) {
  bench::copy_floor(state, std::string(static_cast<std::size_t>(state.range(0)), 'x'));
}
BENCHMARK(BM_sse_copy)->ArgName("data_bytes")->Arg(128)->Arg(16 << 10)->Arg(1 << 20);

} // namespace
} // namespace nexus::http

BENCHMARK_MAIN();
