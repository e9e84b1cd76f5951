#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"
#include "tests/unit/http/wire.hpp"

namespace nexus::http {
namespace {

using namespace std::string_literals;
using test::repeat;

enum class asked : std::uint8_t { get, head };
enum class ending : std::uint8_t { open, closed };

struct valid_row {
  std::string name;
  std::string wire;
  std::vector<std::string> expected; ///< one summary per response
  asked request = asked::get;
  ending end = ending::open;
};

struct invalid_row {
  std::string name;
  std::string wire;
  errc expected = errc::bad_response;
  ending end = ending::open;
};

/// Writes a summary of each response; '!' marks one that is not done.
struct recorder final : response_handler {
  void on_head(const response_head& head) override {
    REQUIRE((responses.empty() || responses.back().back() == '.'));
    std::string line = std::to_string(head.status) + " " + std::to_string(head.version);
    line += head.keep_alive ? " keep" : " close";
    if (head.chunked)
      line += " chunked";
    if (head.content_length)
      line += " length=" + std::to_string(*head.content_length);
    line += " " + std::to_string(head.headers.size()) + " [";
    responses.push_back(line);
    if (unbounded != nullptr)
      unbounded->body_is_unbounded();
  }
  void on_body(std::string_view bytes) override {
    CHECK_FALSE(bytes.empty());
    responses.back() += bytes;
  }
  void on_done() override { responses.back() += "]."; }

  std::vector<std::string> responses;
  response_parser* unbounded = nullptr;
};

struct outcome {
  std::vector<std::string> responses;
  std::error_code failure;
  bool idle = false;

