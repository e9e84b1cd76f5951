#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "schema/schema.hpp"
#include "json/scan.hpp"
#include "json/walk.hpp"

using namespace nexus;
using namespace nexus::schema;
using Catch::Matchers::Contains;

namespace {

/// A JSON text with the slice of it.
struct document {
  explicit document(std::string given) : text(std::move(given)) {
    json::ensure_padding(text);
    json::scanner scanner;
    const auto scanned = scanner.validate(text);
    INFO(text);
    REQUIRE(scanned);
    value = *scanned;
  }
  document(const document&) = delete;
  document& operator=(const document&) = delete;
  std::string text;
  json::slice value;
};

std::shared_ptr<const compiled> make(const std::string& schema) {
  const document d(schema);
  return compiled::make(d.value);
}

verdict check(const std::string& schema, const std::string& value) {
  const document d(value);
  return make(schema)->check(d.value);
}

bool valid(const std::string& schema, const std::string& value) {
  return check(schema, value).what == verdict::state::valid;
}

struct row {
  std::string schema;
  std::vector<std::string> good, bad;
};

void check_rows(const std::vector<row>& rows) {
  for (const row& r : rows) {
    for (const std::string& value : r.good) {
      INFO(r.schema << " with " << value);
      CHECK(check(r.schema, value).what == verdict::state::valid);
    }
    for (const std::string& value : r.bad) {
      INFO(r.schema << " with " << value);
      const verdict got = check(r.schema, value);
      CHECK(got.what == verdict::state::invalid);
      CHECK_FALSE(got.violations.empty());
    }
  }
}

} // namespace

TEST_CASE("schema checks types and values", "[schema]") {
  check_rows({
      {"true", {"1", "null"}, {}},
      {"false", {}, {"1", "{}"}},
      {"{}", {"1", "[]"}, {}},
      {R"({"type":"integer"})", {"1", "1.0", "-3", "1e3"}, {"1.5", "\"1\"", "true", "null"}},
      {R"({"type":"number"})", {"1", "1.5"}, {"\"1\"", "[]"}},
      {R"({"type":["string","null"]})", {"\"\"", "null"}, {"0", "{}"}},
      {R"({"type":"boolean"})", {"true"}, {"0"}},
      {R"({"enum":["a",1,{"b":[1.0,2]}]})", {"\"a\"", "1.0", R"({"b":[1,2]})"}, {"\"A\"", "2"}},
      {R"({"const":{"a":1,"b":2}})", {R"({"b":2,"a":1})"}, {R"({"a":1})"}},
      {R"({"enum":["caf\u00e9"]})", {"\"caf\xc3\xa9\""}, {"\"cafe\""}},
  });
}

TEST_CASE("schema checks numbers and strings", "[schema]") {
  check_rows({
      {R"({"minimum":1,"maximum":3})", {"1", "3", "\"x\""}, {"0.99", "3.01", "1e400"}},
      {R"({"exclusiveMinimum":1,"exclusiveMaximum":3})", {"2", "1.01"}, {"1", "3"}},
      {R"({"minimum":1,"exclusiveMinimum":true})", {"2"}, {"1"}},
      {R"({"multipleOf":0.1})", {"0.3", "7"}, {"0.35"}},
      {R"({"multipleOf":0})", {"1"}, {}},
      {R"({"minLength":2,"maxLength":3})",
       {"\"ab\"", "\"\xc3\xa4\xc3\xb6\xc3\xbc\"", "1"},
       {"\"a\"", "\"abcd\"", "\"\xf0\x9f\x98\x80\""}},
      {R"({"pattern":"^[a-z]+$"})", {"\"abc\"", "3"}, {"\"aBc\"", "\"\""}},
      {R"({"pattern":"b"})", {"\"abc\""}, {"\"ac\""}},
  });
}

