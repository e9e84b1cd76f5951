#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/json/padded.hpp"
#include "json/scan.hpp"
#include "json/write.hpp"

using namespace nexus;
using namespace std::string_literals;
using json::test::padded;

namespace {

std::string quoted(std::string_view text) {
  std::string out = "x";
  json::append_string(out, text);
  REQUIRE(out.starts_with("x\""));
  return out.substr(1);
}

/// Validates first, as the contract asks.
std::string canonical(std::string_view text) {
  json::scanner scanner;
  const padded input(text);
  REQUIRE(scanner.validate(input.view()));
  return json::canonical(input.view());
}

struct row {
  std::string in;
  std::string out;
};

double from_bits(std::uint64_t bits) {
  double number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

} // namespace

TEST_CASE("json append_string escapes what a string cannot hold", "[json][write]") {
  const std::vector<row> rows = {
      {"", "\"\""},
      {"abc", "\"abc\""},
      {"\"", R"("\"")"},
      {"\\", R"("\\")"},
      {"/", R"("/")"},
      {"\b\f\n\r\t", R"("\b\f\n\r\t")"},
      {"\0"s, R"("\u0000")"},
      {"\x01\x1f", R"("\u0001\u001f")"},
      {"\x7f", "\"\x7f\""},
      {"12345678\"", R"("12345678\"")"},
      {"1234567\n1234567\n", R"("1234567\n1234567\n")"},
      {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
      {"a\xe2\x80\xa8"
       "b\xe2\x80\xa9",
       R"("a\u2028b\u2029")"},
      {"\xe2\x80\xa7\xe2\x80\xaa", "\"\xe2\x80\xa7\xe2\x80\xaa\""},
  };
  for (const auto& [in, out] : rows)
    CHECK(quoted(in) == out);
}

TEST_CASE("json append_string replaces invalid UTF-8", "[json][write]") {
  const std::string bad = "\xef\xbf\xbd";
  const std::vector<row> rows = {
      {"\x80", bad},
      {"\xff", bad},
      {"a\xffz", "a" + bad + "z"},
      {"\xc0\xaf", bad + bad},
      {"\xe2\x82", bad},
      {"\xe2\x82z", bad + "z"},
      {"\xe2", bad},
      {"\xf0\x9f\x98", bad},
      {"\xf0\x9f\x98\xf0\x9f\x98\x80", bad + "\xf0\x9f\x98\x80"},
      {"\xed\xa0\x80", bad + bad + bad},
      {"\xf4\x90\x80\x80", bad + bad + bad + bad},
      {"\xe0\x80\x80", bad + bad + bad},
      {"\xc3\n", bad + "\\n"},
      {"\xc3\xa9\xff", "\xc3\xa9" + bad},
      // The example of Unicode 15.0, table 3-8.
      {"a\xf1\x80\x80\xe1\x80\xc2"
       "b\x80"
       "c\x80\xbf"
       "d",
       "a" + bad + bad + bad + "b" + bad + "c" + bad + bad + "d"},
  };
  for (const auto& [in, out] : rows)
    CHECK(quoted(in) == '"' + out + '"');
}

TEST_CASE("json append_string and unquote are inverse", "[json][write]") {
  std::mt19937 random(7);
  const std::string parts[] = {
      "a",    "\"",          "\\",       "\n",           "\0"s,
      "\x1f", "12345678",    "\xc3\xa9", "\xe2\x80\xa8", "\xf0\x9f\x98\x80",
      "/",    "\xe2\x82\xac"};
  json::scanner scanner;
  for (int i = 0; i < 2'000; ++i) {
    std::string text;
    for (auto n = random() % 20; n > 0; --n)
      text += parts[random() % std::size(parts)];
    const padded written(quoted(text));
    const auto found = scanner.validate(written.view());
    REQUIRE(found);
    REQUIRE(json::unquote(*found) == text);
  }
}

TEST_CASE("json object_writer places commas and quotes", "[json][write]") {
  std::string out;
  json::object_writer empty(out);
  empty.end();
  CHECK(out == "{}");
  out = "[";
  json::object_writer object(out);
  object.string("a", "x\"y").integer("b", -7).boolean("c", true).boolean("d", false);
  object.raw("e", "[1,2]");
  object.key("f") += "null";
  object.integer("g", INT64_MIN);
  object.end();
  CHECK(out == R"([{"a":"x\"y","b":-7,"c":true,"d":false,"e":[1,2],"f":null,)"
               R"("g":-9223372036854775808})");
}

TEST_CASE("json canonical sorts, strips and unescapes", "[json][canonical]") {
  const std::vector<row> rows = {
      {"null", "null"},
      {" [ ] ", "[]"},
      {" { } ", "{}"},
      {"[ 1 , true , false , null , \"a\" ]", "[1,true,false,null,\"a\"]"},
      {R"({"b":1,"a":2})", R"({"a":2,"b":1})"},
      {R"({"b":{"d":1,"c":[{"z":0,"y":0}]},"a":2})", R"({"a":2,"b":{"c":[{"y":0,"z":0}],"d":1}})"},
      {R"({"a":1,"":2,"A":3,"aa":4})", R"({"":2,"A":3,"a":1,"aa":4})"},
      {R"({"10":1,"2":2,"1":3})", R"({"1":3,"10":1,"2":2})"},
      {R"("\u0041\/\u00e9\u000a\u001F\u0022")", "\"A/\xc3\xa9\\n\\u001f\\\"\""},
      {"\"\\u2028\x7f\"", "\"\xe2\x80\xa8\x7f\""},
      {R"({"\u0062":1,"a":2})", R"({"a":2,"b":1})"},
      {R"("\uD83D\uDE00")", "\"\xf0\x9f\x98\x80\""},
      {R"("\uD83Dx\uDE00")", R"("\ud83dx\ude00")"},
      {R"({"a":1,"a":0})", R"({"a":1,"a":0})"},
      {R"(["{\"b\":1,\"a\":2}"])", R"(["{\"b\":1,\"a\":2}"])"},
      // U+1F600 sorts by its first surrogate, before U+FB33.
      {"{\"\xef\xac\xb3\":1,\"\xf0\x9f\x98\x80\":2}",
       "{\"\xf0\x9f\x98\x80\":2,\"\xef\xac\xb3\":1}"},
  };
  for (const auto& [in, out] : rows)
    CHECK(canonical(in) == out);
}

TEST_CASE("json canonical agrees with the examples of RFC 8785", "[json][canonical]") {
  // Section 3.2.2 and its result in 3.2.3.
  CHECK(canonical(R"({
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    })") == "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
  // Section 3.2.3, the order of keys.
  CHECK(
      canonical(R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet",
                      "1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"Latin"})") ==
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":\"Latin\","
      "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji\","
      "\"\xef\xac\xb3\":\"Hebrew Letter Dalet\"}");
}

TEST_CASE("json canonical prints numbers as ECMAScript does", "[json][canonical]") {
  // Appendix B of RFC 8785: the bits of a double and its text.
  const std::pair<std::uint64_t, const char*> samples[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : samples) {
    char precise[64];
    std::snprintf(precise, sizeof precise, "%.17g", from_bits(bits));
    INFO(precise);
    CHECK(canonical(precise) == text);
    CHECK(canonical(text) == text);
  }
  const std::vector<row> rows = {
      {"-0", "0"},
      {"0.0e99", "0"},
      {"1.0", "1"},
      {"100e-2", "1"},
      {"1E3", "1000"},
      {"-12.50", "-12.5"},
      {"123456789012345678901", "123456789012345680000"},
      {"1234567890123456789012", "1.2345678901234568e+21"},
      {"9007199254740993", "9007199254740992"},
      {"0.1000000000000000055511151231257827", "0.1"},
      {"0.0000001", "1e-7"},
      {"1e400", "1e400"},
      {"-1e400", "-1e400"},
      {"1e-400", "0"},
      {"0.0001e-399", "0"},
      {"1e99999999999999999999", "1e99999999999999999999"},
      {"1e-99999999999999999999", "0"},
  };
  for (const auto& [in, out] : rows)
    CHECK(canonical(in) == out);
  CHECK(canonical(std::string(400, '7')) == std::string(400, '7'));
  CHECK(canonical("0." + std::string(400, '0') + "7") == "0");
}

TEST_CASE("json canonical is its own fixed point and ignores order", "[json][canonical]") {
  const std::string a = R"({"x":[1.0,{"k":"\u0061","j":2e0}],"b":{"":null}})";
  const std::string b = R"({ "b" : { "" : null } , "x" : [ 1 , { "j" : 2 , "k" : "a" } ] })";
  CHECK(canonical(a) == canonical(b));
  CHECK(canonical(canonical(a)) == canonical(a));
}
