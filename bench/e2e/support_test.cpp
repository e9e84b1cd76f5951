// The harness judges the product, so its own scanners and its histogram are tested too.

#include "bench/e2e/call_template.hpp"
#include "bench/e2e/echo_answer.hpp"
#include "bench/e2e/histogram.hpp"
#include "bench/e2e/http_scan.hpp"
#include "bench/e2e/json_scan.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

using namespace nexus::bench;

TEST_CASE("histogram reports quantiles within one bucket", "[bench][histogram]") {
  histogram times;
  for (std::int64_t us = 1; us <= 10'000; ++us)
    times.record(us * 1000);
  CHECK(times.quantile_us(0.5) == Approx(5000).epsilon(0.01));
  CHECK(times.quantile_us(0.99) == Approx(9900).epsilon(0.01));
  CHECK(times.quantile_us(1.0) == Approx(10'000));
  CHECK(times.max_us() == Approx(10'000));
}

TEST_CASE("histogram takes the extremes", "[bench][histogram]") {
  histogram times;
  CHECK(times.quantile_us(0.5) == 0.0);
  times.record(-5);
  times.record(INT64_MAX);
  CHECK(times.count() == 2);
  CHECK(times.quantile_us(0.0) == 0.0);
  CHECK(times.quantile_us(1.0) == Approx(9.223372036854775e15));
}

TEST_CASE("json_member finds top-level members only", "[bench][json]") {
  const std::string text =
      R"({"a":{"id":1,"s":"}\"]"},"list":[{"id":2}], "id" : "x\"y" ,"n":-1.5e3})";
  CHECK(json_member(text, "id") == R"("x\"y")");
  CHECK(json_member(text, "n") == "-1.5e3");
  CHECK(json_member(json_member(text, "a"), "id") == "1");
  CHECK(json_member(text, "s").empty());
}

TEST_CASE("json_member survives text that is not an object", "[bench][json]") {
  for (const char* text : {"", "[1]", "{", R"({"id)", R"({"id":)", R"({"id" 1})", R"({"a":"\)"})
    CHECK(json_member(text, "id").empty());
}

TEST_CASE("scan_response needs every byte of an answer", "[bench][http]") {
  struct sample {
    std::string wire;
    std::string body;
    int status;
  };
  const sample samples[] = {
      {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "{}", 200},
      {"HTTP/1.1 202 Accepted\r\nContent-Length:0\r\n\r\n", "", 202},
      {"HTTP/1.1 204 No Content\r\n\r\n", "", 204},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n",
       "abcd", 200},
  };
  for (const auto& one : samples) {
    http_message message;
    for (std::size_t size = 0; size < one.wire.size(); ++size)
      REQUIRE(scan_response(one.wire.substr(0, size), message) == scan_state::incomplete);
    const auto two = one.wire + one.wire;
    REQUIRE(scan_response(two, message) == scan_state::complete);
    CHECK(message.total_bytes == one.wire.size());
    CHECK(message.body == one.body);
    CHECK(message.status == one.status);
  }
}

TEST_CASE("scan_response refuses what cannot be framed", "[bench][http]") {
  http_message message;
  for (const char* wire :
       {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", "nonsense from a server\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    INFO(wire);
    CHECK(scan_response(wire, message) == scan_state::invalid);
  }
}

TEST_CASE("next_event joins data lines and skips comments", "[bench][http]") {
  std::string_view stream = ": ping\n\nevent: message\r\ndata: {\"a\":\r\ndata:1}\r\n\r\ndata: x";
  std::string data;
  REQUIRE(next_event(stream, data));
  CHECK(data == "{\"a\":\n1}");
  REQUIRE(next_event(stream, data));
  CHECK(data == "x");
  CHECK_FALSE(next_event(stream, data));
}

TEST_CASE("call_template writes the id everywhere and keeps the length", "[bench][load]") {
  load_options options;
  REQUIRE(parse_url("http://127.0.0.1:1/mcp", options.url));
  options.speech = era::modern;
  options.tool = "b{}__echo";
  options.spread_tools = 2;
  auto calls = make_calls(options, {});
  REQUIRE(calls.size() == 2);
  const std::string wire{calls[1].with_id(1'234'567'890)};
  http_message message;
  REQUIRE(scan_request(wire, message) == scan_state::complete);
  CHECK(message.total_bytes == wire.size());
  CHECK(json_member(message.body, "id") == "1234567890");
  const auto params = json_member(message.body, "params");
  CHECK(json_member(params, "name") == "\"b2__echo\"");
  CHECK(json_member(params, "arguments").find("1234567890") != std::string_view::npos);
  CHECK(wire.find("Mcp-Name: b2__echo\r\n") != std::string::npos);
  CHECK(wire.find('\x01') == std::string::npos);
}

TEST_CASE("echo_answerer answers each era in its own form", "[bench][echo]") {
  using kind = echo_answerer::kind;
  const echo_answerer echo{echo_settings{}};
  const std::string meta = R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"})";
  std::string body;
  REQUIRE(echo.answer(R"({"id":"7","method":"tools/call","params":{"arguments":{"a":"\""}}})",
                      body) == kind::answered);
  CHECK(json_member(body, "id") == "\"7\"");
  CHECK(json_member(json_member(body, "result"), "structuredContent") == R"({"a":"\""})");
  CHECK(json_member(json_member(body, "result"), "resultType").empty());
  REQUIRE(echo.answer(R"({"id":1,"method":"tools/list","params":{)" + meta + "}}", body) ==
          kind::answered);
  CHECK(json_member(json_member(body, "result"), "resultType") == "\"complete\"");
  CHECK(json_member(json_member(body, "result"), "ttlMs") == "3600000");
  CHECK(echo.answer(R"({"method":"notifications/initialized"})", body) == kind::accepted);
  CHECK(echo.answer("[]", body) == kind::malformed);
}

TEST_CASE("echo_answerer hides the other era when told to", "[bench][echo]") {
  echo_settings settings;
  settings.speaks = echo_era::legacy;
  const echo_answerer echo{settings};
  std::string body;
  echo.answer(R"({"id":1,"method":"server/discover","params":{"_meta":)"
              R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}})",
              body);
  CHECK(json_member(json_member(body, "error"), "code") == "-32601");
  CHECK(echo.answer(R"({"id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}})",
                    body) == echo_answerer::kind::initialized);
  CHECK(json_member(json_member(body, "result"), "protocolVersion") == "\"2025-06-18\"");
}
