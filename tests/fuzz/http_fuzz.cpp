/// Requests and responses: whatever arrives, nothing breaks, and how it was cut makes no
/// difference. The first byte of an input chooses the parser and its options.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace {

using namespace nexus;

void check(bool holds, const char* what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// Small, so that the fuzzer reaches them.
constexpr http::request_limits request_bounds{
    .header_count_max = 8, .header_bytes_max = 512, .target_bytes_max = 64, .body_bytes_max = 256};
constexpr http::response_limits response_bounds{
    .header_count_max = 8, .header_bytes_max = 512, .body_bytes_max = 256};

void append_fields(std::string& log, const http::header_fields& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const http::field field = fields[i];
    check(http::is_token(field.name) && http::is_field_value(field.value), "field is not clean");
    check(fields.find(field.name).has_value(), "field is not found");
    log.append(field.name).append("=").append(field.value).append(";");
  }
}

void append_request(std::string& log, http::request& message) {
  log.append(message.verb_text).append(" ").append(message.target).append(" ");
  log.append(message.path).append("?").append(message.query).append(" ");
  log += std::to_string(message.version) + (message.keep_alive ? "k " : "c ");
  append_fields(log, message.headers);
  check(message.version < 11 || message.headers.count("host") == 1, "Host is not single");
  check(message.headers.count("content-length") + message.headers.count("transfer-encoding") <= 1,
        "framing is ambiguous");
  check(message.body.size() <= request_bounds.body_bytes_max, "body beyond its limit");
  check(message.body.capacity() >= message.body.size() + 64, "body without spare bytes");
  log.append("[").append(message.body).append("]\n");
}

/// Everything that a consumer can see of the requests in `wire`.
std::string requests_of(std::string_view wire, std::size_t piece_bytes) {
  http::request_parser parser(request_bounds);
  std::string log;
  while (!wire.empty()) {
    // A copy of exactly these bytes lets the sanitizer see a read beyond them.
    const std::string copy{wire.substr(0, piece_bytes)};
    wire.remove_prefix(copy.size());
    std::string_view piece = copy;
    while (!piece.empty()) {
      const auto taken = parser.feed(piece);
      if (!taken)
        return log + "error " + std::to_string(taken.error().code.value());
      check(*taken <= piece.size(), "more taken than given");
      check(*taken == piece.size() || parser.done(), "bytes left without an end");
      piece.remove_prefix(*taken);
      if (!parser.done())
        continue;
      append_request(log, parser.message());
      parser.reset();
    }
  }
  return log + (parser.idle() ? "idle" : parser.head_done() ? "body" : "head");
}

struct response_log final : http::response_handler {
  void on_head(const http::response_head& head) override {
    check(!open, "head within a response");
    open = true;
    text += std::to_string(head.status) + (head.keep_alive ? "k " : "c ");
    text += head.chunked ? "chunked " : "";
    text += head.content_length ? std::to_string(*head.content_length) : "";
    check(!head.chunked || !head.content_length, "framing is ambiguous");
    append_fields(text, head.headers);
    text += "[";
  }
  void on_body(std::string_view bytes) override {
    check(open && !bytes.empty(), "body out of place");
    text += bytes;
  }
  void on_done() override {
    check(open, "end out of place");
    open = false;
    text += "]\n";
  }

  std::string text;
  bool open = false;
};

std::string responses_of(std::string_view wire, std::size_t piece_bytes, bool no_body) {
  http::response_parser parser(response_bounds);
  if (no_body)
    parser.expect_no_body();
  response_log log;
  while (!wire.empty()) {
    const std::string copy{wire.substr(0, piece_bytes)};
    wire.remove_prefix(copy.size());
    std::string_view piece = copy;
    while (!piece.empty()) {
      const auto taken = parser.feed(piece, log);
      if (!taken)
        return log.text + "error " + std::to_string(taken.error().code.value());
      check(*taken == piece.size() || (*taken < piece.size() && parser.idle()),
            "bytes left without an end");
      piece.remove_prefix(*taken);
    }
  }
  const auto finished = parser.finish(log);
  return log.text + (finished ? "end" : "cut");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2)
    return 0;
  const unsigned options = data[0];
  // The whole of printable ASCII selects by its last bits, so that seeds stay readable.
  const std::string_view wire{reinterpret_cast<const char*>(data) + 1, size - 1};
  const std::size_t odd = 2 + (options >> 2) % 16;
  if ((options & 1) == 0) {
    const std::string whole = requests_of(wire, wire.size());
    check(whole == requests_of(wire, 1), "requests differ byte by byte");
    check(whole == requests_of(wire, odd), "requests differ in pieces");
  } else {
    const bool no_body = (options & 2) != 0;
    const std::string whole = responses_of(wire, wire.size(), no_body);
    check(whole == responses_of(wire, 1, no_body), "responses differ byte by byte");
    check(whole == responses_of(wire, odd, no_body), "responses differ in pieces");
  }
  return 0;
}
