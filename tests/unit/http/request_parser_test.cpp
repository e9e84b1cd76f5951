#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"
#include "tests/unit/http/wire.hpp"
#include "json/scan.hpp"

namespace nexus::http {
namespace {

using namespace std::string_literals;
using test::repeat;

struct valid_row {
  std::string name;
  std::string wire;
  std::vector<std::string> expected; ///< one summary per request
};

struct invalid_row {
  std::string name;
  std::string wire;
  errc expected;
};

/// What a replay came to.
struct outcome {
  std::vector<std::string> requests;
  std::error_code failure;
  bool idle = false;

  bool operator==(const outcome&) const = default;
};

std::string summary(request& message) {
  std::string out = message.verb_text + " " + std::string{message.path};
  if (!message.query.empty())
    out += "?" + std::string{message.query};
  out += " " + std::to_string(message.version) + (message.keep_alive ? " keep" : " close");
  out += " " + std::to_string(message.headers.size()) + " [" + message.body + "]";
  return out;
}

outcome replay(std::string_view wire, std::size_t piece_size, request_limits bounds = {}) {
  request_parser parser(bounds);
  outcome seen;
  test::for_each_piece(wire, piece_size, [&](std::string_view piece) {
    while (!piece.empty()) {
      const auto taken = parser.feed(piece);
      if (!taken) {
        seen.failure = taken.error().code;
        return false;
      }
      REQUIRE((*taken == piece.size() || parser.done()));
      piece.remove_prefix(*taken);
      if (parser.done()) {
        auto& body = parser.message().body;
        CHECK(body.capacity() >= body.size() + json::padding_bytes);
        seen.requests.push_back(summary(parser.message()));
        parser.reset();
      }
    }
    return true;
  });
  seen.idle = !seen.failure && parser.idle();
  return seen;
}

std::string get(std::string_view target, std::string_view fields = "Host: a\r\n") {
  return "GET " + std::string{target} + " HTTP/1.1\r\n" + std::string{fields} + "\r\n";
}

std::string post(std::string_view fields, std::string_view rest = {}) {
  return "POST /mcp HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n" + std::string{rest};
}

std::string chunked(std::string_view body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

const std::vector<valid_row>& valid_rows() {
  static const std::vector<valid_row> rows{
      {"shortest", get("/"), {"GET / 11 keep 1 []"}},
      {"query", get("/a?b=c?d"), {"GET /a?b=c?d 11 keep 1 []"}},
      {"empty query", get("/a?"), {"GET /a 11 keep 1 []"}},
      {"absolute form", get("http://a/b?c"), {"GET /b?c 11 keep 1 []"}},
      {"absolute form, other case", get("HTTP://A/b"), {"GET /b 11 keep 1 []"}},
      {"absolute form without path", get("http://a"), {"GET / 11 keep 1 []"}},
      {"absolute form, query only", get("http://a?x"), {"GET /?x 11 keep 1 []"}},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {"OPTIONS * 11 keep 1 []"}},
      {"two slashes stay a path", get("//a/b"), {"GET //a/b 11 keep 1 []"}},
      {"unknown method", "PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", {"PURGE / 11 keep 1 []"}},
      {"longest method",
       std::string(32, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n",
       {std::string(32, 'M') + " / 11 keep 1 []"}},
      {"host with port", get("/", "Host: a.b-c_d:8080\r\n"), {"GET / 11 keep 1 []"}},
      {"IPv6 host", get("/", "Host: [::1]:65535\r\n"), {"GET / 11 keep 1 []"}},
      {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", {"GET / 10 close 0 []"}},
      {"HTTP/1.0 keep-alive",
       "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n",
       {"GET / 10 keep 1 []"}},
      {"lists in several fields",
       get("/", "Host: a\r\nAccept: a/b\r\nAccept: c/d\r\nX: 1\r\nX: 2\r\nOrigin: http://a\r\n"),
       {"GET / 11 keep 6 []"}},
      {"close wins",
       get("/", "Host: a\r\nConnection: keep-alive\r\nConnection: Close\r\n"),
       {"GET / 11 close 3 []"}},
      {"length", post("Content-Length: 5\r\n", "hello"), {"POST /mcp 11 keep 2 [hello]"}},
      {"length of zero", post("content-length:0\r\n"), {"POST /mcp 11 keep 2 []"}},
      {"white space around a value",
       post("Content-Length: \t 2 \t\r\n", "hi"),
       {"POST /mcp 11 keep 2 [hi]"}},
      {"no length, no body", post("X:\r\n"), {"POST /mcp 11 keep 2 []"}},
      {"obs-text and tab in a value", post("X: a\tb\xff\r\n"), {"POST /mcp 11 keep 2 []"}},
      {"HTTP/1.0 with length",
       "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
       {"POST / 10 close 1 [hi]"}},
      {"chunked", chunked("5\r\nhello\r\n0\r\n\r\n"), {"POST /mcp 11 keep 2 [hello]"}},
      {"chunked in other case",
       post("transfer-ENCODING:CHUNKED\r\n", "1\r\nx\r\n0\r\n\r\n"),
       {"POST /mcp 11 keep 2 [x]"}},
      {"several chunks",
       chunked("3\r\nhel\r\n00A\r\nlo, world!\r\n000\r\n\r\n"),
       {"POST /mcp 11 keep 2 [hello, world!]"}},
      {"chunk data that looks like framing",
       chunked("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
       {"POST /mcp 11 keep 2 [\r\n0\r\n\r\n]"}},
      {"sixteen digits",
       chunked("0000000000000001\r\nx\r\n0\r\n\r\n"),
       {"POST /mcp 11 keep 2 [x]"}},
      {"chunk extensions",
       chunked("1;a;b=c;d=\"e\"\r\nx\r\n0;f\r\n\r\n"),
       {"POST /mcp 11 keep 2 [x]"}},
      {"trailers are dropped",
       chunked("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
       {"POST /mcp 11 keep 2 [x]"}},
      {"one empty line before", "\r\n" + get("/"), {"GET / 11 keep 1 []"}},
      {"empty line after a body",
       post("Content-Length: 1\r\n", "x") + "\r\n" + get("/n"),
       {"POST /mcp 11 keep 2 [x]", "GET /n 11 keep 1 []"}},
      {"pipelined",
       get("/1") + post("Content-Length: 1\r\n", "2") + chunked("1\r\n3\r\n0\r\n\r\n") + get("/4"),
       {"GET /1 11 keep 1 []", "POST /mcp 11 keep 2 [2]", "POST /mcp 11 keep 2 [3]",
        "GET /4 11 keep 1 []"}},
      {"NUL in a body", post("Content-Length: 3\r\n", "a\0b"s), {"POST /mcp 11 keep 2 [a\0b]"s}},
      {"Expect",
       post("Expect: 100-Continue\r\nContent-Length: 1\r\n", "x"),
       {"POST /mcp 11 keep 3 [x]"}},
      {"a real one",
       std::string{test::sample_request_head} + std::string{test::sample_request_body},
       {"POST /mcp 11 keep 8 [" + std::string{test::sample_request_body} + "]"}},
  };
  return rows;
}

/// H07 and friends: what makes two parsers disagree about where a request ends or where it goes.
std::vector<invalid_row> framing_rows() {
  const errc bad = errc::bad_request;
  return {
      {"CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"), bad},
      {"TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "1\r\nx\r\n0\r\n\r\n"),
       bad},
      {"TE.CL with length zero", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), bad},
      {"TE.TE", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), bad},
      {"TE.TE equal", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), bad},
      {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n"), bad},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n"), errc::unsupported_coding},
      {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), errc::unsupported_coding},
      {"chunked, identity", post("Transfer-Encoding: chunked, identity\r\n"),
       errc::unsupported_coding},
      {"identity", post("Transfer-Encoding: identity\r\n"), errc::unsupported_coding},
      {"quoted chunked", post("Transfer-Encoding: \"chunked\"\r\n"), bad},
      {"chunked with parameter", post("Transfer-Encoding: chunked;q=1\r\n"), bad},
      {"chunked, empty item", post("Transfer-Encoding: chunked,\r\n"), bad},
      {"empty coding", post("Transfer-Encoding:\r\n"), bad},
      {"vertical tab before chunked",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       bad},
      {"TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
      {"two equal lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x"), bad},
      {"two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "xy"), bad},
      {"list of lengths", post("Content-Length: 1, 1\r\n", "x"), bad},
      {"+1", post("Content-Length: +1\r\n", "x"), bad},
      {"-1", post("Content-Length: -1\r\n", "x"), bad},
      {"0x1", post("Content-Length: 0x1\r\n", "x"), bad},
      {"1 1", post("Content-Length: 1 1\r\n", "x"), bad},
      {"1.0", post("Content-Length: 1.0\r\n", "x"), bad},
      {"empty length", post("Content-Length: \r\n"), bad},
      {"length of 2^64", post("Content-Length: 18446744073709551616\r\n"), bad},
      {"length of 2^64 + 1 in 25 digits", post("Content-Length: 0000018446744073709551617\r\n"),
       bad},
      {"length above the limit", post("Content-Length: 4194305\r\n"), errc::body_too_large},
      {"length far above the limit", post("Content-Length: 9223372036854775808\r\n"),
       errc::body_too_large},
      {"obs-fold", get("/", "Host: a\r\nX: a\r\n b\r\n"), bad},
      {"obs-fold hides a coding", post("X: a\r\n\tTransfer-Encoding: chunked\r\n"), bad},
      {"fold of the first field", get("/", " Host: a\r\n"), bad},
      {"space before the colon", post("Content-Length : 1\r\n", "x"), bad},
      {"tab before the colon", post("Content-Length\t: 1\r\n", "x"), bad},
      {"empty name", get("/", "Host: a\r\n: x\r\n"), bad},
      {"no colon", get("/", "Host: a\r\nX\r\n"), bad},
      {"name is no token", get("/", "Host: a\r\nX(y): z\r\n"), bad},
      {"name outside ASCII", get("/", "Host: a\r\nX\xc3\xa9: z\r\n"), bad},
      {"NUL in a name", get("/", "Host: a\r\nX\0: z\r\n"s), bad},
      {"NUL in a value", get("/", "Host: a\r\nX: a\0b\r\n"s), bad},
      {"control in a value", get("/", "Host: a\r\nX: a\x01\r\n"), bad},
      {"delete in a value", get("/", "Host: a\r\nX: a long enough value\x7f\r\n"), bad},
      {"bare CR in a value", get("/", "Host: a\r\nX: a\rY: b\r\n"), bad},
      {"CR CR LF", get("/", "Host: a\r\nX: a\r\r\n"), bad},
      {"bare LF ends a field", get("/", "Host: a\nX: b\r\n"), bad},
      {"bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", bad},
      {"bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", bad},
      {"bare CR ends the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", bad},
      {"other expectation", post("Expect: 200-ok\r\n"), errc::expectation_failed},
      {"obfuscated expectation", post("Expect: y 100-continue\r\n"), errc::expectation_failed},
  };
}

std::vector<invalid_row> line_rows() {
  const errc bad = errc::bad_request;
  return {
      {"no Host", get("/", ""), bad},
      {"two Hosts", get("/", "Host: a\r\nHost: a\r\n"), bad},
      {"two Origins", post("Origin: http://a\r\nOrigin: http://b\r\n"), bad},
      {"two Content-Types, other case",
       post("Content-Type: application/json\r\ncontent-type: text/plain\r\n"), bad},
      {"two Authorizations", post("Authorization: Bearer a\r\nAuthorization: Bearer a\r\n"), bad},
      {"two sessions", post("Mcp-Session-Id: a\r\nX: a\r\nmcp-session-id: b\r\n"), bad},
      {"two revisions", post("MCP-Protocol-Version: a\r\nMCP-Protocol-Version: b\r\n"), bad},
      {"two methods", post("Mcp-Method: a\r\nMcp-Method: b\r\n"), bad},
      {"two names", post("Mcp-Name: a\r\nMcp-Name: b\r\n"), bad},
      {"two last events", get("/", "Host: a\r\nLast-Event-ID: a\r\nLast-Event-ID: b\r\n"), bad},
      {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", bad},
      {"empty Host", get("/", "Host:\r\n"), bad},
      {"userinfo in Host", get("/", "Host: u@a\r\n"), bad},
      {"space in Host", get("/", "Host: a b\r\n"), bad},
      {"path in Host", get("/", "Host: a/b\r\n"), bad},
      {"list in Host", get("/", "Host: a, b\r\n"), bad},
      {"query in Host", get("/", "Host: a?b\r\n"), bad},
      {"per cent in Host", get("/", "Host: a%2fb\r\n"), bad},
      {"bad port", get("/", "Host: a:8x\r\n"), bad},
      {"empty port", get("/", "Host: a:\r\n"), bad},
      {"port above 65535", get("/", "Host: a:65536\r\n"), bad},
      {"two ports", get("/", "Host: a:1:2\r\n"), bad},
      {"port only", get("/", "Host: :80\r\n"), bad},
      {"open bracket", get("/", "Host: [::1\r\n"), bad},
      {"no IPv6 address", get("/", "Host: [12345::1]\r\n"), bad},
      {"junk after an IPv6 address", get("/", "Host: [::1]x\r\n"), bad},
      {"zone in an IPv6 address", get("/", "Host: [fe80::1%eth0]\r\n"), bad},
      {"absolute form, other host", get("http://b/"), bad},
      {"absolute form, other port", get("http://a:80/"), bad},
      {"absolute form, userinfo", get("http://u@a/"), bad},
      {"absolute form, empty host", get("http:///x"), bad},
      {"absolute form, other scheme", get("ftp://a/"), bad},
      {"authority form", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", bad},
      {"relative target", get("a"), bad},
      {"query only", get("?a"), bad},
      {"asterisk for GET", get("*"), bad},
      {"asterisk with a tail", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"fragment", get("/a#b"), bad},
      {"space in the target", get("/a b"), bad},
      {"tab in the target", get("/a\tb"), bad},
      {"non-ASCII target", get("/\xc3\xa9"), bad},
      {"NUL in the target", get("/a\0b"s), bad},
      {"delete in the target", get("/a\x7f"), bad},
      {"empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", bad},
      {"method is no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"method of 33 bytes", std::string(33, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"method without end", std::string(9000, 'M'), bad},
      {"HTTP/0.9", "GET /\r\n", bad},
      {"lower-case protocol", "GET / http/1.1\r\nHost: a\r\n\r\n", bad},
      {"other protocol", "GET / RTSP/1.0\r\nHost: a\r\n\r\n", bad},
      {"HTTP/1", "GET / HTTP/1\r\nHost: a\r\n\r\n", bad},
      {"HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", bad},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", errc::bad_version},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errc::bad_version},
      {"two empty lines before", "\r\n\r\n" + get("/"), bad},
      {"line feed before", "\n" + get("/"), bad},
      {"TLS hello", "\x16\x03\x01\x02"s, bad},
      {"JSON without HTTP", "{\"jsonrpc\":\"2.0\"}", bad},
      {"target above the limit", get("/" + std::string(8192, 'a')), errc::uri_too_long},
      {"target without end", "GET /" + std::string(9000, 'a'), errc::uri_too_long},
      {"101 fields", get("/", "Host: a\r\n" + repeat("X: y\r\n", 100)), errc::header_too_large},
      {"fields without end", get("/", "Host: a\r\n").substr(0, 25) + repeat("X: y\r\n", 200),
       errc::header_too_large},
      {"head of 40,000 bytes", get("/", "Host: a\r\nX: " + std::string(40'000, 'x') + "\r\n"),
       errc::header_too_large},
      {"field without end", "GET / HTTP/1.1\r\nX: " + std::string(33'000, 'x'),
       errc::header_too_large},
  };
}

std::vector<invalid_row> chunk_rows() {
  const errc bad = errc::bad_request;
  return {
      {"no size", chunked("\r\nx\r\n"), bad},
      {"size is no number", chunked("x\r\n"), bad},
      {"0x1", chunked("0x1\r\nx\r\n0\r\n\r\n"), bad},
      {"-1", chunked("-1\r\nx\r\n0\r\n\r\n"), bad},
      {"+1", chunked("+1\r\nx\r\n0\r\n\r\n"), bad},
      {"space before the size", chunked(" 1\r\nx\r\n0\r\n\r\n"), bad},
      {"space after the size", chunked("1 \r\nx\r\n0\r\n\r\n"), bad},
      {"seventeen digits", chunked("00000000000000001\r\nx\r\n0\r\n\r\n"), bad},
      {"size of 2^64 - 1", chunked("ffffffffffffffff\r\n"), errc::body_too_large},
      {"size above the limit", chunked("400001\r\n"), errc::body_too_large},
      {"bare LF after the size", chunked("1\nx\r\n0\r\n\r\n"), bad},
      {"bare CR after the size", chunked("1\rx\r\n0\r\n\r\n"), bad},
      {"bare LF after the data", chunked("1\r\nx\n0\r\n\r\n"), bad},
      {"data longer than its size", chunked("1\r\nxy\r\n0\r\n\r\n"), bad},
      {"data shorter than its size", chunked("3\r\nx\r\n0\r\n\r\n"), bad},
      {"extension of 257 bytes", chunked("1;" + std::string(256, 'a') + "\r\nx\r\n0\r\n\r\n"), bad},
      {"extension without end", chunked("1;" + std::string(5000, 'a')), bad},
      {"extension with a line feed", chunked("1;a\nb\r\nx\r\n0\r\n\r\n"), bad},
      {"extension with a carriage return", chunked("1;a\rb\r\nx\r\n0\r\n\r\n"), bad},
      {"extension without name", chunked("1;\r\nx\r\n0\r\n\r\n"), bad},
      {"extension with NUL", chunked("1;a\0\r\nx\r\n0\r\n\r\n"s), bad},
      {"extensions that outweigh the body",
       chunked(repeat("1;" + std::string(200, 'a') + "\r\nx\r\n", 200) + "0\r\n\r\n"), bad},
      {"zeros that outweigh the body",
       chunked(repeat("0000000000000001\r\nx\r\n", 4000) + "0\r\n\r\n"), bad},
      {"length in the trailers", chunked("0\r\nContent-Length: 1\r\n\r\n"), bad},
      {"coding in the trailers", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), bad},
      {"Host in the trailers", chunked("0\r\nHost: b\r\n\r\n"), bad},
      {"malformed trailer", chunked("0\r\nA b\r\n\r\n"), bad},
      {"folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n"), bad},
      {"bare LF in the trailers", chunked("0\r\nA: b\n\r\n"), bad},
      {"too many trailers", chunked("0\r\n" + repeat("A: b\r\n", 101)), errc::header_too_large},
      {"trailer without end", chunked("0\r\nA: " + std::string(33'000, 'b')),
       errc::header_too_large},
  };
}

void check(const std::vector<invalid_row>& rows) {
  for (const auto& row : rows) {
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO(row.name << ", pieces of " << piece_size);
      const outcome seen = replay(row.wire, piece_size);
      CHECK(seen.failure == row.expected);
      CHECK(seen.requests.empty());
    }
  }
}

} // namespace

TEST_CASE("request_parser takes valid requests at every fragmentation", "[http][request]") {
  for (const auto& row : valid_rows()) {
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO(row.name << ", pieces of " << piece_size);
      const outcome seen = replay(row.wire, piece_size);
      CHECK(seen.failure.message() == std::error_code{}.message());
      CHECK(seen.requests == row.expected);
      CHECK(seen.idle);
    }
  }
}

TEST_CASE("request_parser refuses ambiguous framing", "[http][request][h07]") {
  check(framing_rows());
}

TEST_CASE("request_parser refuses malformed lines, hosts and targets", "[http][request][h07]") {
  check(line_rows());
}

TEST_CASE("request_parser refuses odd chunk framing", "[http][request][h07]") {
  check(chunk_rows());
}

TEST_CASE("request tables hold more invalid than valid rows", "[http][request]") {
  CHECK(framing_rows().size() + line_rows().size() + chunk_rows().size() >= valid_rows().size());
}

TEST_CASE("request_parser never completes a cut request", "[http][request]") {
  for (const auto& row : valid_rows()) {
    if (row.expected.size() != 1)
      continue;
    INFO(row.name);
    for (std::size_t cut = 0; cut < row.wire.size(); ++cut) {
      const outcome seen = replay(std::string_view{row.wire}.substr(0, cut), 0);
      REQUIRE(seen.requests.empty());
      REQUIRE_FALSE(seen.failure);
    }
  }
}

TEST_CASE("request_parser bounds are exact", "[http][request]") {
  const request_limits bounds{
      .header_count_max = 3, .header_bytes_max = 60, .target_bytes_max = 8, .body_bytes_max = 4};
  const auto failure = [&bounds](const std::string& wire) {
    const outcome whole = replay(wire, 0, bounds);
    CHECK(whole == replay(wire, 1, bounds));
    return whole.failure;
  };
  CHECK_FALSE(failure(get("/1234567")));
  CHECK(failure(get("/12345678")) == errc::uri_too_long);
  CHECK_FALSE(failure(get("/", "Host: a\r\nA:\r\nB:\r\n")));
  CHECK(failure(get("/", "Host: a\r\nA:\r\nB:\r\nC:\r\n")) == errc::header_too_large);
  const std::string fixed = get("/", "Host: a\r\nA: \r\n");
  CHECK_FALSE(failure(get("/", "Host: a\r\nA: " + std::string(60 - fixed.size(), 'x') + "\r\n")));
  CHECK(failure(get("/", "Host: a\r\nA: " + std::string(61 - fixed.size(), 'x') + "\r\n")) ==
        errc::header_too_large);
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  CHECK_FALSE(failure(head + "Content-Length: 4\r\n\r\n1234"));
  CHECK(failure(head + "Content-Length: 5\r\n\r\n12345") == errc::body_too_large);
}

TEST_CASE("request_parser counts all chunks against the body limit", "[http][request]") {
  const request_limits bounds{.body_bytes_max = 4};
  for (const std::size_t piece_size : test::piece_sizes) {
    CHECK(replay(chunked("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"), piece_size, bounds).requests.size() ==
          1);
    CHECK(replay(chunked("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), piece_size, bounds).failure ==
          errc::body_too_large);
  }
}

TEST_CASE("request_parser takes one-byte chunks without limit", "[http][request]") {
  const std::string wire = chunked(repeat("1\r\nx\r\n", 100'000) + "0\r\n\r\n");
  const outcome seen = replay(wire, 0);
  REQUIRE(seen.requests.size() == 1);
  CHECK(seen.requests[0].size() > 100'000);
}

TEST_CASE("request_parser stops behind a request", "[http][request]") {
  request_parser parser;
  CHECK(parser.idle());
  const std::string wire = get("/1") + get("/2");
  const auto first = parser.feed(wire);
  REQUIRE(first);
  CHECK(*first == wire.size() / 2);
  CHECK(parser.done());
  CHECK(parser.head_done());
  CHECK_FALSE(parser.idle());
  CHECK(parser.feed("x").value() == 0);
  parser.reset();
  CHECK(parser.idle());
  CHECK_FALSE(parser.head_done());
}

TEST_CASE("request_parser is idle after an empty line", "[http][request]") {
  request_parser parser;
  REQUIRE(parser.feed("\r"));
  CHECK_FALSE(parser.idle());
  REQUIRE(parser.feed("\n"));
  CHECK(parser.idle());
  REQUIRE(parser.feed("G"));
  CHECK_FALSE(parser.idle());
}

TEST_CASE("request_parser stays unusable after an error until reset", "[http][request]") {
  request_parser parser;
  REQUIRE(parser.feed("@").error().code == errc::bad_request);
  REQUIRE(parser.feed(get("/")).error().code == errc::bad_request);
  CHECK_FALSE(parser.idle());
  CHECK_FALSE(parser.done());
  parser.reset();
  REQUIRE(parser.feed(get("/")));
  CHECK(parser.done());
}

TEST_CASE("request_parser asks for 100-continue once, before the body", "[http][request]") {
  const std::string head = post("Expect: 100-continue\r\nContent-Length: 2\r\n");
  request_parser parser;
  REQUIRE(parser.feed(head));
  CHECK(parser.head_done());
  CHECK(parser.take_expect_continue());
  CHECK_FALSE(parser.take_expect_continue());

  SECTION("not when the body has begun") {
    parser.reset();
    REQUIRE(parser.feed(head + "x"));
    CHECK_FALSE(parser.take_expect_continue());
  }
  SECTION("not without a body") {
    parser.reset();
    REQUIRE(parser.feed(post("Expect: 100-continue\r\n")));
    CHECK(parser.done());
    CHECK_FALSE(parser.take_expect_continue());
  }
  SECTION("not in HTTP/1.0") {
    parser.reset();
    REQUIRE(parser.feed("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
    CHECK_FALSE(parser.take_expect_continue());
  }
  SECTION("not for the request after it") {
    REQUIRE(parser.feed("xy"));
    REQUIRE(parser.done());
    parser.reset();
    REQUIRE(parser.feed(post("Content-Length: 2\r\n")));
    CHECK_FALSE(parser.take_expect_continue());
  }
}

TEST_CASE("request_parser leaves nothing of one request in the next", "[http][request]") {
  request_parser parser;
  REQUIRE(parser.feed(post("Connection: close\r\nX: y\r\nContent-Length: 3\r\n", "abc")));
  REQUIRE(parser.done());
  CHECK_FALSE(parser.message().keep_alive);
  parser.reset();
  REQUIRE(parser.feed(get("/z")));
  REQUIRE(parser.done());
  const request& message = parser.message();
  CHECK(message.verb == method::get);
  CHECK(message.body.empty());
  CHECK(message.query.empty());
  CHECK(message.headers.size() == 1);
  CHECK_FALSE(message.headers.find("x"));
  CHECK(message.keep_alive);
}

TEST_CASE("a moved request keeps its path", "[http][request]") {
  request_parser parser;
  REQUIRE(parser.feed(get("/a?b")));
  const request taken = std::move(parser.message());
  parser.reset();
  REQUIRE(parser.feed(get("/cccc?d")));
  CHECK(taken.path == "/a");
  CHECK(taken.query == "b");
  CHECK(parser.message().path == "/cccc");
}

TEST_CASE("request_parser names the known methods", "[http][request]") {
  const std::vector<std::pair<std::string, method>> rows{
      {"GET", method::get},         {"HEAD", method::head},   {"POST", method::post},
      {"PUT", method::put},         {"PATCH", method::patch}, {"DELETE", method::del},
      {"OPTIONS", method::options}, {"get", method::other},   {"TRACE", method::other}};
  for (const auto& [text, expected] : rows) {
    request_parser parser;
    REQUIRE(parser.feed(text + " / HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK(parser.message().verb == expected);
    CHECK(parser.message().verb_text == text);
  }
}

} // namespace nexus::http
