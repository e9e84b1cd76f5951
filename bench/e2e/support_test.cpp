// The harness judges the product, so its own scanners are tested too.

#include "bench/e2e/echo_answer.hpp"
#include "bench/e2e/http_scan.hpp"
#include "bench/e2e/json_scan.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace nexus::bench;

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
