/// Event streams: how the bytes were cut makes no difference, and whatever is written as the data
/// of one event is read as the data of one event.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/sse.hpp"

namespace {

using namespace nexus;

constexpr std::size_t event_bytes_max = 256;

void check(bool holds, const char* what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct event_log final : http::sse_handler {
  void on_event(const http::sse_event& event) override {
    // What the JSON scanner may read behind the data.
    volatile char last = *(event.data.data() + event.data.size() + 63);
    (void)last;
    check(!event.type.empty(), "event without a type");
    std::string line{event.type};
    line.append("|").append(event.data);
    if (event.id)
      line.append("|id=").append(*event.id);
    if (event.retry_ms)
      line.append("|retry=").append(std::to_string(*event.retry_ms));
    lines.push_back(line);
    data.emplace_back(event.data);
  }

  std::vector<std::string> lines;
  std::vector<std::string> data;
};

std::vector<std::string> events_of(std::string_view wire, std::size_t piece_bytes) {
  http::sse_parser parser(event_bytes_max);
  event_log log;
  while (!wire.empty()) {
    const std::string piece{wire.substr(0, piece_bytes)};
    wire.remove_prefix(piece.size());
    if (!parser.feed(piece, log)) {
      log.lines.emplace_back("too large");
      break;
    }
  }
  return log.lines;
}

/// Every line break as LF: all that the format can carry.
std::string normalised(std::string_view data) {
  std::string out;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\r' && i + 1 < data.size() && data[i + 1] == '\n')
      continue;
    out += data[i] == '\r' ? '\n' : data[i];
  }
  return out;
}

void check_round_trip(std::string_view data) {
  std::string wire;
  http::append_sse_event(wire, data, "type", "id");
  http::append_sse_comment(wire, data);
  http::append_sse_event(wire, data);
  http::sse_parser parser;
  event_log log;
  check(parser.feed(wire, log).has_value(), "event refused");
  check(log.data.size() == 2, "not as many events as were sent");
  check(log.data[0] == normalised(data) && log.data[1] == log.data[0], "data differ");
  check(log.lines[0].starts_with("type|") && log.lines[0].ends_with("|id=id"), "fields differ");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view wire{reinterpret_cast<const char*>(bytes), size};
  const auto whole = events_of(wire, size);
  check(whole == events_of(wire, 1), "events differ byte by byte");
  check(whole == events_of(wire, 3), "events differ in pieces");
  check_round_trip(wire);
  return 0;
}
