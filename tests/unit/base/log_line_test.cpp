#include <limits>

#include <catch2/catch.hpp>

#include "base/log_line.hpp"

using namespace nexus;

TEST_CASE("a JSON log line stays one line of UTF-8 whatever a value holds", "[base][log]") {
  struct row {
    std::string value;
    std::string quoted;
  };
  const row rows[] = {
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"a \"b\" \\", R"("a \"b\" \\")"},
      {"line\nfeed\r\x1b[31m\x7f", R"("line\u000afeed\u000d\u001b[31m\u007f")"},
      {std::string("a\0b", 3), R"("a\u0000b")"},
      {"gr\xC3\xB6\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80",
       "\"gr\xC3\xB6\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\""},
      {"csi \xC2\x9B"
       "31m",
       R"("csi \u009b31m")"},
      {"lone \x9B", R"("lone \ufffd")"},
      {"latin-1 \xE9t\xE9", R"("latin-1 \ufffdt\ufffd")"},
      {"cut \xE2\x82", R"("cut \ufffd")"},
      {"overlong \xC0\xAF", R"("overlong \ufffd\ufffd")"},
      {"surrogate \xED\xA0\x80", R"("surrogate \ufffd\ufffd\ufffd")"},
      {"beyond \xF4\x90\x80\x80", R"("beyond \ufffd\ufffd\ufffd\ufffd")"},
      {"\xFF\xFE", R"("\ufffd\ufffd")"},
  };
  for (const auto& r : rows) {
    INFO(r.quoted);
    CHECK(log::format_line(log::format::json, "c", "e", {{"v", r.value}}) ==
          R"("component":"c","event":"e","v":)" + r.quoted);
  }
}

TEST_CASE("a JSON log line has JSON's numbers and words", "[base][log]") {
  CHECK(log::format_line(log::format::json, "c", "e",
                         {{"n", -3},
                          {"yes", true},
                          {"x", 0.5},
                          {"inf", std::numeric_limits<double>::infinity()}}) ==
        R"("component":"c","event":"e","n":-3,"yes":true,"x":0.5,"inf":null)");
}

TEST_CASE("a text log line quotes only what could mislead", "[base][log]") {
  const auto line = [](std::string_view value) {
    return log::format_line(log::format::text, "c", "e", {{"v", value}});
  };
  CHECK(line("plain") == "c: e v=plain");
  CHECK(line("gr\xC3\xB6\xC3\x9F") == "c: e v=gr\xC3\xB6\xC3\x9F");
  CHECK(line("") == "c: e v=\"\"");
  CHECK(line("a b") == "c: e v=\"a b\"");
  CHECK(line("a=b") == "c: e v=\"a=b\"");
  CHECK(line("a\nc: forged") == R"(c: e v="a\u000ac: forged")");
  CHECK(line("\x1b[2J") == R"(c: e v="\u001b[2J")");
  CHECK(line("\xC2\x9B"
             "2J") == R"(c: e v="\u009b2J")");
  CHECK(line("\x9B"
             "2J") == R"(c: e v="\ufffd2J")");
}