TEST_CASE("schema checks objects", "[schema]") {
  check_rows({
      {R"({"properties":{"a":{"type":"string"}},"required":["a"]})",
       {R"({"a":"x","b":1})", "[]"},
       {"{}", R"({"a":1})"}},
      {R"({"properties":{"a":{}},"additionalProperties":false})",
       {R"({"a":1})", "{}"},
       {R"({"b":1})"}},
      {R"({"additionalProperties":{"type":"integer"}})", {R"({"x":1})"}, {R"({"x":"1"})"}},
      {R"({"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":false})",
       {R"({"x-a":"1"})"},
       {R"({"x-a":1})", R"({"y":"1"})"}},
      {R"({"propertyNames":{"maxLength":2}})", {R"({"ab":1})"}, {R"({"abc":1})"}},
      {R"({"minProperties":1,"maxProperties":2})",
       {R"({"a":1})"},
       {"{}", R"({"a":1,"b":2,"c":3})"}},
      {R"({"dependentRequired":{"a":["b"]}})", {R"({"a":1,"b":2})", R"({"b":1})"}, {R"({"a":1})"}},
      {R"({"dependencies":{"a":["b"],"c":{"required":["d"]}}})",
       {R"({"c":1,"d":1})"},
       {R"({"a":1})", R"({"c":1})"}},
      {R"({"allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false})",
       {R"({"a":1})"},
       {R"({"b":1})"}},
      {R"({"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{}}}],
           "unevaluatedProperties":false})",
       {R"({"a":1})", R"({"a":1,"b":1})"},
       {R"({"a":2})"}},
  });
}

TEST_CASE("schema checks arrays", "[schema]") {
  check_rows({
      {R"({"items":{"type":"integer"}})", {"[1,2]", "[]"}, {"[1,\"2\"]"}},
      {R"({"prefixItems":[{"type":"string"}],"items":false})",
       {"[\"a\"]", "[]"},
       {"[1]", "[\"a\",1]"}},
      {R"({"$schema":"http://json-schema.org/draft-07/schema#",
           "items":[{"type":"string"}],"additionalItems":{"type":"integer"}})",
       {"[\"a\",1]"},
       {"[\"a\",\"b\"]", "[1]"}},
      {R"({"minItems":1,"maxItems":2})", {"[1]"}, {"[]", "[1,2,3]"}},
      {R"({"uniqueItems":true})",
       {"[1,2,\"1\"]", "[[1],[2]]"},
       {"[1,1.0]", R"([{"a":1},{"a":1}])"}},
      {R"({"contains":{"const":1}})", {"[0,1]"}, {"[]", "[0]"}},
      {R"({"contains":{"const":1},"minContains":2,"maxContains":2})",
       {"[1,1,0]"},
       {"[1]", "[1,1,1]"}},
      {R"({"prefixItems":[{}],"unevaluatedItems":false})", {"[1]"}, {"[1,2]"}},
  });
}

TEST_CASE("schema combines schemas and follows references", "[schema]") {
  check_rows({
      {R"({"anyOf":[{"type":"string"},{"minimum":5}]})", {"\"a\"", "5"}, {"4"}},
      {R"({"oneOf":[{"multipleOf":2},{"multipleOf":3}]})", {"2", "3"}, {"6", "5"}},
      {R"({"not":{"type":"null"}})", {"1"}, {"null"}},
      {R"({"if":{"properties":{"a":{"const":1}},"required":["a"]},
           "then":{"required":["b"]},"else":{"required":["c"]}})",
       {R"({"a":1,"b":1})", R"({"c":1})"},
       {R"({"a":1})", "{}"}},
      {R"({"$defs":{"a/b":{"type":"string"}},"$ref":"#/$defs/a~1b"})", {"\"x\""}, {"1"}},
      {R"({"$defs":{"x":{"$anchor":"here","type":"string"}},"$ref":"#here"})", {"\"x\""}, {"1"}},
      {R"({"$id":"https://example.com/s","definitions":{"x":{"type":"string"}},
           "$ref":"https://example.com/s#/definitions/x"})",
       {"\"x\""},
       {"1"}},
      // Siblings of a reference count in 2020-12, and not in draft-07.
      {R"({"$defs":{"x":{"minimum":1}},"$ref":"#/$defs/x","maximum":2})", {"1"}, {"0", "3"}},
      {R"({"$schema":"http://json-schema.org/draft-07/schema#",
           "definitions":{"x":{"minimum":1}},"$ref":"#/definitions/x","maximum":2})",
       {"3"},
       {"0"}},
      // A tree
      {R"({"type":"object","properties":{"next":{"$ref":"#"},"v":{"type":"integer"}},
           "additionalProperties":false})",
       {R"({"next":{"next":{"v":1}}})"},
       {R"({"next":{"next":{"v":"1"}}})"}},
  });
}

