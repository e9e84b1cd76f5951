#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "http/message.hpp"

// A parser that recognises a head has to come to what a fresh one comes to, whatever follows.
namespace nexus::http {
namespace {

const std::string sent_head = "POST /mcp?a=b HTTP/1.1\r\n"
                              "Host: a.example:80\r\n"
                              "Accept: application/json, text/event-stream\r\n"
                              "Content-Length: 12\r\n"
                              "Connection: keep-alive\r\n"
                              "\r\n";
const std::string answered_head = "HTTP/1.1 200 OK\r\n"
                                  "Content-Type: application/json\r\n"
                                  "Content-Length: 12\r\n"
                                  "Keep-Alive: timeout=5\r\n"
                                  "\r\n";
const std::string body = "{\"a\":[1, 2]}";

struct outcome {
  std::string messages;
  std::error_code failure;

  bool operator==(const outcome&) const = default;
};

void append_fields(std::string& out, const header_fields& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i)
    out.append(fields[i].name).append("=").append(fields[i].value).append("|");
  out.append(fields.find("content-length").value_or("none")).append("|");
}

/// Parses requests; `forget` takes a fresh parser for the last of the texts.
outcome parse_requests(const std::vector<std::string>& texts, bool forget) {
  auto parser = std::make_unique<request_parser>();
  outcome seen;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (forget && i + 1 == texts.size())
      parser = std::make_unique<request_parser>();
    seen = {};
    std::string_view rest = texts[i];
    while (!rest.empty()) {
      const auto taken = parser->feed(rest);
      if (!taken) {
        seen.failure = taken.error().code;
        return seen;
      }
      rest.remove_prefix(*taken);
      if (!parser->done())
        continue;
      auto& message = parser->message();
      seen.messages += message.verb_text + " " + message.target + " " + std::string(message.path) +
                       " " + std::string(message.query) + (message.keep_alive ? " keep " : " ") +
                       std::to_string(message.version) + " [" + message.body + "] ";
      append_fields(seen.messages, message.headers);
      parser->reset();
    }
    seen.messages += parser->idle() ? " idle" : parser->head_done() ? " in body" : " in head";
  }
  return seen;
}

struct recorder final : response_handler {
  void on_head(const response_head& head) override {
    text += std::to_string(head.status) + (head.keep_alive ? " keep" : " close") +
            (head.chunked ? " chunked " : " ") +
            std::to_string(head.content_length.value_or(std::uint64_t(-1))) + " ";
    append_fields(text, head.headers);
  }
  void on_body(std::string_view bytes) override { text += bytes; }
  void on_done() override { text += " done;"; }
  std::string text;
};

outcome parse_responses(const std::vector<std::string>& texts, bool forget) {
  auto parser = std::make_unique<response_parser>();
  outcome seen;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (forget && i + 1 == texts.size())
      parser = std::make_unique<response_parser>();
    recorder receiver;
    std::string_view rest = texts[i];
    seen = {};
    while (!rest.empty() && !seen.failure) {
      const auto taken = parser->feed(rest, receiver);
      if (!taken)
        seen.failure = taken.error().code;
      else
        rest.remove_prefix(*taken);
    }
    seen.messages = receiver.text + (parser->idle() ? " idle" : " busy");
    if (seen.failure)
      return seen;
  }
  return seen;
}

std::string with_length(std::string_view head, std::string_view value) {
  std::string text(head);
  return text.replace(text.find(": 12\r\n"), 4, ": " + std::string(value));
}

const std::vector<std::string> lengths{"12", "11", "00", "99", "9",      "012", "+2",   "-1",
                                       "1 ", "1a", "0x", "1,", "12, 12", "",    "１２", "4194305"};

/// Every way to change one byte of the head.
template <class Check>
void for_each_mutation(const std::string& head, Check&& check) {
  for (std::size_t at = 0; at < head.size(); ++at) {
    std::string mutated = head;
    for (int byte = 0; byte < 256; ++byte) {
      mutated[at] = static_cast<char>(byte);
      check(mutated);
    }
  }
}

} // namespace

TEST_CASE("request_parser takes a repeated head for what it is", "[http][request]") {
  const std::string first = sent_head + body;
  const auto again = parse_requests({first, first}, false);
  CHECK(again.messages == "POST /mcp?a=b /mcp a=b keep 11 [" + body +
                              "] Host=a.example:80|Accept=application/json, text/event-stream|"
                              "Content-Length=12|Connection=keep-alive|12| idle");
  std::size_t differing = 0;
  for_each_mutation(sent_head, [&](const std::string& head) {
    const std::vector<std::string> texts{first, head + body};
    differing += parse_requests(texts, false) != parse_requests(texts, true) ? 1 : 0;
  });
  CHECK(differing == 0);
  for (const auto& value : lengths) {
    INFO(value);
    const std::vector<std::string> texts{first, with_length(sent_head, value) + body};
    CHECK(parse_requests(texts, false) == parse_requests(texts, true));
  }
}

