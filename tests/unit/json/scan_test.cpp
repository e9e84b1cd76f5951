#include <csignal>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "tests/unit/json/padded.hpp"
#include "json/scan.hpp"

using namespace nexus;
using json::kind;
using json::test::padded;

namespace {

/// Writes down every callback. Enters the objects under the keys that start with "in".
class recorder final : public json::visitor {
 public:
  step on_key(unsigned depth, std::string_view key, kind) override {
    log.push_back("key " + std::to_string(depth) + " " + std::string(key));
    if (key == "refused")
      return step::refuse;
    return key.starts_with("in") ? step::enter : step::take;
  }
  void on_member(unsigned depth, const json::member& found) override {
    log.push_back("member " + std::to_string(depth) + " " + std::string(found.key) + " <" +
                  std::string(found.value.raw) + "> <" + std::string(found.span) + ">");
    types.push_back(found.value.type);
  }

  std::vector<std::string> log;
  std::vector<kind> types;
};

class collector final : public json::element_sink {
 public:
  bool on_element(std::size_t index, json::slice value) override {
    CHECK(index == elements.size());
    elements.emplace_back(value.raw);
    return elements.size() < stop_after;
  }
  std::vector<std::string> elements;
  std::size_t stop_after = SIZE_MAX;
};

std::error_code scan_code(std::string_view text) {
  json::scanner scanner;
  recorder seen;
  const padded input(text);
  const auto result = scanner.scan_object(input.view(), seen);
  return result ? std::error_code{} : result.error().code;
}

std::string object_of(std::size_t members) {
  std::string text = "{";
  for (std::size_t i = 0; i < members; ++i)
    text += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":" + std::to_string(i);
  return text + "}";
}

} // namespace

TEST_CASE("json scanner reports members with exact ranges", "[json][scan]") {
  json::scanner scanner;
  recorder seen;
  const padded input("  { \"a\" : 1 ,\n\"b\":\"x\\\"y\" , \"c\": [ 1 , 2 ] ,\"d\" :{ \"e\":null } "
                     ",\"f\":true ,\"g\":null\t,\"h\":-1.50e+7 }  ");
  REQUIRE(scanner.scan_object(input.view(), seen));
  CHECK(seen.log == std::vector<std::string>{"key 0 a", "member 0 a <1> <\"a\" : 1>", "key 0 b",
                                             "member 0 b <\"x\\\"y\"> <\"b\":\"x\\\"y\">",
                                             "key 0 c", "member 0 c <[ 1 , 2 ]> <\"c\": [ 1 , 2 ]>",
                                             "key 0 d",
                                             "member 0 d <{ \"e\":null }> <\"d\" :{ \"e\":null }>",
                                             "key 0 f", "member 0 f <true> <\"f\":true>", "key 0 g",
                                             "member 0 g <null> <\"g\":null>", "key 0 h",
                                             "member 0 h <-1.50e+7> <\"h\":-1.50e+7>"});
  CHECK(seen.types == std::vector{kind::number, kind::string, kind::array, kind::object,
                                  kind::boolean, kind::null, kind::number});
}

TEST_CASE("json scanner enters objects and then reports them whole", "[json][scan]") {
  json::scanner scanner;
  recorder seen;
  const padded input(R"({"in":{"in2":{},"x":{"in":1}},"inner":[{"a":1}]})");
  REQUIRE(scanner.scan_object(input.view(), seen));
  CHECK(seen.log ==
        std::vector<std::string>{
            "key 0 in", "key 1 in2", "member 1 in2 <{}> <\"in2\":{}>", "key 1 x",
            "member 1 x <{\"in\":1}> <\"x\":{\"in\":1}>",
            "member 0 in <{\"in2\":{},\"x\":{\"in\":1}}> <\"in\":{\"in2\":{},\"x\":{\"in\":1}}>",
            "key 0 inner", "member 0 inner <[{\"a\":1}]> <\"inner\":[{\"a\":1}]>"});
}

TEST_CASE("json scanner keeps numbers that no C++ type holds", "[json][scan]") {
  json::scanner scanner;
  for (const std::string number : {"123456789012345678901234567890", "0.1000000000000000055511151",
                                   "1e400", "-0", "-1E-999999", "100000000000000000000.00"}) {
    recorder seen;
    const padded input("{\"a\":" + number + "}");
    REQUIRE(scanner.scan_object(input.view(), seen));
    CHECK(seen.log.back() == "member 0 a <" + number + "> <\"a\":" + number + ">");
  }
}

TEST_CASE("json scanner hands out unescaped keys", "[json][scan]") {
  json::scanner scanner;
  recorder seen;
  const padded input(R"({"\u0061\n\ud83d\ude00":1,"\ud800":2,"i\u006e":{"b\/":3}})");
  REQUIRE(scanner.scan_object(input.view(), seen));
  CHECK(seen.log[0] == "key 0 a\n\xf0\x9f\x98\x80");
  CHECK(seen.log[2] == "key 0 \xef\xbf\xbd");
  CHECK(seen.log[6] == R"(member 1 b/ <3> <"b\/":3>)");
}

