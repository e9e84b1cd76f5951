#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;

namespace {

/// The first finding of a text, as it is printed.
std::string first_finding(const std::string& text, const std::string& file = "f.json") {
  const loaded out = load_text(text, file, world());
  return out.findings.empty() ? "" : out.findings.front().to_string();
}

struct row {
  const char* name;
  std::string text;
  const char* expected;
};

} // namespace

TEST_CASE("syntax: the first error names its place, what was expected and a remedy",
          "[config][syntax]") {
  const row rows[] = {
      {"empty", "",
       "f.json:1:1: error: the file is empty; expected '{' "
       "(an empty configuration is {})"},
      {"only a comment", "// x\n",
       "f.json:1:1: error: the file is empty; expected '{' "
       "(an empty configuration is {})"},
      {"missing comma", "{\n  \"a\": {}\n  \"b\": {}\n}",
       "f.json:3:3: error: expected ',' or '}' after the value of \"a\", found '\"' "
       "(a comma is missing before it)"},
      {"missing comma in a list", "{\"a\": [1 2]}",
       "f.json:1:10: error: expected ',' or ']' after a value of the list, found '2'"},
      {"missing colon", "{\"a\" {}}", "f.json:1:6: error: expected ':' after key \"a\", found '{'"},
      {"equals sign", "{\"a\" = 1}", "f.json:1:6: error: expected ':' after key \"a\", found '='"},
      {"unquoted key", "{mcpServers: {}}",
       "f.json:1:2: error: expected a key in double quotes or '}', found 'mcpServers' "
       "(keys take double quotes)"},
      {"single quotes", "{'a': 1}",
       "f.json:1:2: error: expected a key in double quotes or '}', found ''' "
       "(keys take double quotes)"},
      {"single-quoted value", "{\"a\": 'x'}",
       "f.json:1:7: error: expected a value, found ''' (strings take double quotes)"},
      {"bare word", "{\"a\": yes}",
       "f.json:1:7: error: expected a value, found 'yes' "
       "(strings take double quotes; words are true, false and null)"},
      {"wrong case", "{\"a\": True}",
       "f.json:1:7: error: expected a value, found 'True' "
       "(strings take double quotes; words are true, false and null)"},
      {"word runs on", "{\"a\": nullx}",
       "f.json:1:7: error: expected a value, found 'nullx' "
       "(strings take double quotes; words are true, false and null)"},
      {"missing value", "{\"a\": }", "f.json:1:7: error: expected a value, found '}'"},
      {"double comma", "{\"a\": 1,, \"b\": 2}",
       "f.json:1:9: error: expected a key in double quotes or '}', found ',' "
       "(remove the extra comma)"},
      {"leading comma", "{\"a\": [,1]}",
       "f.json:1:8: error: expected a value, found ',' (remove the extra comma)"},
      {"open string", "{\"a\": \"x\n}",
       "f.json:1:7: error: this string is not closed on its line (end it with \")"},
      {"open string at the end", "{\"a\": \"x",
       "f.json:1:7: error: this string is not closed on its line (end it with \")"},
      {"tab in a string", "{\"a\": \"x\ty\"}",
       "f.json:1:9: error: a control character stands in a string "
       "(write it as an escape, a tab as \\t)"},
      {"Windows path", "{\"a\": \"C:\\Users\"}",
       "f.json:1:10: error: unknown escape in a string (write a backslash as \\\\)"},
      {"short unicode escape", "{\"a\": \"\\u12\"}",
       "f.json:1:8: error: \\u is not followed by four hex digits"},
      {"lone surrogate", "{\"a\": \"\\uD83D x\"}",
       "f.json:1:8: error: half of a surrogate pair stands alone in a string"},
      {"lone low surrogate", "{\"a\": \"\\uDE00\"}",
       "f.json:1:8: error: half of a surrogate pair stands alone in a string"},
      {"open object", "{\n  \"a\": {\n    \"b\": 1\n",
       "f.json:4:1: error: expected ',' or '}' after the value of \"b\", found the end of the file "
       "(the '{' of line 2, column 8 is still open)"},
      {"open list", "{\"a\": [",
       "f.json:1:8: error: expected a value or ']', found the end of the "
       "file (the '[' of line 1, column 7 is still open)"},
      {"only a brace", "{",
       "f.json:1:2: error: expected a key or '}', found the end of the file "
       "(the '{' of line 1, column 1 is still open)"},
      {"wrong bracket", "{\"a\": [1}",
       "f.json:1:9: error: expected ',' or ']' after a value of the list, found '}'"},
      {"text behind the end", "{} x",
       "f.json:1:4: error: expected the end of the file, found 'x' (one file holds one JSON "
       "object)"},
      {"open comment", "{ /* x", "f.json:1:3: error: this comment is not closed (end it with */)"},
      {"hash comment", "{\n# x\n}",
       "f.json:2:1: error: '#' does not begin a comment here (comments are // and /* */)"},
      {"leading zero", "{\"a\": 01}",
       "f.json:1:7: error: expected a number, found something like one "
       "(JSON numbers look like 10, -2 or 1.5e3; sizes and times with a unit are strings)"},
      {"number with a unit", "{\"a\": 10s}",
       "f.json:1:7: error: expected a number, found something like one "
       "(JSON numbers look like 10, -2 or 1.5e3; sizes and times with a unit are strings)"},
      {"plus sign", "{\"a\": +1}",
       "f.json:1:7: error: expected a value, found '+' (numbers begin with a digit or '-')"},
      {"duplicate key", "{\"a\": 1,\n\n \"b\": 2,\n \"a\": 3}",
       "f.json:4:2: error: key \"a\" stands twice in one object, first in line 1 "
       "(remove or rename one of them)"},
      {"duplicate server", "{\"mcpServers\": {\"x\": {\"command\": \"c\"},\n\"x\": {}}}",
       "f.json:2:1: error: key \"x\" stands twice in one object, first in line 1 "
       "(remove or rename one of them)"},
      {"not UTF-8", "{\"a\": \"\xFF\"}",
       "f.json:1:8: error: expected UTF-8, found a byte that is not (save the file as UTF-8)"},
      {"UTF-16", std::string("\xFF\xFE{\0}\0", 6),
       "f.json:1:1: error: expected UTF-8, found a byte that is not (save the file as UTF-8)"},
      {"overlong UTF-8", "{\"a\": \"\xC0\x80\"}",
       "f.json:1:8: error: expected UTF-8, found a byte that is not (save the file as UTF-8)"},
      {"NUL", std::string("{\0}", 3),
       "f.json:1:2: error: expected a key in double quotes or '}', found a control character"},
      {"columns count code points", "{\"\xC3\xA9\xE2\x82\xAC\": x}",
       "f.json:1:8: error: expected a value, found 'x' "
       "(strings take double quotes; words are true, false and null)"},
      {"a list", "[1]", "f.json:1:1: error: expected an object with \"mcpServers\", found a list"},
      {"huge number", "{\"mcpServers\": {}, \"workers\": 1e999}",
       "f.json:1:31: error: '1e999' is not a number."},
  };
  for (const row& entry : rows) {
    CAPTURE(entry.name, entry.text);
    CHECK(first_finding(entry.text) == entry.expected);
    CHECK_FALSE(load_text(entry.text, "f.json", world()).value.has_value());
  }
}

