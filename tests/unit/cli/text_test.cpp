#include <sstream>

#include <catch2/catch.hpp>

#include "cli/console.hpp"
#include "cli/json_reading.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "cli/tool_result.hpp"

using namespace nexus;
using namespace nexus::cli;

namespace {

std::string padded(std::string text) {
  json::ensure_padding(text);
  return text;
}

} // namespace

TEST_CASE("visible escapes what a terminal would obey", "[cli][terminal]") {
  struct row {
    std::string text, kept, escaped;
  };
  const row rows[] = {
      {"plain", "plain", "plain"},
      {"a\nb\tc", "a\nb\tc", "a\\nb\\tc"},
      {"a\rb", "a\\rb", "a\\rb"},
      {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m", "\\x1b[31mred\\x1b[0m"},
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07", "\\x1b]0;title\\x07"},
      {"\x7f", "\\x7f", "\\x7f"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m", "\\u009b31m"},
      {"a\xe2\x80\xae"
       "b",
       "a\\u202eb", "a\\u202eb"},
      {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
       "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\xff\xc3", "\\xff\\xc3", "\\xff\\xc3"},
      {"\xc0\x9b\xe0\x80\x9b", "\\xc0\\x9b\\xe0\\x80\\x9b", "\\xc0\\x9b\\xe0\\x80\\x9b"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"},
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80"},
      {std::string("a\0b", 3), "a\\x00b", "a\\x00b"},
  };
  for (const auto& [text, kept, escaped] : rows) {
    CHECK(visible(text, line_breaks::keep) == kept);
    CHECK(visible(text, line_breaks::escape) == escaped);
  }
}

TEST_CASE("display_width and clip count columns", "[cli][terminal]") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("h\xc3\xa9") == 2);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(display_width("\xe6\xbc\xa2\xe5\xad\x97") == 4);
  CHECK(clip("abcdef", 6) == "abcdef");
  CHECK(clip("abcdefg", 6) == "abc...");
  CHECK(clip("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 5) == "\xe6\xbc\xa2...");
  CHECK(clip("abcdef", 2) == "..");
  CHECK(clip("abc", 0).empty());
}

TEST_CASE("table aligns by columns and escapes its cells", "[cli][table]") {
  table rows({{"NAME"}, {"N", alignment::right}, {"NOTE"}});
  rows.add({{"h\xc3\xa9"}, {"7"}, {"fine"}});
  rows.add({{"longer"}, {"123"}, {""}});
  rows.add({{"\x1b[2J"}, {"0"}, {"a\nb", tone::bad}});
  std::ostringstream plain, coloured;
  rows.print(plain, false, 0);
  CHECK(plain.str() == "NAME       N  NOTE\n"
                       "h\xc3\xa9         7  fine\n"
                       "longer   123\n"
                       "\\x1b[2J    0  a\\nb\n");
  rows.print(coloured, true, 0);
  CHECK_THAT(coloured.str(), Catch::Matchers::Contains("\x1b[31ma\\nb\x1b[0m"));
}

TEST_CASE("table cuts its last column to the terminal", "[cli][table]") {
  table rows({{"A"}, {"B"}});
  rows.add({{"x"}, {std::string(100, 'y')}});
  std::ostringstream out;
  rows.print(out, false, 43);
  CHECK(out.str() == "A  B\nx  " + std::string(37, 'y') + "...\n");
}

TEST_CASE("status_line leaves nothing behind and needs a terminal", "[cli][console]") {
  std::istringstream in;
  std::ostringstream out, err;
  console io{in, out, err};
  status_line(io).show("x");
  CHECK(err.str().empty());
  io.err_terminal = true;
  status_line(io).show("connecting\x1b[2J");
  CHECK(err.str() == "\r\x1b[Kconnecting\\x1b[2J\r\x1b[K");
}

TEST_CASE("json_object reads members by key", "[cli][json]") {
  json::scanner scanner;
  const std::string text =
      padded(R"({"a":"x\ny","n":7,"neg":-1,"f":1.5,"t":true,"o":{"deep":[1]},"z":null})");
  const auto object = json_object::read(scanner, text);
  REQUIRE(object);
  CHECK(object->text("a") == "x\ny");
  CHECK(object->text("n").empty());
  CHECK(object->count("n") == 7);
  CHECK(object->count("neg") == 0);
  CHECK(object->count("f") == 0);
  CHECK(object->is_true("t"));
  CHECK_FALSE(object->is_true("a"));
  CHECK((*object)["o"].raw == R"({"deep":[1]})");
  CHECK_FALSE((*object)["missing"]);
  for (const auto* wrong : {"", "[]", "{", R"({"a":1,"a":2})", "nonsense"})
    CHECK_FALSE(json_object::read(scanner, padded(wrong)));
}

TEST_CASE("indented lays JSON out and keeps its strings", "[cli][json]") {
  CHECK(indented(R"({"a":[1,{"b":"x, {y}: \"z\\"}],"c":{},"d":[ ]})") ==
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, {y}: \\\"z\\\\\"\n    }\n  ],\n"
        "  \"c\": {},\n  \"d\": []\n}");
  CHECK(indented("7") == "7");
  CHECK(indented("[]") == "[]");
}

TEST_CASE("describe_result tells each kind of content", "[cli][result]") {
  struct row {
    std::string json, text;
    tool_outcome outcome;
  };
  const row rows[] = {
      {R"({"content":[{"type":"text","text":"a"},{"type":"text","text":"b\n"}]})", "a\nb\n",
       tool_outcome::done},
      {R"({"content":[{"type":"image","mimeType":"image/png","data":"AAAA"},
                      {"type":"audio","data":"AAA="}]})",
       "[image/png, 3 bytes]\n[audio, 2 bytes]\n", tool_outcome::done},
      {R"({"content":[{"type":"resource_link","name":"n","uri":"file:///x"},
                      {"type":"resource","resource":{"uri":"u:1","text":"inner"}},
                      {"type":"resource","resource":{"uri":"u:2","blob":"AA=="}}]})",
       "[link n file:///x]\ninner\n[application/octet-stream, 1 bytes, u:2]\n", tool_outcome::done},
      {R"({"content":[],"structuredContent":{"n":1}})", "{\n  \"n\": 1\n}\n", tool_outcome::done},
      {R"({"content":[{"type":"text","text":"t"}],"structuredContent":{"n":1}})", "t\n",
       tool_outcome::done},
      {R"({"content":[{"type":"image","mimeType":"i/p","data":""}],"structuredContent":[1]})",
       "[i/p, 0 bytes]\n[\n  1\n]\n", tool_outcome::done},
      {R"({"content":[{"type":"text","text":"no"}],"isError":true})", "no\n", tool_outcome::failed},
      {R"({"isError":true})", "", tool_outcome::failed},
      {R"({"resultType":"input_required","inputRequests":{}})", "", tool_outcome::wants_input},
      {R"({"content":[5,{"type":7},{"type":"new"}]})",
       "[content that is no object]\n[content without a type]\n[new]\n", tool_outcome::done},
      {R"({"content":7,"structuredContent":null})", "", tool_outcome::done},
      {"{}", "", tool_outcome::done},
  };
  json::scanner scanner;
  for (const auto& [json, text, outcome] : rows) {
    CAPTURE(json);
    const auto got = describe_result(scanner, padded(json));
    REQUIRE(got);
    CHECK(got->text == text);
    CHECK(got->outcome == outcome);
  }
  CHECK_FALSE(describe_result(scanner, padded("[]")));
}
