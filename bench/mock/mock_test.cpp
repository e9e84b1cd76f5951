#include <algorithm>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include "bench/mock/delay_queue.hpp"
#include "bench/mock/mcp_server.hpp"
#include "bench/mock/options.hpp"

using namespace nexus;
using namespace nexus::mock;
using Catch::Matchers::Contains;

namespace {

constexpr std::size_t draws = 20'000;

/// Many samples in order, in milliseconds.
std::vector<double> samples_ms(std::string_view text) {
  const auto made = latency::parse(text);
  REQUIRE(made.has_value());
  random_source from(7);
  std::vector<double> out;
  for (std::size_t i = 0; i < draws; ++i)
    out.push_back(static_cast<double>(made->sample(from).count()) / 1e6);
  std::ranges::sort(out);
  return out;
}

double quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

options parsed(std::vector<const char*> given) {
  const auto read = parse_options(given);
  if (!read)
    FAIL(read.error());
  return *read;
}

std::string refusal(std::vector<const char*> given) {
  const auto read = parse_options(given);
  REQUIRE_FALSE(read.has_value());
  return read.error();
}

std::string padded(std::string text) {
  json::ensure_padding(text);
  return text;
}

std::string call_of(std::string_view tool) {
  return padded(R"({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":")" +
                std::string(tool) + R"(","arguments":{"n":1}}})");
}

} // namespace

TEST_CASE("latency follows the distribution that it names", "[mock][latency]") {
  CHECK(quantile(samples_ms("fixed:5ms"), 0) == 5);
  CHECK(quantile(samples_ms("fixed:5ms"), 1) == 5);

  const auto uniform = samples_ms("uniform:1ms-10ms");
  CHECK(uniform.front() >= 1);
  CHECK(uniform.back() <= 10);
  CHECK(quantile(uniform, 0.5) == Approx(5.5).epsilon(0.03));

  const auto exponential = samples_ms("exp:5ms");
  CHECK(quantile(exponential, 0.5) == Approx(5 * std::log(2)).epsilon(0.03));
  CHECK(quantile(exponential, 0.99) == Approx(5 * std::log(100)).epsilon(0.05));

  const auto lognormal = samples_ms("lognormal:5ms,0.5");
  CHECK(quantile(lognormal, 0.5) == Approx(5).epsilon(0.03));
  CHECK(quantile(lognormal, 0.8413) == Approx(5 * std::exp(0.5)).epsilon(0.05)); // one sigma

  const auto mixed = samples_ms("95%:fixed:2ms+5%:fixed:200ms");
  const auto slow = std::ranges::count(mixed, 200.0);
  CHECK(static_cast<double>(slow) / draws == Approx(0.05).epsilon(0.1));
  CHECK(slow + std::ranges::count(mixed, 2.0) == draws);
}

TEST_CASE("latency refuses what it cannot mean", "[mock][latency]") {
  for (const std::string_view wrong :
       {"", "5ms", "fixed", "fixed:", "fixed:5", "fixed:-1ms", "fixed:5ms,1", "fixed:2h",
        "fixed:4000s", "uniform:1ms", "uniform:9ms-1ms", "exp:nan", "lognormal:5ms",
        "lognormal:5ms,11", "normal:5ms", "50%:fixed:1ms", "50%:fixed:1ms+60%:fixed:1ms",
        "101%:fixed:1ms", "fixed:1ms+"}) {
    CAPTURE(wrong);
    CHECK_FALSE(latency::parse(wrong).has_value());
  }
}

TEST_CASE("calls fail as often as told, and the same ones in every run", "[mock][behaviour]") {
  behaviour told;
  told.errors = error_rates::parse("tool:10%,protocol:5%,drop:1%").value();
  told.padding = size_range::parse("10-20").value();
  std::array<std::size_t, 4> seen{};
  for (std::uint64_t call = 1; call <= draws; ++call) {
    const auto fate = told.of_call(3, call);
    ++seen[static_cast<std::size_t>(fate.end)];
    CHECK((fate.padding_bytes >= 10 && fate.padding_bytes <= 20));
    CHECK(told.of_call(3, call).end == fate.end);
  }
  CHECK(static_cast<double>(seen[1]) / draws == Approx(0.10).epsilon(0.1));
  CHECK(static_cast<double>(seen[2]) / draws == Approx(0.05).epsilon(0.1));
  CHECK(static_cast<double>(seen[3]) / draws == Approx(0.01).epsilon(0.25));

  const auto fates = [&told](std::uint64_t server, std::uint64_t seed) {
    told.seed = seed;
    std::vector<ending> out;
    for (std::uint64_t call = 1; call <= 200; ++call)
      out.push_back(told.of_call(server, call).end);
    return out;
  };
  CHECK(fates(1, 1) == fates(1, 1));
  CHECK(fates(1, 1) != fates(2, 1));
  CHECK(fates(1, 1) != fates(1, 2));
}