TEST_CASE("syntax: a key that differs by an escape only is a duplicate", "[config][syntax]") {
  const loaded out = load_text("{\"mcpServers\": {}, \"mcpS\\u0065rvers\": {}}", "f.json", world());
  CHECK_FALSE(out.value.has_value());
}

TEST_CASE("syntax: comments and trailing commas stand everywhere", "[config][syntax]") {
  const gateway value =
      must_load("\xEF\xBB\xBF/* a */ { // b\n /**/ \"mcpServers\" /* c */ : // d\n"
                "{ \"s\": { \"command\": \"c // no comment\", \"args\": [ \"a\", // e\n"
                " /* f */ ], \"env\": { \"K\": \"/* v */\", /* g */ } , // h\n },\n}, // i\n"
                "/* j */ } // k");
  REQUIRE(value.servers.size() == 1);
  CHECK(value.servers[0].argv == std::vector<std::string>{"c // no comment", "a"});
  CHECK(value.servers[0].env.at("K") == "/* v */");
  CHECK(value.servers[0].position.line == 3);
  CHECK(value.servers[0].position.column == 3);
}

TEST_CASE("syntax: escapes are decoded", "[config][syntax]") {
  const server value = one_server(R"({"command": "a\"\\\/\b\f\n\r\té\uD83D\uDE00b"})");
  CHECK(value.argv.front() == "a\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x98\x80"
                              "b");
}

