#include <catch2/catch.hpp>

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "catalog/uri_template.hpp"
#include "tests/support/uri_expander.hpp"

namespace nexus::catalog {
namespace {

uri_template parsed(std::string_view text) {
  auto made = uri_template::parse(text);
  CAPTURE(text);
  REQUIRE(made);
  return std::move(*made);
}

struct row {
  std::string pattern;
  std::vector<std::string> yes, no;
};

const std::vector<row>& rows() {
  static const std::vector<row> table{
      // literals
      {"", {""}, {"a"}},
      {"a", {"a"}, {"", "b", "aa", "A"}},
      {"file:///etc/hosts", {"file:///etc/hosts"}, {"file:///etc/host", "file:///etc/hosts/"}},
      {"x://caf\xC3\xA9", {"x://caf\xC3\xA9", "x://caf%C3%A9", "x://caf%c3%a9"}, {"x://cafe"}},
      {"x://a b", {"x://a b", "x://a%20b"}, {"x://a+b", "x://ab"}},
      {"x://%7euser", {"x://~user", "x://%7Euser"}, {"x://%7user"}},
      {"x://100%", {"x://100%", "x://100%25"}, {"x://100", "x://100%2"}},
      // simple
      {"x://{id}",
       {"x://", "x://1", "x://a,b", "x://a%2Fb", "x://a b", "x://\xC3\xA9", "x://%", "x://a:b@c"},
       {"x:/", "x://a/b", "x://a?b", "x://a#b", "y://a", ""}},
      {"x://{id}/data", {"x://1/data", "x:///data"}, {"x://1/dat", "x://1/data/", "x://1/2/data"}},
      {"x://{a}/{b}", {"x://1/2", "x:///"}, {"x://1", "x://1/2/3"}},
      {"x://{a}-{b}", {"x://1-2", "x://1-2-3", "x://-"}, {"x://12", "x://1/-2"}},
      {"x://{a,b}", {"x://1,2", "x://1"}, {"x://1/2"}},
      {"x://{a*}", {"x://1,2,3", "x://k=v,l=w"}, {"x://1/2"}},
      {"x://{a}{b}c", {"x://c", "x://12c", "x://cc"}, {"x://12", "x://1/c"}},
      {"{a}b{c}b{d}", {"bb", "abcbd", "bbbb"}, {"b", "ab", "/bb", "bb/", "b/b"}},
      {"{x.y}", {"a"}, {"a/"}},
      {"{user-id}.json", {"7.json", ".json", "a.json.json"}, {"7.jso", "a/b.json"}},
      {"{%41b}", {"a"}, {"/"}},
      // a prefix of a value: characters, not bytes
      {"x://{a:3}",
       {"x://", "x://a", "x://abc", "x://%C3%A9%C3%A9%C3%A9", "x://\xC3\xA9z%20"},
       {"x://abcd", "x://%C3%A9%C3%A9%C3%A9%C3%A9", "x://a/b"}},
      {"{a:1}/{a}", {"/", "v/value", "%25/%25"}, {"va/value", "%25%25/x"}},
      {"{a:2}{b:2}", {"", "1234", "12"}, {"12345"}},
      {"{a:9999}", {"a", std::string(8'000, 'a')}, {"/"}},
      // reserved
      {"file:///{+path}",
       {"file:///", "file:///a", "file:///a/b/c", "file:///a?b#c", "file:///%2F"},
       {"file://", "file:/"}},
      {"{+a}/x/{+b}", {"/x/", "a/b/x/c/x/d", "/x//x/"}, {"x", "/x", "x/"}},
      {"{+a}x{+b}y", {"xy", "1x2y", "xyxy"}, {"yx", "xyx", ""}},
      {"{+a:2}", {"/a", "/", ""}, {"/ab"}},
      {"x{+a,b}", {"x1,2", "x/a,/b"}, {"y"}},
      // fragment
      {"x://d{#part}", {"x://d", "x://d#", "x://d#a/b?c"}, {"x://da", "x://d/#"}},
      // labels
      {"www{.dom*}", {"www", "www.example.org", "www.", "www.a,b"}, {"wwwx", "www.a/b"}},
      {"x{.a,b}", {"x.1.2", "x.1", "x"}, {"x1"}},
      {"x{.a:2}", {"x.ab", "x."}, {"x.abc"}},
      // path segments
      {"x:{/a}", {"x:", "x:/", "x:/1"}, {"x:1", "x:/1/2", "x:/1?2"}},
      {"x:{/a,b}", {"x:", "x:/1", "x:/1/2", "x://"}, {"x:/1/2/3"}},
      {"x:{/a*}", {"x:", "x:/1", "x:/1/2/3/4", "x:/k=v"}, {"x:1", "x:/1?2"}},
      {"x:{/a:1,a}", {"x:/v/value", "x:/v"}, {"x:/va/value/x"}},
      {"x:{/a*,b}/end", {"x:/end", "x:/1/2/end"}, {"x:end", "x:/1/2"}},
      // parameters
      {"x{;a,b}", {"x", "x;a=1;b=2", "x;a;b", "x;b=2;a=1", "x;a="}, {"x;c=1", "xa=1", "x;a=1/"}},
      {"x{;a*}", {"x;p=1;q=2", "x"}, {"x;p=1/"}},
      // query
      {"db://{t}{?limit,offset}",
       {"db://users", "db://users?limit=5", "db://users?limit=5&offset=2",
        "db://users?offset=2&limit=5", "db://users?limit=", "db://users?limit",
        "db://users?limit=a/b?c=d"},
       {"db://users?", "db://users?lim=5", "db://users?limit=5&", "db://users?limit=5&x=1",
        "db://users?limit=5#x", "db://users?limits=5", "db://users?limit5"}},
      {"x{?ab,a,abc}", {"x?a=1&ab=2&abc=3", "x?abc=1"}, {"x?abcd=1", "x?b=1"}},
      {"x{?a:2}", {"x?a=12", "x?a=", "x?a=%20%20"}, {"x?a=123"}},
      {"x{?a*}", {"x", "x?", "x?k=v&l=w"}, {"x?k#v", "xk=v"}},
      {"x?fixed=1{&a,b}",
       {"x?fixed=1", "x?fixed=1&a=2", "x?fixed=1&b=2&a=3"},
       {"x?fixed=1?a=2", "x?fixed=1&c=2"}},
      {"x{?caf%C3%A9}", {"x?caf%C3%A9=1", "x?caf\xC3\xA9=1"}, {"x?cafe=1"}},
      {"x{?a}z", {"xz", "x?a=1z", "x?az", "x?a=zz"}, {"x?a=1"}},
      {"x{?a}{&b}", {"x?a=1&b=2", "x&b=2", "x"}, {"x?b=2"}},
      // what servers of the field have
      {"test://template/{id}/data", {"test://template/42/data"}, {"test://template/42"}},
      {"repo://{owner}/{repo}/contents{/path*}",
       {"repo://a/b/contents", "repo://a/b/contents/c/d.md"},
       {"repo://a/contents", "repo://a/b/contentsx"}},
      {"ui://{+rest}", {"ui://a/b"}, {"uj://a/b"}},
  };
  return table;
}

TEST_CASE("uri_template matches what its expansions are, and little else", "[catalog][uri]") {
  for (const row& r : rows()) {
    const uri_template pattern = parsed(r.pattern);
    for (const auto& uri : r.yes) {
      CAPTURE(r.pattern, uri);
      CHECK(pattern.matches(uri));
    }
    for (const auto& uri : r.no) {
      CAPTURE(r.pattern, uri);
      CHECK_FALSE(pattern.matches(uri));
    }
  }
}

TEST_CASE("uri_template refuses what RFC 6570 does not know", "[catalog][uri]") {
  for (const std::string_view bad :
       {"{",      "}",         "a{",    "a}",     "{a",         "a}b",   "{}",     "{{a}}",
        "{a}}",   "{a{b}}",    "{+}",   "{,}",    "{a,}",       "{,a}",  "{a,,b}", "{=a}",
        "{!a}",   "{@a}",      "{|a}",  "{,a}",   "{$a}",       "{-a}",  "{ a}",   "{a }",
        "{a b}",  "{a/b}",     "{.a.}", "{a..b}", "{a.}",       "{..a}", "{a:}",   "{a:0}",
        "{a:01}", "{a:10000}", "{a:x}", "{a:1*}", "{a*:1}",     "{a**}", "{*}",    "{:1}",
        "{%}",    "{%4}",      "{%4g}", "{a%}",   "{\xC3\xA9}", "{?}",   "{?*}",   "{++a}"}) {
    CAPTURE(bad);
    const auto made = uri_template::parse(bad);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == std::errc::invalid_argument);
    CHECK_FALSE(made.error().message.empty());
  }
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += text;
  return out;
}

TEST_CASE("uri_template holds its limits", "[catalog][uri]") {
  const auto code = [](const std::string& text) {
    const auto made = uri_template::parse(text);
    return made ? std::error_code{} : made.error().code;
  };
  CHECK_FALSE(code(std::string(limits::resource_uri_bytes_max, 'a')));
  CHECK(code(std::string(limits::resource_uri_bytes_max + 1, 'a')) == std::errc::value_too_large);
  CHECK_FALSE(code(repeated("{a}/", limits::uri_template_expressions_max)));
  CHECK(code(repeated("{a}/", limits::uri_template_expressions_max + 1)) ==
        std::errc::value_too_large);
  CHECK_FALSE(code("{" + repeated("a,", limits::uri_template_variables_max - 1) + "a}"));
  CHECK(code("{" + repeated("a,", limits::uri_template_variables_max) + "a}") ==
        std::errc::value_too_large);
  const uri_template any = parsed("{+a}");
  CHECK(any.matches(std::string(limits::resource_uri_bytes_max, 'a')));
  CHECK(any.matches(std::string(limits::resource_uri_bytes_max, ' ')));
  CHECK_FALSE(any.matches(std::string(limits::resource_uri_bytes_max + 1, 'a')));
}

// A matcher that backtracks takes longer than the universe for any of these.
TEST_CASE("uri_template takes linear time for hostile pairs", "[catalog][uri]") {
  const std::string longest(limits::resource_uri_bytes_max, 'a');
  for (const std::string& each : {std::string{"{+x}a"}, std::string{"{x}aa"}, std::string{"{/x*}a"},
                                  std::string{"{x:5}{y:5}a"}, std::string{"{?a}{&a}"}}) {
    const auto pattern =
        uri_template::parse(repeated(each, limits::uri_template_expressions_max / 2) + "b");
    REQUIRE(pattern);
    CHECK_FALSE(pattern->matches(longest));
    CHECK_FALSE(pattern->matches(longest + "b"));
    CHECK_FALSE(pattern->matches(repeated("&a", limits::resource_uri_bytes_max / 2)));
    CHECK_FALSE(pattern->matches(repeated("%41", limits::resource_uri_bytes_max / 3)));
  }
}

TEST_CASE("uri_templates are ordered by how much they say", "[catalog][uri]") {
  // Each line is more specific than those below it.
  const std::vector<std::string> ordered{"db://tables/users/{id}",
                                         "db://tables/{t}/{id}",
                                         "db://tables/{t}",
                                         "db://tables/{+t}",
                                         "db://{t}/{id}",
                                         "db://{t}",
                                         "db://{t}{?limit}",
                                         "{scheme}://{rest}",
                                         "{+scheme}://",
                                         "{any}",
                                         "{+any}"};
  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t k = 0; k < ordered.size(); ++k) {
      CAPTURE(ordered[i], ordered[k]);
      CHECK(parsed(ordered[i]).more_specific_than(parsed(ordered[k])) == (i < k));
    }
}

TEST_CASE("template_table finds the most specific template", "[catalog][uri]") {
  std::vector<template_table::entry> entries;
  for (const std::string_view text : {"{+any}", "db://{t}", "db://{table}", "db://users{?limit}",
                                      "db://{t}{?limit}", "file:///{+path}", "file:///etc/{name}"})
    entries.push_back({parsed(text), static_cast<std::uint32_t>(entries.size())});
  const template_table table(std::move(entries));
  CHECK(table.size() == 7);
  CHECK(table.find("db://orders") == 1U); // equally specific: the first
  CHECK(table.find("db://users") == 3U);
  CHECK(table.find("db://users?limit=1") == 3U);
  CHECK(table.find("db://orders?limit=1") == 4U);
  CHECK(table.find("file:///etc/hosts") == 6U);
  CHECK(table.find("file:///etc/ssh/config") == 5U);
  CHECK(table.find("file:///%65tc/hosts") == 6U);
  CHECK(table.find("anything") == 0U);
  CHECK(table.find("") == 0U);
  CHECK(table.find(std::string(limits::resource_uri_bytes_max, ' ')) == 0U);
  CHECK_FALSE(table.find(std::string(limits::resource_uri_bytes_max + 1, 'a')));
  CHECK_FALSE(template_table{}.find("anything"));
}

TEST_CASE("template_table gives up on a URI that costs too much", "[catalog][uri]") {
  const std::string costly = repeated("{+x}a", limits::uri_template_expressions_max) + "b";
  std::vector<template_table::entry> entries(1'000, {parsed(costly), 1});
  entries.push_back({parsed("{+last}"), 2});
  const template_table table(std::move(entries));
  CHECK(table.find("aab") == 2U);
  CHECK_FALSE(table.find(std::string(limits::resource_uri_bytes_max, 'a')));
}

// Whatever a client expands by the rules is found again.
TEST_CASE("uri_template matches every expansion of itself", "[catalog][uri]") {
  std::mt19937 random(20261121); // a fixed seed: the test is the same each time
  const auto below = [&random](std::size_t bound) { return std::size_t{random()} % bound; };
  static constexpr std::string_view operators("\0+#./;?&", 8);
  const std::array<std::string_view, 9> values{
      "", "a", "value", "a/b", "50%", "a b", "\xC3\xA9\xC3\xA9t\xC3\xA9", "a=b&c;d", "%2F#?"};
  const std::array<std::string_view, 6> literals{"", "x://", "/", "-", "a b", "\xC3\xA9"};
  for (int round = 0; round < 20'000; ++round) {
    std::vector<test::piece> pieces;
    for (std::size_t i = below(4) + 1; i > 0; --i) {
      test::piece made;
      made.literal = literals[below(literals.size())];
      made.operator_symbol = operators[below(operators.size())];
      for (std::size_t k = below(3) + 1; k > 0; --k) {
        test::variable v;
        v.name = std::string(1, static_cast<char>('a' + below(3)));
        const std::size_t modifier = below(4);
        v.exploded = modifier == 0;
        v.prefix = modifier == 1 ? below(5) + 1 : 0;
        for (std::size_t n = v.prefix != 0 ? below(2) : below(4); n > 0; --n)
          v.values.emplace_back(values[below(values.size())]);
        made.variables.push_back(v);
      }
      pieces.push_back(made);
    }
    const std::string text = test::template_text(pieces), uri = test::expansion(pieces);
    CAPTURE(text, uri);
    const auto made = uri_template::parse(text);
    REQUIRE(made);
    REQUIRE(made->matches(uri));
  }
}

} // namespace
} // namespace nexus::catalog