TEST_CASE("schema says what is wrong so that it can be mended", "[schema]") {
  const std::string schema = R"({"type":"object","required":["city","days"],"additionalProperties":
    false,"properties":{"city":{"type":"string"},"days":{"type":"integer","maximum":7},
    "unit":{"enum":["C","F"]},"at":{"type":"array","items":{"type":"object","properties":
    {"a/b":{"type":"boolean"}}}}}})";
  const verdict got =
      check(schema, R"({"days":9,"unit":"K","town":"Oslo","at":[{},{"a/b":"yes"}]})");
  REQUIRE(got.what == verdict::state::invalid);
  const auto at = [&got](std::string_view path) {
    for (const violation& v : got.violations) {
      if (v.path == path)
        return v.expected + " | " + v.found;
    }
    return std::string("nothing");
  };
  CHECK(got.violations.size() == 5);
  CHECK(at("/city") == "a value: it is required | nothing");
  CHECK(at("/days") == "a number that is at most 7 | 9");
  CHECK(at("/unit") == R"(one of "C", "F" | "K")");
  CHECK(at("/town") == R"(no such member; there are at, city, days, unit | "Oslo")");
  CHECK(at("/at/1/a~1b") == R"(boolean | "yes")");
}

TEST_CASE("schema tells of alternatives the one that comes nearest", "[schema]") {
  const verdict scalar = check(R"({"anyOf":[{"type":"string"},{"type":"null"}]})", "1");
  REQUIRE(scalar.violations.size() == 1);
  CHECK(scalar.violations.front().expected == "string, or null");
  const verdict deep = check(
      R"({"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"type":"integer"}}}]})",
      R"({"a":"x"})");
  REQUIRE(deep.violations.size() == 1);
  CHECK(deep.violations.front().path == "/a");
}

TEST_CASE("schema enforces nothing that it cannot, and says so", "[schema]") {
  for (const std::string schema :
       {R"({"$ref":"https://example.com/other.json"})", R"({"$ref":"#/$defs/absent"})",
        R"({"pattern":"(?=a)b"})", R"({"pattern":"(a)\\1"})", R"({"$ref":7})"}) {
    INFO(schema);
    const auto made = make(schema);
    CHECK(made->notes().size() == 1);
    CHECK(made->check(document("\"zzz\"").value).what == verdict::state::valid);
  }
  // Wrong values of keywords.
  CHECK(valid(R"({"type":7,"minLength":-1,"minimum":"x","required":"a","properties":[]})", "{}"));
  // A pattern that is not enforced must not refuse what it would have named.
  CHECK(
      valid(R"x({"patternProperties":{"(?=a)":{}},"additionalProperties":false})x", R"({"a":1})"));
}