TEST_CASE("syntax: depth is bounded", "[config][syntax]") {
  const auto nested = [](std::size_t depth) {
    return "{\"mcpServers\": {}, \"_x\": " + std::string(depth, '[') + std::string(depth, ']') +
           "}";
  };
  CHECK(load_text(nested(120), "f.json", world()).value.has_value());
  CHECK(first_finding(nested(100'000)) == "f.json:1:154: error: nested deeper than 128 levels");
}

TEST_CASE("syntax: one long line with many servers is read in linear time", "[config][syntax]") {
  std::string text = "{\"mcpServers\": {";
  for (int i = 0; i < 20'000; ++i) {
    text += (i == 0 ? "\"s" : ",\"s") + std::to_string(i) + "\": {\"command\": \"c\"}";
  }
  const gateway value = must_load(text + "}}");
  REQUIRE(value.servers.size() == 20'000);
  CHECK(value.servers.back().name == "s19999");
}

TEST_CASE("syntax: TOML errors have a place", "[config][syntax][toml]") {
  const loaded out = load_text("[mcp_servers.a]\ncommand = \"x\"\nargs = [1,\n", "c.TOML", world());
  REQUIRE(out.findings.size() == 1);
  CHECK_FALSE(out.value.has_value());
  CHECK(out.findings[0].position.line >= 3);
  CHECK(out.findings[0].hint == "the file is read as TOML because its name ends in .toml");
  const loaded twice =
      load_text("[mcp_servers.a]\ncommand='x'\n[mcp_servers.a]\n", "c.toml", world());
  REQUIRE(twice.findings.size() == 1);
  CHECK(twice.findings[0].position.line == 3);
}

TEST_CASE("syntax: TOML is bounded too", "[config][syntax][toml]") {
  const auto dotted = [](std::size_t count) {
    std::string text = "a";
    for (std::size_t i = 0; i < count; ++i)
      text += ".a";
    return text + " = 1\n";
  };
  CHECK(first_finding("x = 1\n" + dotted(300), "c.toml").contains("nested deeper than 128 levels"));
  CHECK(first_finding("x = 1\n" + dotted(1'000'000), "c.toml") ==
        "c.toml:2:1: error: nested deeper than 128 levels");
  const loaded odd =
      load_text("[mcp_servers]\n[limits]\nbodyTimeout = nan\nsessions = inf\n", "c.toml", world());
  CHECK(odd.findings.size() == 2);
}

TEST_CASE("syntax: a file that cannot be read says so", "[config][syntax]") {
  const loaded out = load_file("/nowhere/nexus.json", world());
  REQUIRE(out.findings.size() == 1);
  CHECK_FALSE(out.value.has_value());
  CHECK(out.findings[0].to_string() ==
        "/nowhere/nexus.json: error: the configuration cannot be read "
        "(-c names another file; it is at most 32MiB)");
}

TEST_CASE("environment: the process's own is read", "[config][environment]") {
  const environment env = environment::of_process();
  CHECK_FALSE(env.variables.empty());
  CHECK(env.working_directory.starts_with('/'));
  REQUIRE(env.read_file);
  CHECK(env.read_file((folder() / "samples" / "bare_map.json").string()) ==
        sample("bare_map.json"));
  CHECK_FALSE(env.read_file(folder().string()));
  CHECK_FALSE(env.read_file("/nonexistent/file"));
  const loaded out = load_file((folder() / "samples" / "bare_map.json").string(), env);
  CHECK(out.value.has_value());
}
