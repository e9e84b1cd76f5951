/// The way of a call through the gateway's pure functions: parsed, classified, written for its
/// server, and the answer parsed and written for its client. The floor of each is a copy of the
/// same text.

#include "bench/support/micro.hpp"
#include "gateway/classify.hpp"
#include "gateway/render.hpp"

namespace nexus::gateway {
namespace {

std::size_t text_bytes(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

/// A tools/call whose argument has that many bytes.
std::string call_text(std::size_t bytes, mcp::era era) {
  std::string text = R"({"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":)"
                     R"("files__read_file","arguments":{"text":")" +
                     std::string(bytes, 'x') + R"("})";
  if (era == mcp::era::modern)
    text += R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
            R"("io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},)"
            R"("io.modelcontextprotocol/clientCapabilities":{}})";
  return bench::padded(text + "}}");
}

/// What a server of that era answers to it.
std::string result_text(std::size_t bytes, mcp::era era) {
  std::string text = R"({"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":")" +
                     std::string(bytes, 'x') + R"("}])";
  if (era == mcp::era::modern)
    text += R"(,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":)"
            R"({"name":"files","version":"1"}})";
  return bench::padded(text + "}}");
}

mcp::era era_of(const benchmark::State& state) {
  return state.range(1) != 0 ? mcp::era::modern : mcp::era::legacy;
}

/// A text with what was found in it.
struct parsed {
  explicit parsed(std::string wire) : text(std::move(wire)) {
    if (!mcp::parse_message(text, scanner, message))
      std::abort();
  }
  std::string text;
  json::scanner scanner;
  mcp::message message;
};

void BM_gateway_copy_call(benchmark::State& state) {
  bench::copy_floor(state, call_text(text_bytes(state), era_of(state)));
}

void parse(benchmark::State& state, const std::string& text) {
  json::scanner scanner;
  mcp::message message;
  for (auto _ : state) {
    message.clear();
    benchmark::DoNotOptimize(mcp::parse_message(text, scanner, message).has_value());
  }
  bench::report(state, text.size());
}

void BM_gateway_parse_call(benchmark::State& state) {
  parse(state, call_text(text_bytes(state), era_of(state)));
}

void BM_gateway_classify_call(benchmark::State& state) {
  const parsed call(call_text(text_bytes(state), era_of(state)));
  protocol_headers headers;
  headers.present = true;
  headers.protocol_version = era_of(state) == mcp::era::modern ? "2026-07-28" : "2025-11-25";
  if (era_of(state) == mcp::era::modern) {
    headers.method = "tools/call";
    headers.name = "files__read_file";
  }
  for (auto _ : state)
    benchmark::DoNotOptimize(classify(call.message, headers).has_value());
  bench::report(state, call.text.size());
}

void BM_gateway_append_request(benchmark::State& state) {
  const parsed call(call_text(text_bytes(state), era_of(state)));
  downstream_call to_server;
  to_server.method = "tools/call";
  to_server.target_name = "read_file";
  to_server.id = 4711;
  to_server.server = era_of(state);
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_request(out, call.message, to_server);
    benchmark::DoNotOptimize(out.data());
  }
  bench::report(state, call.text.size());
}

void BM_gateway_copy_result(benchmark::State& state) {
  bench::copy_floor(state, result_text(text_bytes(state), era_of(state)));
}

void BM_gateway_parse_result(benchmark::State& state) {
  parse(state, result_text(text_bytes(state), era_of(state)));
}

/// Written into the client's buffer, which is the only copy that is made of it.
void render(benchmark::State& state, mcp::era client) {
  parsed answer(result_text(text_bytes(state), era_of(state)));
  std::string out;
  for (auto _ : state) {
    pieces text;
    std::string scratch;
    render_result(text, scratch, "17", answer.message, client);
    out.clear();
    text.append_to(out);
    benchmark::DoNotOptimize(out.data());
  }
  bench::report(state, answer.text.size());
}

void BM_gateway_render_result(benchmark::State& state) {
  render(state, era_of(state));
}

/// For a client of the other era.
void BM_gateway_translate_result(benchmark::State& state) {
  render(state, era_of(state) == mcp::era::modern ? mcp::era::legacy : mcp::era::modern);
}

void sizes(benchmark::internal::Benchmark* made) {
  made->ArgNames({"text_bytes", "modern"})->ArgsProduct({{60, 4 << 10, 64 << 10, 1 << 20}, {0, 1}});
}

void envelope(benchmark::internal::Benchmark* made) {
  made->ArgNames({"text_bytes", "modern"})->ArgsProduct({{60}, {0, 1}});
}

BENCHMARK(BM_gateway_copy_call)->Apply(sizes);
BENCHMARK(BM_gateway_parse_call)->Apply(sizes);
BENCHMARK(BM_gateway_classify_call)->Apply(envelope);
BENCHMARK(BM_gateway_append_request)->Apply(sizes);
BENCHMARK(BM_gateway_copy_result)->Apply(sizes);
BENCHMARK(BM_gateway_parse_result)->Apply(sizes);
BENCHMARK(BM_gateway_render_result)->Apply(sizes);
BENCHMARK(BM_gateway_translate_result)->Apply(sizes);

} // namespace
} // namespace nexus::gateway