TEST_CASE("request_parser knows a head that comes in pieces or after another", "[http][request]") {
  const std::string first = sent_head + body;
  const std::string other =
      "POST /v/x/mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\nx\r\n0\r\n\r\n";
  const std::string get = "GET /mcp HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string waits = with_length(sent_head, "5\r\nExpect: 100-continue") + "hello";
  for (const auto& between : {other, get, waits, "\r\n" + get, first + first}) {
    const std::vector<std::string> texts{first, between, "\r\n" + first};
    INFO(between);
    CHECK(parse_requests(texts, false) == parse_requests(texts, true));
    const std::vector<std::string> back{first, between, first};
    CHECK(parse_requests(back, false) == parse_requests(back, true));
  }
  for (std::size_t cut = 1; cut < first.size(); ++cut) {
    request_parser parser;
    REQUIRE(parser.feed(first).value() == first.size());
    parser.reset();
    const std::string_view text = first;
    REQUIRE(parser.feed(text.substr(0, cut)).value() == cut);
    REQUIRE(parser.feed(text.substr(cut)).value() == text.size() - cut);
    REQUIRE(parser.done());
    CHECK(parser.message().body == body);
    CHECK(parser.message().path == "/mcp");
  }
}

TEST_CASE("request_parser says whether a head repeats, and keeps views into its fields",
          "[http][request]") {
  request_parser parser;
  const auto take = [&](const std::string& text) {
    REQUIRE(parser.feed(text).value() == text.size());
    REQUIRE(parser.done());
  };
  take(sent_head + body);
  CHECK_FALSE(parser.head_repeats());
  const std::string_view host = *parser.message().headers.find("host");
  parser.reset();
  CHECK_FALSE(parser.head_repeats());
  take(with_length(sent_head, "13") + body + "!");
  CHECK(parser.head_repeats());
  CHECK(parser.message().headers.find("host")->data() == host.data());
  CHECK(host == "a.example:80");
  CHECK(parser.message().headers.find("content-length") == "13");
  parser.reset();
  std::string other = sent_head;
  other.replace(other.find("a.example"), 9, "b.example");
  take(other + body);
  CHECK_FALSE(parser.head_repeats());
  // Whoever takes the message away takes what the next head is compared with.
  const request taken = std::move(parser.message());
  parser.reset();
  take(other + body);
  CHECK_FALSE(parser.head_repeats());
  CHECK(parser.message().headers.find("host") == "b.example:80");
  CHECK(taken.path == "/mcp");
}

TEST_CASE("request_parser holds a repeated head to the body limit", "[http][request]") {
  request_parser parser({.body_bytes_max = 12});
  REQUIRE(parser.feed(sent_head + body));
  parser.reset();
  CHECK(parser.feed(with_length(sent_head, "13")).error().code == errc::body_too_large);
}

TEST_CASE("request_parser does not keep a head of unusual length", "[http][request]") {
  std::string head = sent_head;
  head.insert(head.size() - 2,
              "X-Long: " + std::string(limits::http_repeated_head_bytes_max, 'x') + "\r\n");
  const std::vector<std::string> texts{head + body, head + body};
  CHECK(parse_requests(texts, false) == parse_requests(texts, true));
}

TEST_CASE("response_parser takes a repeated head for what it is", "[http][response]") {
  const std::string first = answered_head + body;
  CHECK(parse_responses({first, first}, false).messages ==
        "200 keep 12 Content-Type=application/json|Content-Length=12|Keep-Alive=timeout=5|12|" +
            body + " done; idle");
  std::size_t differing = 0;
  for_each_mutation(answered_head, [&](const std::string& head) {
    const std::vector<std::string> texts{first, head + body};
    differing += parse_responses(texts, false) != parse_responses(texts, true) ? 1 : 0;
  });
  CHECK(differing == 0);
  for (const auto& value : lengths) {
    INFO(value);
    const std::vector<std::string> texts{first, with_length(answered_head, value) + body};
    CHECK(parse_responses(texts, false) == parse_responses(texts, true));
  }
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + first;
  const std::string none = "HTTP/1.1 204 No Content\r\n\r\n";
  for (const auto& between : {chunked, interim, none}) {
    INFO(between);
    const std::vector<std::string> texts{first, between, first};
    CHECK(parse_responses(texts, false) == parse_responses(texts, true));
  }
}

TEST_CASE("response_parser expects no body although the head is a repeated one",
          "[http][response]") {
  response_parser parser;
  recorder receiver;
  const std::string first = answered_head + body;
  REQUIRE(parser.feed(first, receiver).value() == first.size());
  parser.expect_no_body();
  CHECK(parser.feed(first, receiver).value() == answered_head.size());
  CHECK(parser.idle());
}

} // namespace nexus::http
