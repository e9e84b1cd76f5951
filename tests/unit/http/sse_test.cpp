#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"
#include "http/sse.hpp"
#include "tests/unit/http/wire.hpp"
#include "json/scan.hpp"

namespace nexus::http {
namespace {

using namespace std::string_literals;

struct row {
  std::string name;
  std::string wire;
  std::vector<std::string> expected; ///< type|data, then |id=, then |retry=
};

struct recorder final : sse_handler {
  void on_event(const sse_event& event) override {
    // Reads what the JSON scanner will read; a sanitizer checks that it may.
    volatile char sink = 0;
    for (std::size_t i = 0; i < json::padding_bytes; ++i)
      sink = *(event.data.data() + event.data.size() + i);
    (void)sink;
    std::string line = std::string{event.type} + "|" + std::string{event.data};
    if (event.id)
      line += "|id=" + std::string{*event.id};
    if (event.retry_ms)
      line += "|retry=" + std::to_string(*event.retry_ms);
    events.push_back(line);
    data.emplace_back(event.data);
  }

  std::vector<std::string> events;
  std::vector<std::string> data;
};

struct outcome {
  std::vector<std::string> events;
  std::vector<std::string> data;
  bool failed = false;
};

outcome replay(std::string_view wire, std::size_t piece_size,
               std::size_t event_bytes_max = limits::sse_event_bytes_max) {
  sse_parser parser(event_bytes_max);
  recorder receiver;
  outcome seen;
  test::for_each_piece(wire, piece_size, [&](std::string_view piece) {
    seen.failed = !parser.feed(piece, receiver);
    return !seen.failed;
  });
  seen.events = receiver.events;
  seen.data = receiver.data;
  return seen;
}

const std::vector<row>& rows() {
  static const std::vector<row> table{
      // What the standard shows and what it says in words.
      {"simple", "data: hello\n\n", {"message|hello"}},
      {"no space", "data:hello\n\n", {"message|hello"}},
      {"only one space goes", "data:  hello\n\n", {"message| hello"}},
      {"a tab stays", "data:\thello\n\n", {"message|\thello"}},
      {"two lines", "data: a\ndata: b\n\n", {"message|a\nb"}},
      {"type", "event: add\ndata: 73857293\n\n", {"add|73857293"}},
      {"last type wins", "event: a\nevent: b\ndata: x\n\n", {"b|x"}},
      {"empty type", "event: a\nevent\ndata: x\n\n", {"message|x"}},
      {"type without data", "event: a\n\ndata: x\n\n", {"message|x"}},
      {"comment", ": test stream\n\ndata: x\n:y\n\n", {"message|x"}},
      {"field without colon", "data\n\ndata\ndata\n\ndata:", {"message|", "message|\n"}},
      {"unknown field", "foo: bar\ndata: x\nDATA: y\n data: z\n\n", {"message|x"}},
      {"colon in the data", "data: a: b\n\n", {"message|a: b"}},
      {"CR", "data: a\rdata: b\r\rdata: c\r\r", {"message|a\nb", "message|c"}},
      {"CRLF", "data: a\r\ndata: b\r\n\r\n", {"message|a\nb"}},
      {"mixed endings",
       "data: a\r\ndata: b\ndata: c\r\n\rdata: d\n\r\n",
       {"message|a\nb\nc", "message|d"}},
      {"BOM",
       "\xEF\xBB\xBF"
       "data: a\n\n",
       {"message|a"}},
      {"two BOMs",
       "\xEF\xBB\xBF\xEF\xBB\xBF"
       "data: a\n\n",
       {}},
      {"BOM later",
       "data: a\n\n\xEF\xBB\xBF"
       "data: b\n\n",
       {"message|a"}},
      {"BOM in the data", "data: \xEF\xBB\xBF\n\n", {"message|\xEF\xBB\xBF"}},
      {"part of a BOM",
       "\xEF\xBB"
       "data: a\n\ndata: b\n\n",
       {"message|b"}},
      {"cut event is dropped", "data: a\n\ndata: b\n", {"message|a"}},
      {"cut line is dropped", "data: a\n\ndata: b", {"message|a"}},
      {"empty lines", "\n\n\r\n\r\n", {}},
      // ids and retry
      {"id", "id: 1\ndata: a\n\ndata: b\n\n", {"message|a|id=1", "message|b"}},
      {"empty id", "id\ndata: a\n\n", {"message|a|id="}},
      {"priming event", "id: 7\ndata:\n\n", {"message||id=7"}},
      {"id without data", "id: 7\n\n", {"message||id=7"}},
      {"NUL in an id", "id: 1\0\ndata: a\n\n"s, {"message|a"}},
      {"NUL in a second id", "id: 1\nid: 2\0\ndata: a\n\n"s, {"message|a|id=1"}},
      {"retry", "retry: 3000\n\n", {"message||retry=3000"}},
      {"retry with data", "retry:0\ndata: x\n\n", {"message|x|retry=0"}},
      {"retry is no number",
       "retry: 1s\nretry: -1\nretry: +1\nretry:\nretry:  1\nretry: 1.5\nretry: 99999999999\n\n",
       {}},
      // H10: what must not end a line
      {"U+2028 and U+2029",
       "data: a\xE2\x80\xA8"
       "b\xE2\x80\xA9"
       "c\n\n",
       {"message|a\xE2\x80\xA8"
        "b\xE2\x80\xA9"
        "c"}},
      {"NEL, VT, FF, NUL",
       "data: a\xC2\x85"
       "b\x0b"
       "c\x0c"
       "d\0e\n\n"s,
       {"message|a\xC2\x85"
        "b\x0b"
        "c\x0c"
        "d\0e"s}},
      {"type and NUL", "event: a\0b\ndata: x\n\n"s, {"a\0b|x"s}},
  };
  return table;
}

/// Tool results that try to break out of their event (hazard H10).
const std::vector<std::string>& hostile_data() {
  static const std::vector<std::string> table{
      "",
      " ",
      "plain",
      " leading space",
      "\n",
      "\r",
      "\r\n",
      "\n\n",
      "\r\r",
      "\r\n\r\n",
      "\n\r",
      "a\n",
      "a\r",
      "a\r\n",
      "\na",
      "a\nb",
      "a\rb",
      "a\r\nb",
      "a\n\ndata: forged\n\n",
      "a\r\rdata: forged\r\r",
      "a\r\n\r\ndata: forged\r\n\r\n",
      "a\nid: 99",
      "a\rid: 99\r",
      "a\nevent: forged",
      "a\nretry: 1",
      "a\n: comment",
      "data: x",
      ":",
      "a\xE2\x80\xA8"
      "data: x",
      "\xEF\xBB\xBF",
      "\xEF\xBB\xBF\n\xEF\xBB\xBF",
      "a\0b"s,
      "\0"s,
      "\n\0\n"s,
      "{\"text\":\"a\\nb\"}",
      std::string(5000, '\n'),
      std::string(5000, '\r'),
  };
  return table;
}

/// The data with every line break as LF: all that the format can carry.
std::string normalised(std::string_view data) {
  std::string out;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\r' && i + 1 < data.size() && data[i + 1] == '\n')
      continue;
    out += data[i] == '\r' ? '\n' : data[i];
  }
  return out;
}

} // namespace

