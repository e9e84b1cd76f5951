/// Frames of a WebSocket client: how the bytes were cut makes no difference, what is delivered is
/// UTF-8 within the limits, and what is sent is frames that end with at most one Close. And frames
/// made of the bytes by the rules, which must arrive as they were.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "tests/unit/websocket/frames.hpp"
#include "websocket/codec.hpp"
#include "websocket/utf8.hpp"

namespace {

using namespace nexus;

constexpr websocket::codec_limits bounds{
    .message_bytes_max = 256, .fragments_max = 8, .control_frames_per_second = 16};

struct event_log final : websocket::handler {
  void on_text(std::string& message) override {
    volatile char last = *(message.data() + message.size() + 63);
    static_cast<void>(last);
    NEXUS_ASSERT(message.size() <= bounds.message_bytes_max);
    websocket::utf8_checker check;
    NEXUS_ASSERT(check.feed(message) && check.complete());
    events.push_back("text " + message);
  }
  void on_close(std::uint16_t code, std::string_view reason) override {
    NEXUS_ASSERT(reason.size() <= 123);
    events.push_back("close " + std::to_string(code) + " " + std::string{reason});
  }

  std::vector<std::string> events;
};

std::vector<std::string> events_of(std::string_view wire, std::size_t piece_bytes) {
  websocket::codec own(bounds);
  event_log log;
  while (!wire.empty()) {
    const std::string piece{wire.substr(0, piece_bytes)};
    wire.remove_prefix(piece.size());
    if (const auto taken = own.feed(piece, time_point{}, log); !taken) {
      NEXUS_ASSERT(own.now_phase() == websocket::phase::closed);
      log.events.push_back("refused " + taken.error().message);
    }
  }
  std::size_t closes = 0;
  for (const std::string& sent : websocket::test::read_frames(own.output())) {
    NEXUS_ASSERT(sent != "malformed" && closes == 0);
    closes += sent.starts_with("8:") ? 1 : 0;
    log.events.push_back("sent " + sent);
  }
  NEXUS_ASSERT((closes == 1) == (own.now_phase() == websocket::phase::closed));
  return log.events;
}

/// The bytes as a text in parts with pings between them, to the codec and back.
void check_round_trip(std::string_view bytes, std::size_t part_bytes) {
  namespace test = websocket::test;
  std::string text{bytes};
  for (char& c : text)
    c = static_cast<char>(c & 0x7F);
  std::string wire;
  std::uint8_t opcode = test::text;
  std::string_view rest = text;
  for (; rest.size() > part_bytes; rest.remove_prefix(part_bytes)) {
    wire += test::part(opcode, rest.substr(0, part_bytes)) + test::frame(test::ping, "p");
    opcode = test::continuation;
  }
  wire += test::frame(opcode, rest);
  websocket::codec own({.message_bytes_max = text.size(),
                        .fragments_max = text.size() + 1,
                        .control_frames_per_second = text.size()});
  struct last_text final : websocket::handler {
    void on_text(std::string& message) override { received.swap(message); }
    void on_close(std::uint16_t, std::string_view) override { NEXUS_ASSERT(false); }
    std::string received;
  } log;
  NEXUS_ASSERT(own.feed(wire, time_point{}, log) && log.received == text);
  own.output().clear();
  own.send_text(log.received);
  NEXUS_ASSERT(test::read_frames(own.output()) == std::vector<std::string>{"1:" + text});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view wire{reinterpret_cast<const char*>(data), size};
  const auto whole = events_of(wire, size);
  NEXUS_ASSERT(whole == events_of(wire, 1));
  NEXUS_ASSERT(whole == events_of(wire, 3));
  check_round_trip(wire, size % 7 + 1);
  return 0;
}