TEST_CASE("options are read, and a wrong one is named", "[mock][options]") {
  const auto all = parsed({"--servers", "50", "--tools", "200", "--era", "legacy", "--seed", "9",
                           "--listen", "127.0.0.1:0", "--result-bytes", "100-4096"});
  CHECK(all.servers == 50);
  CHECK(all.tools == 200);
  CHECK(all.era == served_era::legacy);
  CHECK(all.calls.seed == 9);
  CHECK(all.calls.padding.most == 4096);
  CHECK(all.at.port == 0);

  CHECK_THAT(refusal({"--servers", "0"}), Contains("--servers: \"0\" is no whole number from 1"));
  CHECK_THAT(refusal({"--era", "new"}), Contains("none of legacy, modern, both"));
  CHECK_THAT(refusal({"--latency", "5"}), Contains("--latency: "));
  CHECK_THAT(refusal({"--error-rate", "tool:60%,drop:60%"}), Contains("100 %"));
  CHECK_THAT(refusal({"--error-rate", "slow:1%"}), Contains("none of tool, protocol, drop"));
  CHECK_THAT(refusal({"--result-bytes", "9-1"}), Contains("--result-bytes: "));
  CHECK_THAT(refusal({"--tools"}), Contains("needs a value"));
  CHECK_THAT(refusal({"--what", "1"}), Contains("unknown option"));
  CHECK_THAT(refusal({"--listen", "127.0.0.1:0", "--print-config"}), Contains("needs a port"));
}

TEST_CASE("the printed configuration leads to every server", "[mock][options]") {
  CHECK(gateway_config(parsed({"--servers", "2", "--listen", "127.0.0.1:4000"}), "mock") ==
        "{\"mcpServers\": {\n"
        "  \"mock_1\": {\"type\": \"http\", \"url\": \"http://127.0.0.1:4000/1/mcp\"},\n"
        "  \"mock_2\": {\"type\": \"http\", \"url\": \"http://127.0.0.1:4000/2/mcp\"}\n}}\n");
  CHECK(gateway_config(parsed({"--transport", "stdio", "--tools", "3"}), "/a \"b\"") ==
        "{\"mcpServers\": {\n"
        "  \"mock_1\": {\"type\": \"stdio\", \"command\": \"/a \\\"b\\\"\", \"args\": "
        "[\"--transport\", \"stdio\", \"--server\", \"1\", \"--tools\", \"3\"]}\n}}\n");
}

TEST_CASE("a mock server answers in the era of the request", "[mock][server]") {
  const auto told = parsed({"--tools", "1500", "--era", "legacy"});
  mcp_server server(told, 7);
  const auto called = server.answer(call_of("tool_1500"));
  CHECK(called.what == reply::kind::answered);
  CHECK(called.body == R"({"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":)"
                       R"("{\"n\":1}"}],"structuredContent":{"n":1}}})");
  CHECK_THAT(server.answer(call_of("tool_1501")).body, Contains("no such tool"));
  CHECK_THAT(server.answer(call_of("tool_01")).body, Contains("no such tool"));

  const auto page = server.answer(padded(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})")).body;
  CHECK_THAT(page, Contains(R"("nextCursor":"1000")") && Contains("Tool 1000 of mock server 7."));
  CHECK_THAT(page, !Contains("ttlMs"));
  CHECK_THAT(server
                 .answer(padded(R"({"jsonrpc":"2.0","id":1,"method":"tools/list",)"
                                R"("params":{"cursor":"1000"}})"))
                 .body,
             Contains(R"("name":"tool_1500")") && !Contains("nextCursor"));

  const auto modern =
      padded(R"({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":)"
             R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
             R"("io.modelcontextprotocol/clientCapabilities":{}}}})");
  CHECK_THAT(server.answer(modern).body, Contains("does not speak this era"));
  const auto both = parsed({});
  CHECK_THAT(mcp_server(both, 1).answer(modern).body,
             Contains(R"("supportedVersions":["2026-07-28"])") && Contains("serverInfo"));
  CHECK(server.answer(padded("[1]")).what == reply::kind::malformed);
  CHECK(server.answer(padded(R"({"jsonrpc":"2.0","method":"notifications/initialized"})")).what ==
        reply::kind::accepted);
}

TEST_CASE("delayed values come out when they are due, in their order", "[mock][delay]") {
  const time_point start{};
  delay_queue<int> queue;
  queue.push(start + milliseconds(5), 3);
  queue.push(start + milliseconds(1), 1);
  queue.push(start + milliseconds(1), 2);
  CHECK(queue.until_next(start, seconds(1)) == milliseconds(1));
  CHECK_FALSE(queue.pop(start).has_value());
  CHECK(queue.pop(start + milliseconds(1)) == 1);
  CHECK(queue.pop(start + milliseconds(1)) == 2);
  CHECK_FALSE(queue.pop(start + milliseconds(1)).has_value());
  CHECK(queue.until_next(start + milliseconds(9), seconds(1)) == nanoseconds(0));
  CHECK(queue.pop(start + milliseconds(9)) == 3);
  CHECK(queue.empty());
  CHECK(queue.until_next(start, seconds(1)) == seconds(1));
}