TEST_CASE("sse_parser follows the standard at every fragmentation", "[http][sse]") {
  for (const auto& [name, wire, expected] : rows()) {
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO(name << ", pieces of " << piece_size);
      const outcome seen = replay(wire, piece_size);
      CHECK_FALSE(seen.failed);
      CHECK(seen.events == expected);
    }
  }
}

TEST_CASE("no data breaks out of its event", "[http][sse][h10]") {
  std::string stream;
  for (const std::string& data : hostile_data()) {
    std::string wire;
    append_sse_event(wire, data, "progress", "id-1");
    stream += wire;
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO("pieces of " << piece_size << " of " << wire);
      const outcome seen = replay(wire, piece_size);
      REQUIRE(seen.events.size() == 1);
      CHECK(seen.data[0] == normalised(data));
      CHECK(seen.events[0] == "progress|" + normalised(data) + "|id=id-1");
    }
  }
  const outcome seen = replay(stream, 0);
  REQUIRE(seen.data.size() == hostile_data().size());
  for (std::size_t i = 0; i < seen.data.size(); ++i)
    CHECK(seen.data[i] == normalised(hostile_data()[i]));
}

TEST_CASE("any byte survives the way through an event", "[http][sse][h10]") {
  for (int first = 0; first < 256; ++first) {
    const std::string data = std::string(1, static_cast<char>(first)) + "x" +
                             std::string(2, static_cast<char>(first)) + "\n" +
                             std::string(1, static_cast<char>(first));
    std::string wire;
    append_sse_event(wire, data);
    const outcome seen = replay(wire, 3);
    REQUIRE(seen.data.size() == 1);
    CHECK(seen.data[0] == normalised(data));
  }
}