TEST_CASE("schema keeps within its bounds, whoever wrote it", "[schema]") {
  // A reference to itself, directly and around a corner.
  CHECK(check(R"({"$ref":"#"})", "1").what == verdict::state::undecided);
  CHECK(check(R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}},
                  "$ref":"#/$defs/a"})",
              "1")
            .what == verdict::state::undecided);
  // Alternatives of alternatives: two to the power of forty.
  std::string bomb = R"({"$defs":{"d0":{"const":0})";
  for (int k = 1; k <= 40; ++k) {
    const std::string below = R"({"$ref":"#/$defs/d)" + std::to_string(k - 1) + "\"}";
    bomb += ",\"d" + std::to_string(k) + R"(":{"oneOf":[)" + below + "," + below + "]}";
  }
  CHECK(check(bomb + R"(},"$ref":"#/$defs/d40"})", "0").what == verdict::state::undecided);
  // A pattern that makes backtracking engines hang.
  CHECK_FALSE(valid(R"({"pattern":"^(a+)+$"})", '"' + std::string(100'000, 'a') + "b\""));
  CHECK(make(R"({"pattern":")" + std::string(100'000, 'a') + "\"}")->notes().size() == 1);

  std::string wide = R"({"properties":{)", members = "{";
  for (std::size_t k = 0; k < 2 * limits::schema_nodes_max; ++k) {
    wide += (k > 0 ? ",\"p" : "\"p") + std::to_string(k) + R"(":{"type":"string"})";
    members += (k > 0 ? ",\"p" : "\"p") + std::to_string(k) + "\":1";
  }
  CHECK_FALSE(make(wide + "}}")->notes().empty());
  const verdict many = check(R"({"additionalProperties":{"type":"string"}})",
                             members.substr(0, members.rfind(",\"p1000\"")) + "}");
  CHECK(many.what == verdict::state::invalid);
  CHECK(many.violations.size() == limits::schema_violations_max);
  const verdict shown = check(R"({"type":"null"})", '"' + std::string(500, 'x') + '"');
  CHECK(shown.violations.front().found.size() <= limits::schema_shown_bytes);
}

TEST_CASE("schema gives examples that it accepts", "[schema]") {
  struct sample {
    std::string schema, expected;
  };
  const sample rows[] = {
      {R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},
           "required":["b"]})",
       R"({"b":1})"},
      {R"({"type":"object"})", "{}"},
      {R"({"required":["u","when"],"properties":{"u":{"format":"uri","type":"string"},
           "when":{"type":"string","format":"date"}}})",
       R"({"u":"https://example.com","when":"2025-01-31"})"},
      {R"({"type":"integer","minimum":10,"multipleOf":4})", "12"},
      {R"({"type":"number","exclusiveMinimum":2,"maximum":2.5})", "2.5"},
      {R"({"type":"string","minLength":40})", '"' + std::string(40, 'a') + '"'},
      {R"({"type":"array","minItems":2,"items":{"enum":["x","y"]}})", R"(["x","x"])"},
      {R"({"type":"integer","default":"wrong"})", "1"},
      {R"({"type":"integer","default":7})", "7"},
      {R"({"anyOf":[{"type":"null"},{"type":"string"}]})", "null"},
      {R"({"$ref":"#/$defs/x","$defs":{"x":{"const":{"a":[1]}}}})", R"({"a":[1]})"},
      {R"({"type":"object","required":["kind"],"oneOf":[{"properties":{"kind":{"const":"a"},
           "size":{"type":"boolean"}},"required":["size"]}]})",
       R"({"kind":"a","size":false})"},
  };
  for (const sample& r : rows) {
    INFO(r.schema);
    CHECK(make(r.schema)->example() == r.expected);
  }
  CHECK_FALSE(make("false")->example());
  CHECK_FALSE(
      make(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})")->example());
}

TEST_CASE("schema gives an example for each tool of the real catalogues", "[schema]") {
  // Beside the tree where there is one; the tests above hold without.
  const auto folder =
      std::filesystem::path(__FILE__).parent_path() / "../../../../shared/fleet/catalogues";
  std::error_code absent;
  if (!std::filesystem::is_directory(folder, absent)) {
    WARN("SKIPPED: there are no catalogues at " << folder.string());
    return;
  }
  std::size_t tools = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(file.path());
    const document list(std::string(std::istreambuf_iterator<char>(in), {}));
    json::slice all = list.value;
    if (const json::slice named = json::find_member(all, "tools"))
      all = named;
    for (json::element_walk e(all); e.next(); ++tools) {
      const auto made = compiled::make(json::find_member(e.value(), "inputSchema"));
      INFO(file.path().string() << ' ' << json::find_member(e.value(), "name").raw);
      // Some look ahead in a pattern for addresses.
      for (const std::string& note : made->notes())
        CHECK_THAT(note, Contains("the pattern"));
      CHECK(made->example());
      CHECK(made->check(document("7").value).what == verdict::state::invalid);
    }
  }
  CHECK(tools > 500);
}
