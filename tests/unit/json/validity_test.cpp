/// What is JSON and what is not, as tables and against an independent recognizer.

#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "base/limits.hpp"
#include "tests/unit/json/padded.hpp"
#include "json/scan.hpp"

using namespace nexus;
using namespace std::string_literals;
using json::test::padded;

namespace {

struct row {
  const char* name;
  std::string text;
};

const std::vector<row> valid_rows = {
    {"empty object", "{}"},
    {"empty array", "[]"},
    {"null", "null"},
    {"true", "true"},
    {"false", "false"},
    {"zero", "0"},
    {"negative zero", "-0"},
    {"digit", "7"},
    {"negative", "-12"},
    {"fraction", "1.5"},
    {"zero fraction", "0.0"},
    {"negative fraction", "-0.25"},
    {"exponent", "1e3"},
    {"capital exponent", "1E3"},
    {"signed exponent", "1e+3"},
    {"negative exponent", "1e-3"},
    {"zero exponent", "0e0"},
    {"exponent with leading zero", "1e05"},
    {"fraction and exponent", "-12.340E-56"},
    {"int64 maximum", "9223372036854775807"},
    {"uint64 maximum", "18446744073709551615"},
    {"beyond uint64", "18446744073709551616"},
    {"hundred digits", std::string(100, '9')},
    {"thousand digits", "1" + std::string(1000, '0')},
    {"long fraction", "0." + std::string(500, '3')},
    {"huge exponent", "1e400"},
    {"huge negative exponent", "-1e-400"},
    {"exponent beyond int64", "1e99999999999999999999"},
    {"empty string", "\"\""},
    {"string", "\"abc\""},
    {"string with brackets", "\"{[,:]}\""},
    {"escaped quote", R"("\"")"},
    {"escaped backslash", R"("\\")"},
    {"escaped backslash before the end", R"("a\\")"},
    {"many backslashes", R"("\\\\\\\\")"},
    {"all short escapes", R"("\"\\\/\b\f\n\r\t")"},
    {"unicode escape", R"("\u0041")"},
    {"escaped NUL", R"("\u0000")"},
    {"mixed case hex", R"("\uAbCd")"},
    {"surrogate pair", R"("\ud83d\ude00")"},
    {"lone high surrogate", R"("\ud83d")"},
    {"lone low surrogate", R"("\ude00")"},
    {"high surrogate then text", R"("\ud83dx")"},
    {"high surrogate then escape", R"("\ud83d\n")"},
    {"two high surrogates", R"("\ud83d\ud83d")"},
    {"DEL", "\"\x7f\""},
    {"two-byte UTF-8", "\"\xc3\xa9\""},
    {"three-byte UTF-8", "\"\xe2\x82\xac\""},
    {"four-byte UTF-8", "\"\xf0\x9f\x98\x80\""},
    {"last code point", "\"\xf4\x8f\xbf\xbf\""},
    {"noncharacter", "\"\xef\xbf\xbf\""},
    {"BOM inside a string", "\"\xef\xbb\xbf\""},
    {"U+2028", "\"\xe2\x80\xa8\""},
    {"string of 7", "\"1234567\""},
    {"string of 8", "\"12345678\""},
    {"string of 63", '"' + std::string(63, 'x') + '"'},
    {"string of 64", '"' + std::string(64, 'x') + '"'},
    {"string of 65", '"' + std::string(65, 'x') + '"'},
    {"string of 10000", '"' + std::string(10000, 'x') + '"'},
    {"late escape", '"' + std::string(100, 'x') + "\\n\""},
    {"array of one", "[1]"},
    {"array of kinds", R"([null,true,false,1,"a",{},[]])"},
    {"nested arrays", "[[[[]]],[]]"},
    {"object", R"({"a":1})"},
    {"object of kinds", R"({"a":null,"b":true,"c":1,"d":"x","e":{},"f":[]})"},
    {"empty key", R"({"":0})"},
    {"duplicate keys where nobody looks", R"({"a":1,"a":2})"},
    {"escaped key", R"({"\u0061":1})"},
    {"space around the root", " \t\r\n{} \t\r\n"},
    {"space around everything", " [ 1 , { \"a\" : 2 } ] "},
    {"newline after comma", "[1,\n2]"},
    {"space around a scalar root", "  12  "},
    {"space around a string root", "  \"a\"  "},
    {"long space", "[" + std::string(1000, ' ') + "]"},
    {"deepest arrays",
     std::string(limits::json_depth_max, '[') + std::string(limits::json_depth_max, ']')},
};

const std::vector<row> invalid_rows = {
    {"empty", ""},
    {"only space", "  \n\t "},
    {"BOM", "\xef\xbb\xbf{}"},
    {"UTF-16", "\xff\xfe{\0}\0"s},
    {"NUL", "\0"s},
    {"NUL after the root", "{}\0"s},
    {"NUL in space", "[1,\0 2]"s},
    {"form feed as space", "[\f1]"},
    {"vertical tab as space", "[\v1]"},
    {"no-break space", "[\xc2\xa0]"},
    {"U+2028 as space", "[\xe2\x80\xa8]"},
    {"0x1A, which table lookups take for a colon", "{\"a\"\x1a"
                                                   "1}"},
    {"0x0C, which table lookups take for a comma", "[1\x0c"
                                                   "2]"},
    {"garbage", "garbage"},
    {"open brace", "{"},
    {"open bracket", "["},
    {"close brace", "}"},
    {"close bracket", "]"},
    {"comma", ","},
    {"colon", ":"},
    {"mismatched brackets", "[}"},
    {"mismatched braces", "{]"},
    {"crossed brackets", "[{]}"},
    {"unclosed array", "[1"},
    {"unclosed nested array", "[[1]"},
    {"unclosed object", "{\"a\":1"},
    {"array with an open comma", "[1,"},
    {"object with an open comma", "{\"a\":1,"},
    {"closed twice", "[]]"},
    {"object closed twice", "{}}"},
    {"two roots", "{}{}"},
    {"two scalars", "1 2"},
    {"root then comma", "1,"},
    {"root then text", "{} x"},
    {"root then comment", "{} // x"},
    {"comment", "[/* x */]"},
    {"hash comment", "[1] # x"},
    {"trailing comma in array", "[1,]"},
    {"trailing comma in object", "{\"a\":1,}"},
    {"leading comma in array", "[,1]"},
    {"leading comma in object", "{,\"a\":1}"},
    {"double comma", "[1,,2]"},
    {"only a comma", "[,]"},
    {"missing comma", "[1 2]"},
    {"missing comma between strings", "[\"a\" \"b\"]"},
    {"strings without space", "[\"a\"\"b\"]"},
    {"string then number", "[\"a\"1]"},
    {"number then string", "[1\"a\"]"},
    {"literal then string", "[true\"a\"]"},
    {"string then literal", "[\"a\"true]"},
    {"missing comma in object", "{\"a\":1 \"b\":2}"},
    {"missing comma after object", "[{}{}]"},
    {"missing colon", "{\"a\" 1}"},
    {"missing value", "{\"a\":}"},
    {"missing value and colon", "{\"a\"}"},
    {"double colon", "{\"a\"::1}"},
    {"colon in array", "[\"a\":1]"},
    {"comma for colon", "{\"a\",1}"},
    {"equals for colon", "{\"a\"=1}"},
    {"number key", "{1:1}"},
    {"literal key", "{null:1}"},
    {"bare key", "{a:1}"},
    {"object key", "{{}:1}"},
    {"array key", "{[]:1}"},
    {"single quotes", "['a']"},
    {"single-quoted key", "{'a':1}"},
    {"plus sign", "+1"},
    {"leading zero", "01"},
    {"negative leading zero", "-01"},
    {"double zero", "00"},
    {"bare minus", "-"},
    {"minus space", "- 1"},
    {"double minus", "--1"},
    {"bare point", "."},
    {"point first", ".5"},
    {"point last", "1."},
    {"minus point", "-.5"},
    {"two points", "1.2.3"},
    {"point exponent", "1.e3"},
    {"exponent without digits", "1e"},
    {"signed exponent without digits", "1e+"},
    {"fractional exponent", "1e1.5"},
    {"two exponents", "1e1e1"},
    {"zero exponent mark", "0e"},
    {"hexadecimal", "0x10"},
    {"octal", "0o7"},
    {"digit separator", "1_000"},
    {"thousands separator", "[1'000]"},
    {"number with suffix", "1f"},
    {"number with letter", "12a"},
    {"full-width digit", "\xef\xbc\x91"},
    {"NaN", "NaN"},
    {"Infinity", "Infinity"},
    {"negative Infinity", "-Infinity"},
    {"capital literal", "True"},
    {"capital null", "NULL"},
    {"short literal", "tru"},
    {"literal cut by the end", "nul"},
    {"long literal", "truee"},
    {"literal with digit", "null1"},
    {"undefined", "undefined"},
    {"literals without comma", "[truefalse]"},
    {"unclosed string", "\"abc"},
    {"lone quote", "\""},
    {"string closed by an escape", "\"abc\\\""},
    {"unclosed string in array", "[\"abc]"},
    {"raw newline in string", "\"a\nb\""},
    {"raw tab in string", "\"a\tb\""},
    {"raw NUL in string", "\"a\0b\""s},
    {"raw 0x1F in string", "\"a\x1f\""},
    {"raw control in key", "{\"a\x01\":1}"},
    {"unknown escape", R"("\x41")"},
    {"escaped apostrophe", R"("\'")"},
    {"escaped zero", R"("\0")"},
    {"escaped bell", R"("\a")"},
    {"capital escape", R"("\N")"},
    {"escaped space", R"("\ ")"},
    {"escaped UTF-8", "\"\\\xc3\xa9\""},
    {"short unicode escape", R"("\u123")"},
    {"unicode escape cut by the end", R"("\u12")"},
    {"unicode escape without digits", R"("\u")"},
    {"unicode escape with letters", R"("\u12G4")"},
    {"unicode escape with sign", R"("\u+123")"},
    {"capital unicode escape", R"("\U0041")"},
    {"braced unicode escape", R"("\u{41}")"},
    {"surrogate with a bad partner", R"("\ud83d\uZZZZ")"},
    {"bad escape in key", R"({"\q":1})"},
    {"bad escape late", '"' + std::string(100, 'x') + "\\q\""},
    {"bad escape at byte 8", "\"1234567\\q\""},
    {"lone continuation byte", "\"\x80\""},
    {"overlong slash", "\"\xc0\xaf\""},
    {"overlong three bytes", "\"\xe0\x80\xaf\""},
    {"overlong NUL", "\"\xc0\x80\""},
    {"truncated UTF-8", "\"\xe2\x82\""},
    {"truncated UTF-8 at the end", "\"abc\xe2"},
    {"raw surrogate", "\"\xed\xa0\x80\""},
    {"beyond the last code point", "\"\xf4\x90\x80\x80\""},
    {"five-byte sequence", "\"\xf8\x88\x80\x80\x80\""},
    {"0xFF", "\"\xff\""},
    {"Latin-1", "\"\xe9t\xe9\""},
    {"invalid UTF-8 outside strings", "[1,\xff]"},
    {"invalid UTF-8 in key", "{\"\xff\":1}"},
    {"letter in array", "[a]"},
    {"backslash outside a string", "[\\n]"},
    {"escaped quote outside a string", "\\\"a\\\""},
    {"angle brackets", "<null>"},
    {"HTML", "<html></html>"},
    {"SSE", "data: {}"},
    {"deep unclosed", std::string(100, '[')},
    {"a million brackets", std::string(1'000'000, '[')},
};

std::error_code outcome(json::scanner& scanner, std::string_view text, char filler) {
  const padded input(text, filler);
  const auto result = scanner.validate(input.view());
  return result ? std::error_code{} : result.error().code;
}

/// RFC 8259 as a recursive descent over bytes, as plain as can be.
class recognizer {
 public:
  explicit recognizer(std::string_view text) : text_(text) {}
  bool run() {
    space();
    return value() && (space(), at_ == text_.size());
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool eat(std::string_view what) {
    if (text_.substr(at_, what.size()) != what)
      return false;
    at_ += what.size();
    return true;
  }
  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(peek()) != std::string_view::npos)
      ++at_;
  }
  bool digits() {
    const auto begin = at_;
    while (peek() >= '0' && peek() <= '9')
      ++at_;
    return at_ > begin;
  }
  bool number() {
    eat("-");
    if (!eat("0") && !digits())
      return false;
    if (eat(".") && !digits())
      return false;
    if (eat("e") || eat("E")) {
      if (!eat("+"))
        eat("-");
      return digits();
    }
    return true;
  }
  bool string() {
    if (!eat("\""))
      return false;
    while (at_ < text_.size()) {
      if (eat("\""))
        return true;
      if (static_cast<unsigned char>(peek()) < 0x20)
        return false;
      if (!eat("\\")) {
        ++at_;
        continue;
      }
      if (eat("u")) {
        for (int i = 0; i < 4; ++i, ++at_)
          if (std::isxdigit(static_cast<unsigned char>(peek())) == 0)
            return false;
      } else if (peek() == '\0' ||
                 std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos) {
        return false;
      } else {
        ++at_;
      }
    }
    return false;
  }
  bool list(char close, bool keyed) {
    ++at_;
    space();
    if (peek() == close)
      return ++at_, true;
    for (;;) {
      space();
      if (keyed && !(string() && (space(), eat(":"))))
        return false;
      space();
      if (!value())
        return false;
      space();
      if (peek() == close)
        return ++at_, true;
      if (!eat(","))
        return false;
    }
  }
  bool value() {
    switch (peek()) {
    case '{':
      return list('}', true);
    case '[':
      return list(']', false);
    case '"':
      return string();
    case 't':
      return eat("true");
    case 'f':
      return eat("false");
    case 'n':
      return eat("null");
    default:
      return number();
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Random JSON, then some random damage.
class generator {
 public:
  explicit generator(std::uint32_t seed) : random_(seed) {}

  std::string next() {
    out_.clear();
    value(0);
    static const std::string bits[] = {"{", "}",    "[",   "]",    ",",    ":",    "\"", "\\",
                                       " ", "\n",   "1",   "0",    ".",    "e",    "-",  "\\u",
                                       "a", "true", "nul", "\xc3", "\xa9", "\x01", "\t", "\"\""};
    for (unsigned damage = below(4); damage > 0 && !out_.empty(); --damage) {
      const std::size_t at = below(static_cast<unsigned>(out_.size()));
      if (below(2) == 0)
        out_.erase(at, 1 + below(3));
      else
        out_.insert(at, bits[below(std::size(bits))]);
    }
    return out_;
  }

 private:
  unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }
  void pick(std::initializer_list<const char*> choices) {
    out_ += choices.begin()[below(choices.size())];
  }
  void space() {
    if (below(6) == 0)
      pick({" ", "\n", "\t", "\r\n", "   "});
  }
  void string() {
    out_ += '"';
    for (unsigned i = below(20); i > 0; --i)
      pick({"a", "xyz", "{", "]", ":", ",", "\\n", "\\\\", "\\\"", "\\u0041", "\xc3\xa9",
            "\xe2\x82\xac", "\xf0\x9f\x98\x80", "0123456789", " "});
    out_ += '"';
  }
  void list(char open, char close, unsigned depth) {
    out_ += open;
    for (unsigned i = below(5); i > 0; --i) {
      space();
      if (open == '{') {
        string();
        space();
        out_ += ':';
      }
      space();
      value(depth + 1);
      space();
      if (i > 1)
        out_ += ',';
    }
    out_ += close;
  }
  void value(unsigned depth) {
    switch (below(depth < 5 ? 6 : 4)) {
    case 0:
      return pick({"null", "true", "false"});
    case 1:
      return pick({"0", "-1", "1.5", "1e9", "-0.0E-7", "123456789012345678901234567890"});
    case 2:
    case 3:
      return string();
    case 4:
      return list('[', ']', depth);
    default:
      return list('{', '}', depth);
    }
  }

  std::mt19937 random_;
  std::string out_;
};

} // namespace

TEST_CASE("json scanner accepts what RFC 8259 allows", "[json][scan]") {
  json::scanner scanner;
  for (const auto& [name, text] : valid_rows)
    for (const char filler : {'1', '"', ']', 'e', '\\', ' ', '\0'}) {
      INFO(name << ", padding " << filler);
      CHECK(outcome(scanner, text, filler) == std::error_code{});
      CHECK(outcome(scanner, "[" + text + "]", filler) ==
            (text.starts_with(std::string(limits::json_depth_max, '['))
                 ? make_error_code(json::errc::too_deep)
                 : std::error_code{}));
    }
}

TEST_CASE("json scanner refuses what RFC 8259 forbids", "[json][scan]") {
  json::scanner scanner;
  for (const auto& [name, text] : invalid_rows)
    for (const char filler : {'1', '"', ']', '}', 'e', 'l', '\\', ' ', '\0'}) {
      INFO(name << ", padding " << filler);
      const auto code = outcome(scanner, text, filler);
      if (text.size() == 1'000'000)
        CHECK(code == json::errc::too_deep);
      else
        CHECK(code == json::errc::malformed);
    }
  CHECK(valid_rows.size() + invalid_rows.size() >= 150);
  CHECK(invalid_rows.size() >= valid_rows.size());
}

TEST_CASE("json scanner refuses every proper prefix of an object", "[json][scan]") {
  json::scanner scanner;
  const std::string text = R"({"a":[1,true,null,"x\n\u00e9"],"b":{"c":-1.5e+3,"d":{}},"e":""})";
  REQUIRE(outcome(scanner, text, '1') == std::error_code{});
  for (std::size_t size = 0; size < text.size(); ++size) {
    INFO(size);
    const padded rest_follows(text.substr(0, size), text[size]);
    CHECK_FALSE(scanner.validate(rest_follows.view()));
  }
}

TEST_CASE("json scanner bounds the depth of any nesting", "[json][scan]") {
  json::scanner scanner;
  const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i)
      text += open;
    text += "0";
    for (std::size_t i = 0; i < depth; ++i)
      text += close;
    return text;
  };
  for (const auto& [open, close] : {std::pair{"["s, "]"s}, std::pair{"{\"a\":"s, "}"s}}) {
    CHECK(outcome(scanner, nested(limits::json_depth_max, open, close), ' ') == std::error_code{});
    CHECK(outcome(scanner, nested(limits::json_depth_max + 1, open, close), ' ') ==
          json::errc::too_deep);
  }
}

TEST_CASE("json scanner agrees with a plain recognizer on damaged JSON", "[json][scan]") {
  json::scanner scanner;
  simdjson::dom::parser dom;
  generator texts(20'261'121);
  std::size_t valid_count = 0;
  constexpr std::size_t rounds = 20'000;
  for (std::size_t i = 0; i < rounds; ++i) {
    const std::string text = texts.next();
    const bool utf8 = simdjson::validate_utf8(text);
    const bool expected = utf8 && recognizer(text).run();
    const padded input(text, text.empty() ? ' ' : text.back());
    const auto found = scanner.validate(input.view());
    INFO("round " << i << ": " << text);
    REQUIRE(found.has_value() == expected);
    // simdjson's own parser is stricter about the values of numbers and surrogates only.
    const auto code = dom.parse(text).error();
    if (code == simdjson::SUCCESS)
      REQUIRE(expected);
    if (expected && code != simdjson::SUCCESS)
      REQUIRE((code == simdjson::NUMBER_ERROR || code == simdjson::STRING_ERROR));
    valid_count += expected ? 1 : 0;
  }
  // Both outcomes must be well represented, or the comparison shows little.
  CHECK(valid_count > rounds / 10);
  CHECK(valid_count < rounds * 9 / 10);
}