TEST_CASE("json scanner refuses duplicate keys in entered objects only", "[json][scan]") {
  const auto duplicate = make_error_code(json::errc::duplicate_key);
  CHECK(scan_code(R"({"a":1,"a":1})") == duplicate);
  CHECK(scan_code(R"({"a":1,"b":2,"a":3})") == duplicate);
  CHECK(scan_code(R"({"":1,"":2})") == duplicate);
  CHECK(scan_code(R"({"in":{"b":1,"b":2}})") == duplicate);
  CHECK(scan_code(R"({"in":{"b":1},"in":{}})") == duplicate);
  CHECK(scan_code(R"({"params":1,"p\u0061rams":2})") == duplicate);
  CHECK(scan_code(R"({"p\u0061rams":1,"params":2})") == duplicate);
  CHECK(scan_code(R"({"\u0061":1,"\u0061":2})") == duplicate);
  CHECK(scan_code(R"({"\/":1,"/":2})") == duplicate);
  CHECK(scan_code("{\"\\u00e9\":1,\"\xc3\xa9\":2}") == duplicate);
  CHECK(scan_code(R"({"x":{"b":1,"b":2}})") == std::error_code{});
  CHECK(scan_code(R"({"a":1,"A":2,"aa":3})") == std::error_code{});
  CHECK(scan_code(R"({"a":1,"in":{"a":1,"in":{"a":1}},"b":1})") == std::error_code{});
  CHECK(scan_code(R"({"in":{"b":1},"b":1})") == std::error_code{});
}

TEST_CASE("json scanner bounds the members of entered objects", "[json][scan]") {
  const auto max = limits::envelope_members_max;
  CHECK(scan_code(object_of(max)) == std::error_code{});
  CHECK(scan_code(object_of(max + 1)) == json::errc::too_many_members);
  CHECK(scan_code("{\"in\":" + object_of(max + 1) + "}") == json::errc::too_many_members);
  CHECK(scan_code("{\"x\":" + object_of(max + 1) + "}") == std::error_code{});
}

TEST_CASE("json scanner tells what is wrong with the root", "[json][scan]") {
  CHECK(scan_code("[]") == json::errc::wrong_type);
  CHECK(scan_code("\"{}\"") == json::errc::wrong_type);
  CHECK(scan_code("null") == json::errc::wrong_type);
  CHECK(scan_code("[1,") == json::errc::malformed);
  CHECK(scan_code("nul") == json::errc::malformed);
  CHECK(scan_code("[] []") == json::errc::malformed);
  CHECK(scan_code("{} {}") == json::errc::malformed);
  CHECK(scan_code("") == json::errc::malformed);
  CHECK(scan_code("\xef\xbb\xbf{}") == json::errc::malformed);
  CHECK(scan_code(R"({"a":1,"refused":2,"b":})") == json::errc::refused);
}

TEST_CASE("json scanner validates what it does not enter", "[json][scan]") {
  for (const char* value :
       {"[1,]", "{\"b\":}", "tru", "\"\\x\"", "{\"b\" 1}", "01", "[[]", "\"a\"1"})
    CHECK(scan_code(std::string("{\"a\":") + value + ",\"c\":1}") == json::errc::malformed);
}

TEST_CASE("json scanner bounds the depth below entered objects", "[json][scan]") {
  const auto max = limits::json_depth_max;
  const auto arrays = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(scan_code("{\"a\":" + arrays(max - 1) + "}") == std::error_code{});
  CHECK(scan_code("{\"a\":" + arrays(max) + "}") == json::errc::too_deep);
  CHECK(scan_code("{\"in\":{\"a\":" + arrays(max - 2) + "}}") == std::error_code{});
  CHECK(scan_code("{\"in\":{\"a\":" + arrays(max - 1) + "}}") == json::errc::too_deep);
  std::string entered;
  for (std::size_t i = 0; i <= max; ++i)
    entered += "{\"in\":";
  CHECK(scan_code(entered) == json::errc::too_deep);
}

TEST_CASE("json scanner walks the elements of an array", "[json][scan]") {
  json::scanner scanner;
  collector all;
  const padded input(" [ 1 , \"a\" , { \"b\" : [ ] } , [ ] , null ] ");
  REQUIRE(scanner.scan_array(input.view(), all));
  CHECK(all.elements == std::vector<std::string>{"1", "\"a\"", "{ \"b\" : [ ] }", "[ ]", "null"});

  collector none;
  REQUIRE(scanner.scan_array(padded("[]").view(), none));
  CHECK(none.elements.empty());

  collector two;
  two.stop_after = 2;
  REQUIRE(scanner.scan_array(padded("[1,2,3,nonsense").view(), two));
  CHECK(two.elements == std::vector<std::string>{"1", "2"});

  const auto code = [&](std::string_view text) {
    collector ignored;
    return scanner.scan_array(padded(text).view(), ignored).error().code;
  };
  CHECK(code("[1,2") == json::errc::malformed);
  CHECK(code("[1,]") == json::errc::malformed);
  CHECK(code("[1] 2") == json::errc::malformed);
  CHECK(code("{}") == json::errc::wrong_type);
  CHECK(code("{} 2") == json::errc::malformed);
}

