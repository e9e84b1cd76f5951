/// What it costs to check arguments against their schema, and to take a schema apart; the floor of
/// both is reading the same text as JSON.

#include "bench/support/micro.hpp"
#include "schema/schema.hpp"

namespace nexus::schema {
namespace {

constexpr std::string_view schema_text =
    R"({"type":"object","properties":{"repository":{"type":"string","pattern":"^[a-z/-]+$"},)"
    R"("paths":{"type":"array","items":{"type":"string","minLength":1},"maxItems":1000},)"
    R"("query":{"type":"string","maxLength":400},"limit":{"type":"integer","minimum":1,)"
    R"("maximum":100},"order":{"enum":["newest","oldest"]},"where":{"$ref":"#/$defs/range"}},)"
    R"("required":["repository","query"],"additionalProperties":false,"$defs":{"range":)"
    R"({"type":"object","properties":{"from":{"type":"number"},"to":{"type":"number"}}}}})";

/// Arguments with that many paths.
std::string arguments(std::int64_t paths) {
  std::string text = R"({"repository":"example/gateway","query":"where is the deadline armed",)"
                     R"("limit":20,"order":"newest","where":{"from":1,"to":2.5},"paths":[)";
  for (std::int64_t i = 0; i < paths; ++i)
    text += (i == 0 ? "" : ",") + std::string(R"("src/engine/upstream")");
  return bench::padded(text + "]}");
}

json::slice validated(const std::string& text) {
  json::scanner scanner;
  return scanner.validate(text).value();
}

void scan(benchmark::State& state, const std::string& text) {
  json::scanner scanner;
  for (auto _ : state)
    benchmark::DoNotOptimize(scanner.validate(text).has_value());
  bench::report(state, text.size());
}

void BM_schema_check_floor(benchmark::State& state) {
  scan(state, arguments(state.range(0)));
}

void BM_schema_check(benchmark::State& state) {
  const auto made = compiled::make(validated(bench::padded(std::string(schema_text))));
  const auto text = arguments(state.range(0));
  const auto value = validated(text);
  for (auto _ : state)
    if (made->check(value).what != verdict::state::valid)
      state.SkipWithError("the arguments fit the schema");
  bench::report(state, text.size());
}

void BM_schema_compile_floor(benchmark::State& state) {
  scan(state, bench::padded(std::string(schema_text)));
}

void BM_schema_compile(benchmark::State& state) {
  const auto text = bench::padded(std::string(schema_text));
  const auto value = validated(text);
  for (auto _ : state)
    benchmark::DoNotOptimize(compiled::make(value).get());
  bench::report(state, text.size());
}

BENCHMARK(BM_schema_check_floor)->ArgName("paths")->Arg(2)->Arg(1'000);
BENCHMARK(BM_schema_check)->ArgName("paths")->Arg(2)->Arg(1'000);
BENCHMARK(BM_schema_compile_floor);
BENCHMARK(BM_schema_compile);

} // namespace
} // namespace nexus::schema
