#include <catch2/catch.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/websocket/frames.hpp"
#include "websocket/codec.hpp"
#include "json/scan.hpp"

namespace nexus::websocket {
namespace {

using test::close_frame;
using test::frame;
using test::part;

constexpr codec_limits small{
    .message_bytes_max = 1'000, .fragments_max = 5, .control_frames_per_second = 4};
const time_point start{seconds(1'000)};

struct recorder final : handler {
  void on_text(std::string& message) override {
    // Reads what the JSON scanner will read; a sanitizer checks that it may.
    volatile char sink = 0;
    for (std::size_t i = 0; i < json::padding_bytes; ++i)
      sink = *(message.data() + message.size() + i);
    static_cast<void>(sink);
    events.push_back("text " + message);
    if (answer_with != nullptr)
      answer_with->send_text(message);
    if (take)
      std::string().swap(message);
  }
  void on_close(std::uint16_t code, std::string_view reason) override {
    events.push_back("close " + std::to_string(code) + " " + std::string{reason});
  }

  std::vector<std::string> events;
  codec* answer_with = nullptr;
  bool take = false;
};

struct outcome {
  std::vector<std::string> events;
  std::vector<std::string> sent;
  std::optional<std::error_code> refused;
  phase end = phase::open;
  friend bool operator==(const outcome&, const outcome&) = default;
};

/// Feeds `pieces`, each from memory of exactly its size.
outcome replay(const std::vector<std::string>& pieces, const codec_limits& bounds = small) {
  codec own(bounds);
  recorder receiver;
  outcome seen;
  for (const std::string& piece : pieces) {
    const auto taken = own.feed(piece, start, receiver);
    if (!taken) {
      CHECK_FALSE(seen.refused);
      seen.refused = taken.error().code;
    }
  }
  seen.events = receiver.events;
  seen.sent = test::read_frames(own.output());
  seen.end = own.now_phase();
  return seen;
}

/// Whole, cut at each byte, and in pieces of several sizes: always the same.
outcome replay_all_ways(const std::string& wire, const codec_limits& bounds = small) {
  const outcome whole = replay({wire}, bounds);
  for (std::size_t cut = 1; cut < wire.size(); ++cut) {
    CAPTURE(cut);
    CHECK(replay({wire.substr(0, cut), wire.substr(cut)}, bounds) == whole);
  }
  for (const std::size_t size : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 16U, 31U}) {
    CAPTURE(size);
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < wire.size(); at += size)
      pieces.push_back(wire.substr(at, size));
    CHECK(replay(pieces, bounds) == whole);
  }
  return whole;
}

struct row {
  std::string name;
  std::string wire;
  std::vector<std::string> events;
  std::vector<std::string> sent;
  phase end = phase::open;
};

const std::string long_text(300, 'x');

const std::vector<row>& good_rows() {
  using namespace std::string_literals;
  static const std::vector<row> table{
      {"nothing", "", {}, {}},
      {"text", frame(test::text, "hello"), {"text hello"}, {}},
      {"empty text", frame(test::text, ""), {"text "}, {}},
      {"NUL", frame(test::text, "a\0b"s), {"text a\0b"s}, {}},
      {"125 bytes",
       frame(test::text, long_text.substr(0, 125)),
       {"text " + long_text.substr(0, 125)},
       {}},
      {"126 bytes",
       frame(test::text, long_text.substr(0, 126)),
       {"text " + long_text.substr(0, 126)},
       {}},
      {"300 bytes", frame(test::text, long_text), {"text " + long_text}, {}},
      {"two texts", frame(test::text, "a") + frame(test::text, "b"), {"text a", "text b"}, {}},
      {"fragments", part(test::text, "a") + part(0, "b") + frame(0, "c"), {"text abc"}, {}},
      {"empty fragments",
       part(test::text, "") + part(0, "") + part(0, "a") + frame(0, ""),
       {"text a"},
       {}},
      {"character across fragments",
       part(test::text, "\xE2\x82") + frame(0, "\xAC"),
       {"text \xE2\x82\xAC"},
       {}},
      {"all lengths of characters",
       frame(test::text, "a\xC2\x80\xE0\xA0\x80\xED\x9F\xBF\xF4\x8F\xBF\xBF"),
       {"text a\xC2\x80\xE0\xA0\x80\xED\x9F\xBF\xF4\x8F\xBF\xBF"},
       {}},
      {"as many fragments as may be",
       part(test::text, "a") + part(0, "b") + part(0, "c") + part(0, "d") + frame(0, "e") +
           part(test::text, "f") + frame(0, "g"),
       {"text abcde", "text fg"},
       {}},
      {"largest message",
       part(test::text, std::string(999, 'a')) + frame(0, "b"),
       {"text " + std::string(999, 'a') + "b"},
       {}},
      {"ping", frame(test::ping, "p"), {}, {"10:p"}},
      {"empty ping", frame(test::ping, ""), {}, {"10:"}},
      {"largest ping",
       frame(test::ping, std::string(125, 'p')),
       {},
       {"10:" + std::string(125, 'p')}},
      {"binary ping", frame(test::ping, "\xFF\0"s), {}, {"10:\xFF\0"s}},
      {"pings in order", frame(test::ping, "1") + frame(test::ping, "2"), {}, {"10:1", "10:2"}},
      {"pong", frame(test::pong, "unasked"), {}, {}},
      {"ping within a message",
       part(test::text, "\xE2") + frame(test::ping, "p") + frame(0, "\x82\xAC"),
       {"text \xE2\x82\xAC"},
       {"10:p"}},
      {"close", close_frame(1000), {"close 1000 "}, {"8:1000"}, phase::closed},
      {"close with a reason",
       close_frame(1001, "t\xC3\xA9"),
       {"close 1001 t\xC3\xA9"},
       {"8:1001"},
       phase::closed},
      {"close without a code", frame(test::close, ""), {"close 1005 "}, {"8:"}, phase::closed},
      {"close with the longest reason",
       close_frame(4999, std::string(123, 'r')),
       {"close 4999 " + std::string(123, 'r')},
       {"8:4999"},
       phase::closed},
      {"close within a message",
       part(test::text, "a") + close_frame(3000),
       {"close 3000 "},
       {"8:3000"},
       phase::closed},
      {"nothing behind a close",
       close_frame(1000) + frame(test::text, "a") + "\xFF\xFF" + close_frame(1),
       {"close 1000 "},
       {"8:1000"},
       phase::closed},
  };
  return table;
}

TEST_CASE("codec reads frames however they are cut", "[websocket][codec]") {
  for (const row& r : good_rows()) {
    CAPTURE(r.name);
    const outcome seen = replay_all_ways(r.wire);
    CHECK(seen.events == r.events);
    CHECK(seen.sent == r.sent);
    CHECK_FALSE(seen.refused);
    CHECK(seen.end == r.end);
  }
}

struct bad_row {
  std::string name;
  std::string wire;
  errc why;
  std::vector<std::string> events{};
};

const std::vector<bad_row>& bad_rows() {
  using test::shape;
  static const std::vector<bad_row> table{
      {"no mask", frame(test::text, "a", {.masked = false}), errc::protocol_error},
      {"empty, no mask", frame(test::text, "", {.masked = false}), errc::protocol_error},
      {"ping without a mask", frame(test::ping, "a", {.masked = false}), errc::protocol_error},
      {"second one without a mask",
       frame(test::text, "a") + frame(test::text, "b", {.masked = false}),
       errc::protocol_error,
       {"text a"}},
      {"compressed", frame(test::text, "a", {.reserved = 4}), errc::protocol_error},
      {"RSV2", frame(test::text, "a", {.reserved = 2}), errc::protocol_error},
      {"RSV3", frame(test::ping, "a", {.reserved = 1}), errc::protocol_error},
      {"RSV1 of a continuation", part(test::text, "a") + frame(0, "b", {.reserved = 4}),
       errc::protocol_error},
      {"opcode 3", frame(3, "a"), errc::protocol_error},
      {"opcode 7", frame(7, "a"), errc::protocol_error},
      {"opcode 11", frame(11, "a"), errc::protocol_error},
      {"opcode 15", frame(15, ""), errc::protocol_error},
      {"binary", frame(test::binary, "a"), errc::unsupported_data},
      {"part of a binary", part(test::binary, "a"), errc::unsupported_data},
      {"binary within a text", part(test::text, "a") + frame(test::binary, "b"),
       errc::protocol_error},
      {"text within a text", part(test::text, "a") + frame(test::text, "b"), errc::protocol_error},
      {"continuation of nothing", frame(0, "a"), errc::protocol_error},
      {"part of nothing", part(0, "a"), errc::protocol_error},
      {"continuation behind the end",
       part(test::text, "a") + frame(0, "b") + frame(0, "c"),
       errc::protocol_error,
       {"text ab"}},
      {"ping in parts", part(test::ping, "a"), errc::protocol_error},
      {"close in parts", part(test::close, ""), errc::protocol_error},
      {"ping too large", frame(test::ping, std::string(126, 'a')), errc::protocol_error},
      {"close too large", close_frame(1000, std::string(124, 'a')), errc::protocol_error},
      {"length not the shortest, 2", frame(test::text, "a", {.length_bytes = 2}),
       errc::protocol_error},
      {"length not the shortest, 8", frame(test::text, "a", {.length_bytes = 8}),
       errc::protocol_error},
      {"length of 65535 in 8",
       frame(test::text, "a", {.length_bytes = 8, .announced_length = 65'535}),
       errc::protocol_error},
      {"length of 2^63", std::string("\x81\xFF\x80\0\0\0\0\0\0\0\1\2\3\4a", 15),
       errc::protocol_error},
      {"length of 2^63 - 1",
       frame(test::text, "a", {.announced_length = std::numeric_limits<std::int64_t>::max()}),
       errc::too_large},
      {"message too large", frame(test::text, std::string(1'001, 'a')), errc::too_large},
      {"announced too large", frame(test::text, "a", {.announced_length = 1'001}), errc::too_large},
      {"parts too large", part(test::text, std::string(1'000, 'a')) + frame(0, "b"),
       errc::too_large},
      {"too many parts",
       part(test::text, "") + part(0, "") + part(0, "") + part(0, "") + part(0, "") + frame(0, ""),
       errc::too_large},
      {"no UTF-8", frame(test::text, "\xFF"), errc::bad_text},
      {"lone continuation byte", frame(test::text, "a\x80"), errc::bad_text},
      {"overlong, 2", frame(test::text, "\xC1\xBF"), errc::bad_text},
      {"overlong, 3", frame(test::text, "\xE0\x9F\xBF"), errc::bad_text},
      {"overlong, 4", frame(test::text, "\xF0\x8F\xBF\xBF"), errc::bad_text},
      {"surrogate", frame(test::text, "\xED\xA0\x80"), errc::bad_text},
      {"above U+10FFFF", frame(test::text, "\xF4\x90\x80\x80"), errc::bad_text},
      {"F5", frame(test::text, "\xF5\x80\x80\x80"), errc::bad_text},
      {"cut character", frame(test::text, "long enough text \xE2\x82"), errc::bad_text},
      {"character cut by another", frame(test::text, "\xE2\x82x"), errc::bad_text},
      {"character cut at the last part", part(test::text, "\xE2") + frame(0, "\x82"),
       errc::bad_text},
      {"no UTF-8 in a later part", part(test::text, "a") + part(0, "\xFF"), errc::bad_text},
      {"half a close code", frame(test::close, "\x03"), errc::protocol_error},
      {"close 0", close_frame(0), errc::protocol_error},
      {"close 999", close_frame(999), errc::protocol_error},
      {"close 1004", close_frame(1004), errc::protocol_error},
      {"close 1005", close_frame(1005), errc::protocol_error},
      {"close 1006", close_frame(1006), errc::protocol_error},
      {"close 1015", close_frame(1015), errc::protocol_error},
      {"close 2999", close_frame(2999), errc::protocol_error},
      {"close 5000", close_frame(5000), errc::protocol_error},
      {"close 65535", close_frame(65'535), errc::protocol_error},
      {"close reason is no UTF-8", close_frame(1000, "ab\xFF"), errc::bad_text},
      {"close reason is cut", close_frame(1000, "ab\xE2\x82"), errc::bad_text},
      {"flood of pings",
       frame(test::ping, "") + frame(test::ping, "") + frame(test::ping, "") +
           frame(test::ping, "") + frame(test::ping, ""),
       errc::flood},
      {"flood of pongs",
       frame(test::pong, "") + frame(test::pong, "") + frame(test::pong, "") +
           frame(test::pong, "") + close_frame(1000),
       errc::flood},
      {"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", errc::protocol_error},
  };
  return table;
}

std::string code_for(errc why) {
  switch (why) {
  case errc::bad_text:
    return "8:1007";
  case errc::unsupported_data:
    return "8:1003";
  case errc::too_large:
    return "8:1009";
  case errc::flood:
    return "8:1008";
  default:
    return "8:1002";
  }
}

TEST_CASE("codec refuses what RFC 6455 forbids, however it is cut", "[websocket][codec]") {
  for (const bad_row& r : bad_rows()) {
    CAPTURE(r.name);
    const outcome seen = replay_all_ways(r.wire);
    REQUIRE(seen.refused);
    CHECK(*seen.refused == r.why);
    CHECK(seen.events == r.events);
    REQUIRE_FALSE(seen.sent.empty());
    CHECK(seen.sent.back().starts_with(code_for(r.why)));
    CHECK(seen.end == phase::closed);
  }
}

TEST_CASE("codec takes nothing once it has refused", "[websocket][codec]") {
  codec own(small);
  recorder receiver;
  REQUIRE_FALSE(own.feed(frame(0, "a"), start, receiver));
  own.output().clear();
  CHECK(own.feed(frame(test::text, "a") + frame(test::ping, ""), start, receiver));
  own.send_text("b");
  own.send_ping();
  own.close(close_code::normal);
  CHECK(own.output().empty());
  CHECK(receiver.events.empty());
  CHECK(own.now_phase() == phase::closed);
}

TEST_CASE("codec writes texts of every length form", "[websocket][codec]") {
  codec own;
  for (const std::size_t size : {0U, 1U, 125U, 126U, 65'535U, 65'536U, 100'000U}) {
    CAPTURE(size);
    const std::string payload(size, 'z');
    own.send_text(payload);
    CHECK(own.output().size() == size + (size < 126 ? 2 : size < 65'536 ? 4 : 10));
    CHECK(test::read_frames(own.output()) == std::vector<std::string>{"1:" + payload});
    own.output().clear();
  }
}

TEST_CASE("codec joins the pieces of a text into one frame", "[websocket][codec]") {
  codec own;
  const std::array<std::string_view, 5> pieces{"", "{\"id\":", "", "1", "}"};
  own.send_text(pieces);
  own.send_text(std::span<const std::string_view>{});
  own.send_ping("are you there");
  CHECK(test::read_frames(own.output()) ==
        std::vector<std::string>{"1:{\"id\":1}", "1:", "9:are you there"});
}

TEST_CASE("codec closes by itself, and waits for the peer", "[websocket][codec]") {
  codec own(small);
  recorder receiver;
  own.close(close_code::going_away, "restart");
  CHECK(own.now_phase() == phase::closing);
  own.send_text("too late");
  own.send_ping();
  own.close(close_code::normal);
  CHECK(own.feed(frame(test::text, "on its way") + frame(test::ping, "p"), start, receiver));
  CHECK(own.now_phase() == phase::closing);
  CHECK(own.feed(close_frame(1001), start, receiver));
  CHECK(own.now_phase() == phase::closed);
  CHECK(receiver.events == std::vector<std::string>{"close 1001 "});
  CHECK(test::read_frames(own.output()) == std::vector<std::string>{"8:1001 restart"});
}

TEST_CASE("codec sends one Close even if the peer goes on to err", "[websocket][codec]") {
  codec own(small);
  recorder receiver;
  own.close(close_code::normal);
  CHECK_FALSE(own.feed(frame(3, ""), start, receiver));
  CHECK(own.now_phase() == phase::closed);
  CHECK(test::read_frames(own.output()) == std::vector<std::string>{"8:1000"});
}

TEST_CASE("codec cuts a close reason between characters", "[websocket][codec]") {
  codec own;
  std::string reason(122, 'r');
  own.close(close_code::internal_error, reason + "\xE2\x82\xAC");
  CHECK(test::read_frames(own.output()) == std::vector<std::string>{"8:1011 " + reason});
}

TEST_CASE("codec may be answered from within on_text", "[websocket][codec]") {
  codec own(small);
  recorder receiver;
  receiver.answer_with = &own;
  receiver.take = true;
  CHECK(own.feed(frame(test::text, "a") + part(test::text, "b") + frame(0, "c"), start, receiver));
  CHECK(receiver.events == std::vector<std::string>{"text a", "text bc"});
  CHECK(test::read_frames(own.output()) == std::vector<std::string>{"1:a", "1:bc"});
  codec moved = std::move(own);
  receiver.answer_with = nullptr;
  CHECK(moved.feed(frame(test::text, "d"), start, receiver));
  CHECK(receiver.events.back() == "text d");
}

TEST_CASE("codec counts control frames by the second", "[websocket][codec]") {
  codec own(small);
  recorder receiver;
  for (int second = 0; second < 5; ++second)
    for (int i = 0; i < 4; ++i)
      CHECK(own.feed(frame(test::ping, ""), start + seconds(second), receiver));
  CHECK_FALSE(own.feed(frame(test::ping, ""), start + seconds(4), receiver));
}

TEST_CASE("codec holds the limits that it has by default", "[websocket][codec]") {
  const std::string largest(limits::http_request_body_bytes_max, 'a');
  CHECK(replay({frame(test::text, largest)}, {}).events.size() == 1);
  CHECK(replay({frame(test::text, largest + "a")}, {}).refused == errc::too_large);
  std::string wire = part(test::text, "");
  for (std::size_t i = 2; i < limits::websocket_fragments_max; ++i)
    wire += part(0, "");
  CHECK(replay({wire, frame(0, "")}, {}).events.size() == 1);
  CHECK(replay({wire, part(0, ""), frame(0, "")}, {}).refused == errc::too_large);
}

} // namespace
} // namespace nexus::websocket