TEST_CASE("json scanner gives the exact slice of any root", "[json][scan]") {
  json::scanner scanner;
  const padded string("  \"a b\" \n");
  const auto found = scanner.validate(string.view());
  REQUIRE(found);
  CHECK(found->raw == "\"a b\"");
  CHECK(found->is(kind::string));
  CHECK(scanner.validate(padded(" [1] ").view())->type == kind::array);
}

TEST_CASE("json scanner works again after every outcome", "[json][scan]") {
  json::scanner scanner;
  const padded good("{\"in\":{\"\\u0061\":1}}");
  const std::string large = "{\"in\":\"" + std::string(5 * 1024 * 1024, 'x') + "\"}";
  const padded large_input(large);
  for (const char* bad :
       {"{\"in\":{\"a\":1,\"a\"", "{\"in\":{\"refused\":1", "", "[", "{\"in\":{"}) {
    recorder seen;
    CHECK_FALSE(scanner.scan_object(padded(bad).view(), seen));
    recorder again;
    CHECK(scanner.scan_object(good.view(), again));
    CHECK(again.log.size() == 4);
  }
  recorder seen;
  REQUIRE(scanner.scan_object(large_input.view(), seen));
  CHECK(scanner.scan_object(good.view(), seen));
  json::scanner moved = std::move(scanner);
  CHECK(moved.scan_object(good.view(), seen));
}

TEST_CASE("json scanner stops the program when a callback uses it again", "[json][scan]") {
  class nesting final : public json::element_sink {
   public:
    explicit nesting(json::scanner& scanner) : scanner_(scanner) {}
    bool on_element(std::size_t, json::slice) override {
      return scanner_.validate(padded("1").view()).has_value();
    }

   private:
    json::scanner& scanner_;
  };
  json::scanner scanner;
  const padded input("[1]");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL); // Catch would report it as a failure of the test
    ::close(STDERR_FILENO);
    nesting again(scanner);
    static_cast<void>(scanner.scan_array(input.view(), again));
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
}

TEST_CASE("json scanner names the place of a mistake for the log", "[json][scan]") {
  json::scanner scanner;
  const auto failed = scanner.validate(padded("[1, 2 3]").view());
  REQUIRE_FALSE(failed);
  CHECK(failed.error().detail == "at byte 6");
}

TEST_CASE("json ensure_padding leaves room behind the text", "[json][scan]") {
  std::string text = "{}";
  json::ensure_padding(text);
  CHECK(text == "{}");
  CHECK(text.capacity() >= text.size() + json::padding_bytes);
  const char* where = text.data();
  json::ensure_padding(text);
  CHECK(text.data() == where);
}

TEST_CASE("json unquote gives the text of a string", "[json][scan]") {
  const auto slice = [](std::string_view raw) { return json::slice{raw, kind::string}; };
  CHECK(json::unquote(slice(R"("")")).empty());
  CHECK(json::unquote(slice(R"("abc")")) == "abc");
  CHECK(json::unquote(slice(R"("\"\\\/\b\f\n\r\t")")) == "\"\\/\b\f\n\r\t");
  CHECK(json::unquote(slice(R"("\u0041\u00e9\u20AC\ud83d\ude00")")) ==
        "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(json::unquote(slice(R"("a\u0000b")")) == std::string("a\0b", 3));
  CHECK(json::unquote(slice(R"("\ud83d")")) == "\xef\xbf\xbd");
  CHECK(json::unquote(slice(R"("\ude00\ud83dx")")) == "\xef\xbf\xbd\xef\xbf\xbdx");
  CHECK(json::unquote(slice(R"("\ud83d\ud83d\ude00")")) == "\xef\xbf\xbd\xf0\x9f\x98\x80");

  std::string scratch = "untouched";
  const std::string_view plain = R"("abc")";
  CHECK(json::unquote(slice(plain), scratch).data() == plain.data() + 1);
  CHECK(scratch == "untouched");
  CHECK(json::unquote(slice(R"("a\tb")"), scratch) == "a\tb");
}

TEST_CASE("json to_int64 takes integers within its range", "[json][scan]") {
  const auto number = [](std::string_view raw) {
    return json::to_int64(json::slice{raw, kind::number});
  };
  CHECK(number("0").value() == 0);
  CHECK(number("-12").value() == -12);
  CHECK(number("9223372036854775807").value() == INT64_MAX);
  CHECK(number("-9223372036854775808").value() == INT64_MIN);
  for (const char* raw : {"9223372036854775808", "-9223372036854775809", "1.0", "1e3", "0.5"})
    CHECK(number(raw).error().code == json::errc::wrong_type);
  CHECK_FALSE(json::to_int64(json::slice{"\"1\"", kind::string}));
  CHECK_FALSE(json::to_int64(json::slice{}));
}