  bool operator==(const outcome&) const = default;
};

outcome replay(std::string_view wire, std::size_t piece_size, asked request = asked::get,
               ending end = ending::open, response_limits bounds = {}) {
  response_parser parser(bounds);
  recorder receiver;
  outcome seen;
  if (request == asked::head)
    parser.expect_no_body();
  test::for_each_piece(wire, piece_size, [&](std::string_view piece) {
    while (!piece.empty()) {
      const auto taken = parser.feed(piece, receiver);
      if (!taken) {
        seen.failure = taken.error().code;
        return false;
      }
      REQUIRE((*taken == piece.size() || parser.idle()));
      piece.remove_prefix(*taken);
    }
    return true;
  });
  if (!seen.failure && end == ending::closed) {
    if (const auto finished = parser.finish(receiver); !finished)
      seen.failure = finished.error().code;
  }
  seen.idle = !seen.failure && parser.idle();
  seen.responses = receiver.responses;
  return seen;
}

std::string ok(std::string_view fields, std::string_view rest = {}) {
  return "HTTP/1.1 200 OK\r\n" + std::string{fields} + "\r\n" + std::string{rest};
}

std::string chunked(std::string_view body) {
  return ok("Transfer-Encoding: chunked\r\n", body);
}

const std::vector<valid_row>& valid_rows() {
  static const std::vector<valid_row> rows{
      {"length", ok("Content-Length: 2\r\n", "hi"), {"200 11 keep length=2 1 [hi]."}},
      {"length of zero", ok("Content-Length: 0\r\n"), {"200 11 keep length=0 1 []."}},
      {"chunked",
       chunked("2\r\nhi\r\n3;x\r\n!!!\r\n0\r\n\r\n"),
       {"200 11 keep chunked 1 [hi!!!]."}},
      {"chunked with trailers",
       chunked("1\r\nx\r\n0\r\nA: b\r\n\r\n"),
       {"200 11 keep chunked 1 [x]."}},
      {"until the end",
       ok("", "all of this"),
       {"200 11 close 0 [all of this]."},
       asked::get,
       ending::closed},
      {"until the end, empty", ok(""), {"200 11 close 0 []."}, asked::get, ending::closed},
      {"HTTP/1.0",
       "HTTP/1.0 200 OK\r\n\r\nold",
       {"200 10 close 0 [old]."},
       asked::get,
       ending::closed},
      {"HTTP/1.0 keep-alive",
       "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
       {"200 10 keep length=1 2 [x]."}},
      {"close",
       ok("Connection: close\r\nContent-Length: 1\r\n", "x"),
       {"200 11 close length=1 2 [x]."}},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", {"204 11 keep 0 []."}},
      {"204 with length zero",
       "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
       {"204 11 keep length=0 1 []."}},
      {"304 with the length of what it is not",
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
       {"304 11 keep length=9 1 []."}},
      {"HEAD", ok("Content-Length: 9\r\n"), {"200 11 keep length=9 1 []."}, asked::head},
      {"HEAD chunked", chunked(""), {"200 11 keep chunked 1 []."}, asked::head},
      {"HEAD without framing", ok(""), {"200 11 keep 0 []."}, asked::head},
      {"only one response answers HEAD",
       ok("Content-Length: 9\r\n") + ok("Content-Length: 1\r\n", "x"),
       {"200 11 keep length=9 1 [].", "200 11 keep length=1 1 [x]."},
       asked::head},
      {"interim responses are skipped",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
           ok("Content-Length: 1\r\n", "x"),
       {"200 11 keep length=1 1 [x]."}},
      {"interim before HEAD",
       "HTTP/1.1 100 \r\n\r\n" + ok("Content-Length: 9\r\n"),
       {"200 11 keep length=9 1 []."},
       asked::head},
      {"empty reason",
       "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
       {"200 11 keep length=0 1 []."}},
      {"reason outside ASCII",
       "HTTP/1.1 200 \xc3\xa9\r\nContent-Length: 0\r\n\r\n",
       {"200 11 keep length=0 1 []."}},
      {"pipelined",
       ok("Content-Length: 1\r\n", "1") + chunked("1\r\n2\r\n0\r\n\r\n") +
           "HTTP/1.1 599 x\r\nContent-Length: 1\r\n\r\n3",
       {"200 11 keep length=1 1 [1].", "200 11 keep chunked 1 [2].",
        "599 11 keep length=1 1 [3]."}},
      {"closed between responses",
       ok("Content-Length: 1\r\n", "1"),
       {"200 11 keep length=1 1 [1]."},
       asked::get,
       ending::closed},
      {"NUL in a body", ok("Content-Length: 1\r\n", "\0"s), {"200 11 keep length=1 1 [\0]."s}},
  };
  return rows;
}

const std::vector<invalid_row>& invalid_rows() {
  static const std::vector<invalid_row> rows{
      {"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
      {"CL and TE", ok("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "1\r\n")},
      {"TE and CL", ok("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "1\r\n")},
      {"two equal lengths", ok("Content-Length: 1\r\nContent-Length: 1\r\n", "x")},
      {"list of lengths", ok("Content-Length: 1, 1\r\n", "x")},
      {"odd length", ok("Content-Length: +1\r\n", "x")},
      {"gzip, chunked", ok("Transfer-Encoding: gzip, chunked\r\n")},
      {"identity", ok("Transfer-Encoding: identity\r\n")},
      {"two codings", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"204 with length", "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n"},
      {"204 chunked", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"100 with length", "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n"},
      {"interim without end", repeat("HTTP/1.1 100 Continue\r\n\r\n", 17)},
      {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n"},
      {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"},
      {"no version", "HTTP 200 OK\r\n\r\n"},
      {"lower-case protocol", "http/1.1 200 OK\r\n\r\n"},
      {"no reason and no space", "HTTP/1.1 200\r\n\r\n"},
      {"two spaces", "HTTP/1.1  200 OK\r\n\r\n"},
      {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
      {"status with a letter", "HTTP/1.1 2x0 OK\r\n\r\n"},
      {"status below 100", "HTTP/1.1 099 OK\r\n\r\n"},
      {"status above 599", "HTTP/1.1 600 OK\r\n\r\n"},
      {"control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n"},
      {"CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n"},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
      {"empty line before", "\r\n" + ok("Content-Length: 0\r\n")},
      {"space before the colon", ok("Content-Length : 0\r\n")},
      {"obs-fold", ok("A: b\r\n c\r\n")},
      {"NUL in a value", ok("A: b\0\r\n"s)},
      {"junk after a chunk", chunked("1\r\nxy\r\n")},
      {"chunk size is no number", chunked("z\r\n")},
      {"chunk extension too long", chunked("1;" + std::string(300, 'a') + "\r\n")},
      {"trailer with a length", chunked("0\r\nContent-Length: 1\r\n\r\n")},
      {"head too large", ok("A: " + std::string(33'000, 'a') + "\r\n"), errc::header_too_large},
      {"status line without end", "HTTP/1.1 200 " + std::string(33'000, 'a'),
       errc::header_too_large},
      {"too many fields", ok(repeat("A: b\r\n", 101)), errc::header_too_large},
      {"too many trailers", chunked("0\r\n" + repeat("A: b\r\n", 101)), errc::header_too_large},
      {"length above the limit", ok("Content-Length: 67108865\r\n"), errc::body_too_large},
      {"chunk above the limit", chunked("4000001\r\n"), errc::body_too_large},
      {"closed in the head", "HTTP/1.1 200 OK\r\nContent-", errc::unexpected_end, ending::closed},
      {"closed in the body", ok("Content-Length: 2\r\n", "x"), errc::unexpected_end,
       ending::closed},
      {"closed in a chunk", chunked("2\r\nx"), errc::unexpected_end, ending::closed},
      {"closed before the last chunk", chunked("1\r\nx\r\n"), errc::unexpected_end, ending::closed},
      {"closed in the trailers", chunked("0\r\n"), errc::unexpected_end, ending::closed},
      {"closed after an interim response", "HTTP/1.1 100 Continue\r\n\r\n", errc::unexpected_end,
       ending::closed},
  };
  return rows;
}

} // namespace

TEST_CASE("response_parser takes valid responses at every fragmentation", "[http][response]") {
  for (const auto& row : valid_rows()) {
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO(row.name << ", pieces of " << piece_size);
      const outcome seen = replay(row.wire, piece_size, row.request, row.end);
      CHECK(seen.failure.message() == std::error_code{}.message());
      CHECK(seen.responses == row.expected);
      CHECK(seen.idle);
    }
  }
}

TEST_CASE("response_parser refuses what is ambiguous or malformed", "[http][response][h07]") {
  REQUIRE(invalid_rows().size() >= valid_rows().size());
  for (const auto& row : invalid_rows()) {
    outcome whole;
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO(row.name << ", pieces of " << piece_size);
      const outcome seen = replay(row.wire, piece_size, asked::get, row.end);
      CHECK(seen.failure == row.expected);
      for (const auto& response : seen.responses)
        CHECK(response.back() != '.');
      if (piece_size == 0)
        whole = seen;
      CHECK(seen == whole);
    }
  }
}

TEST_CASE("response_parser bounds a body without a length exactly", "[http][response]") {
  const response_limits bounds{.body_bytes_max = 4};
  for (const std::size_t piece_size : test::piece_sizes) {
    const auto fits = replay(ok("", "1234"), piece_size, asked::get, ending::closed, bounds);
    CHECK_FALSE(fits.failure);
    CHECK(fits.responses.at(0) == "200 11 close 0 [1234].");
    const auto over = replay(ok("", "12345"), piece_size, asked::get, ending::closed, bounds);
    CHECK(over.failure == errc::body_too_large);
    CHECK(over.responses.at(0) == "200 11 close 0 [1234");
  }
}

TEST_CASE("response_parser lifts the body limit for one response only", "[http][response]") {
  const std::vector<std::string> wires{chunked("5\r\n12345\r\n0\r\n\r\n"),
                                       ok("Content-Length: 5\r\n", "12345"), ok("", "12345")};
  for (const std::string& wire : wires) {
    response_parser parser({.body_bytes_max = 4});
    recorder receiver;
    receiver.unbounded = &parser;
    REQUIRE(parser.feed(wire, receiver));
    REQUIRE(parser.finish(receiver));
    CHECK(receiver.responses.at(0).ends_with("[12345]."));
    receiver.unbounded = nullptr;
    CHECK_FALSE((parser.feed(wire, receiver) && parser.finish(receiver)));
  }
}

TEST_CASE("response_parser may be destroyed when the response is done", "[http][response]") {
  struct owner final : response_handler {
    void on_head(const response_head&) override {}
    void on_body(std::string_view) override {}
    void on_done() override { parser.reset(); }
    std::unique_ptr<response_parser> parser = std::make_unique<response_parser>();
  } receiver;
  const std::string wire = ok("Content-Length: 1\r\n", "x");
  CHECK(receiver.parser->feed(wire, receiver).value() == wire.size());
  CHECK(receiver.parser == nullptr);
}

TEST_CASE("response_parser stays unusable after an error until reset", "[http][response]") {
  response_parser parser;
  recorder receiver;
  CHECK(parser.idle());
  CHECK(parser.feed("@", receiver).error().code == errc::bad_response);
  CHECK_FALSE(parser.idle());
  CHECK(parser.feed(ok("Content-Length: 0\r\n"), receiver).error().code == errc::bad_response);
  CHECK(parser.finish(receiver).error().code == errc::bad_response);
  parser.reset();
  CHECK(parser.idle());
  CHECK(parser.feed(ok("Content-Length: 0\r\n"), receiver));
  CHECK(receiver.responses.size() == 1);
}

} // namespace nexus::http