TEST_CASE("events and comments are written in the usual form", "[http][sse]") {
  std::string out;
  append_sse_event(out, "{}", "message", "5");
  CHECK(out == "event: message\nid: 5\ndata: {}\n\n");
  out.clear();
  append_sse_event(out, "");
  CHECK(out == "data: \n\n");
  out.clear();
  append_sse_priming(out, "1-2-3", std::chrono::seconds(2));
  CHECK(out == "id: 1-2-3\nretry: 2000\ndata: \n\n");
  out.clear();
  append_sse_comment(out);
  CHECK(out == ":\n\n");
  out.clear();
  append_sse_comment(out, "a\r\ndata: b\rc");
  CHECK(out == ": a\n: data: b\n: c\n\n");
  CHECK(replay(out, 0).events.empty());
}

TEST_CASE("sse_parser bounds an event at every fragmentation", "[http][sse]") {
  struct bound_row {
    std::string wire;
    bool fits;
  };
  const std::vector<bound_row> table{
      {"data: 3456789012\n\n", true},   // a line of 16 bytes
      {"data: 34567890123\n\n", false}, // and of 17
      {"data: 34567890123", false},     // that does not end
      {":2345678901234567", false},     // nor does a comment
      {":234567890123456\n:234567890123456\n:\n", true},
      {"data:1234\ndata:1234\n\n", true}, // 5 bytes kept, 9 in the line
      {"data:1234\ndata:1234\ndata:1234\n\n", false},
      {"data:1234\n\ndata:1234\n\ndata:1234\n\n", true},
  };
  for (const auto& [wire, fits] : table) {
    for (const std::size_t piece_size : test::piece_sizes) {
      INFO(wire << ", pieces of " << piece_size);
      CHECK(replay(wire, piece_size, 16).failed == !fits);
    }
  }
}

TEST_CASE("sse_parser stays unusable after an error until reset", "[http][sse]") {
  sse_parser parser(8);
  recorder receiver;
  CHECK(parser.feed("data: too long", receiver).error().code == errc::event_too_large);
  CHECK(parser.feed("\n\n", receiver).error().code == errc::event_too_large);
  parser.reset();
  CHECK(parser.feed("\xEF\xBB\xBF"
                    "id:1\n\n",
                    receiver));
  CHECK(receiver.events == std::vector<std::string>{"message||id=1"});
}

TEST_CASE("sse_parser is linear in the number of lines", "[http][sse][slow]") {
  // Lines that end in CR only, with one LF at the far end: a search for the next LF at every line
  // would make this take minutes.
  const std::string wire = test::repeat("data:x\r", 2'000'000) + "\n\n";
  const outcome seen = replay(wire, 0);
  REQUIRE(seen.data.size() == 1);
  CHECK(seen.data[0].size() == 3'999'999);
}

} // namespace nexus::http
