#include "gateway/questions.hpp"

#include <catch2/catch.hpp>

#include "mcp/error_table.hpp"
#include "json/scan.hpp"
#include "json/walk.hpp"

using namespace nexus;
using namespace nexus::gateway;

namespace {

/// A text that can be scanned.
std::string padded(std::string_view text) {
  std::string copy(text);
  json::ensure_padding(copy);
  return copy;
}

client_capabilities read(std::string_view text,
                         const extension_list& extensions = extension_list()) {
  json::scanner scanner;
  return read_client_capabilities(padded(text), scanner, extensions);
}

bool able(std::string_view capabilities, question_kind kind, std::string_view params,
          std::string& missing) {
  json::scanner scanner;
  return can_answer(read(capabilities), kind, padded(params), scanner, missing);
}

bool is_result(question_kind kind, std::string_view text) {
  json::scanner scanner;
  const auto copy = padded(text);
  const auto value = scanner.validate(copy);
  return value && is_result_of(kind, *value, scanner);
}

} // namespace

TEST_CASE("client capabilities are read in the forms of all revisions", "[gateway][questions]") {
  CHECK(read("{}").to_json() == "{}");
  CHECK(read("[]").to_json() == "{}");
  const auto old = read(R"({"elicitation":{},"sampling":{},"roots":{"listChanged":true}})");
  CHECK(old.to_json() == R"({"roots":{},"sampling":{},"elicitation":{"form":{}}})");
  CHECK(read(R"({"elicitation":{"url":{}}})").to_json() == R"({"elicitation":{"url":{}}})");
  CHECK(read(R"({"elicitation":{"url":{},"form":{}}})").to_json() ==
        R"({"elicitation":{"form":{},"url":{}}})");
  CHECK(read(R"({"elicitation":{"form":{}}})").to_json() == R"({"elicitation":{"form":{}}})");
  CHECK(read(R"({"sampling":{"context":{},"tools":{}}})").to_json() ==
        R"({"sampling":{"tools":{},"context":{}}})");
  // Of the wrong type is absent, and so is an extension that the gateway would have to serve.
  CHECK(read(R"({"sampling":true,"roots":null,"elicitation":"form"})").to_json() == "{}");
  const auto extended = read(R"({"extensions":{"org.example/unknown":{},)"
                             R"("io.modelcontextprotocol/ui":{"mimeTypes":["a"]}}})");
  CHECK(extended.to_json() ==
        R"({"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["a"]}}})");
  constexpr const char* tasks = R"({"extensions":{"io.modelcontextprotocol/tasks":{}}})";
  CHECK(read(tasks).tasks);
  CHECK(read(tasks).to_json() == tasks);
  CHECK_FALSE(read(R"({"extensions":{"io.modelcontextprotocol/tasks":1}})").tasks);
}

TEST_CASE("extensions that the configuration names pass as they are", "[gateway][questions]") {
  const extension_list some({"org.example/b", "org.example/a", "org.example/b"});
  CHECK(some.passes("org.example/a"));
  CHECK(some.is_foreign("org.example/b"));
  CHECK_FALSE(some.passes("org.example/c"));
  CHECK(some.passes("io.modelcontextprotocol/ui"));
  CHECK_FALSE(some.is_foreign("io.modelcontextprotocol/ui"));
  const auto own = json::slice{some.own_capabilities(), json::kind::object};
  CHECK(json::find_member(own, "extensions").raw ==
        R"({"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]},)"
        R"("org.example/b":{},"org.example/a":{}})");
  const auto declared =
      read(R"({"extensions":{"org.example/a":{"x":[1]},"org.example/c":{}}})", some);
  CHECK(declared.foreign);
  CHECK(declared.to_json() == R"({"extensions":{"org.example/a":{"x":[1]}}})");
  CHECK_FALSE(read(R"({"extensions":{"io.modelcontextprotocol/ui":{}}})", some).foreign);
  // The gateway serves tasks itself.
  const extension_list tasks({"io.modelcontextprotocol/tasks"});
  CHECK_FALSE(tasks.passes("io.modelcontextprotocol/tasks"));
}

TEST_CASE("a client is asked only for what it declares", "[gateway][questions]") {
  std::string missing;
  CHECK(able(R"({"roots":{}})", question_kind::roots, "", missing));
  CHECK_FALSE(able("{}", question_kind::roots, "", missing));
  CHECK(missing == R"({"roots":{}})");
  CHECK(able(R"({"sampling":{}})", question_kind::sampling, R"({"maxTokens":1})", missing));
  CHECK_FALSE(able(R"({"sampling":{}})", question_kind::sampling, R"({"tools":[]})", missing));
  CHECK(missing == R"({"sampling":{"tools":{}}})");
  CHECK_FALSE(able("{}", question_kind::sampling, "{}", missing));
  CHECK(missing == R"({"sampling":{}})");
  CHECK(able(R"({"elicitation":{}})", question_kind::elicitation, R"({"message":"m"})", missing));
  CHECK_FALSE(
      able(R"({"elicitation":{}})", question_kind::elicitation, R"({"mode":"url"})", missing));
  CHECK(missing == R"({"elicitation":{"url":{}}})");
  CHECK(able(R"({"elicitation":{"url":{}}})", question_kind::elicitation, R"({"mode":"url"})",
             missing));
  CHECK_FALSE(able(R"({"elicitation":{"url":{}}})", question_kind::elicitation, "{}", missing));
  CHECK(missing == R"({"elicitation":{"form":{}}})");
}

TEST_CASE("inputRequests are read or refused as a whole", "[gateway][questions]") {
  json::scanner scanner;
  const auto read_requests = [&](const std::string& text) {
    return read_input_requests({text, json::kind::object}, scanner);
  };
  const auto good = padded(R"({"a\"b":{"method":"roots/list"},)"
                           R"("c":{"params":{"x":{"y":1}},"method":"elicitation/create"}})");
  const auto found = read_requests(good);
  REQUIRE(found.has_value());
  REQUIRE(found->size() == 2);
  CHECK((*found)[0].key == "a\"b");
  CHECK((*found)[0].kind == question_kind::roots);
  CHECK((*found)[0].params.empty());
  CHECK((*found)[1].kind == question_kind::elicitation);
  CHECK((*found)[1].params == R"({"x":{"y":1}})");
  CHECK(read_input_requests({}, scanner)->empty());
  for (const auto* const bad :
       {R"({"a":{"method":"tools/call"}})", R"({"a":{}})", R"({"a":1})", R"({"a":{"method":1}})"}) {
    CAPTURE(bad);
    const auto text = padded(bad);
    const auto refused = read_requests(text);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == mcp::make_error_code(mcp::errc::invalid_request));
  }
}

TEST_CASE("addresses that users have to visit become requests", "[gateway][questions]") {
  json::scanner scanner;
  const auto read_data = [&](std::string_view text) {
    const auto copy = padded(text);
    return url_elicitations_in({copy, json::kind::object}, scanner);
  };
  const auto found = read_data(R"({"elicitations":[7,{"mode":"url","elicitationId":"e","url":"u",)"
                               R"("message":"m"},{"mode":"url"},{"url":"v"}]})");
  REQUIRE(found.size() == 2);
  CHECK(found[0].key != found[1].key);
  CHECK(found[0].kind == question_kind::elicitation);
  CHECK(found[0].params == R"({"mode":"url","url":"u","message":"m"})");
  CHECK(found[1].params == R"({"url":"v"})");
  for (const auto* const odd : {"{}", R"({"elicitations":{}})", R"({"elicitations":[]})"})
    CHECK(read_data(odd).empty());
}

TEST_CASE("results are told from what is none", "[gateway][questions]") {
  CHECK(is_result(question_kind::elicitation, R"({"action":"accept","content":{"n":1}})"));
  CHECK(is_result(question_kind::elicitation, R"({"action":"decline"})"));
  CHECK_FALSE(is_result(question_kind::elicitation, R"({"action":"maybe"})"));
  CHECK_FALSE(is_result(question_kind::elicitation, R"({"action":"accept","content":[]})"));
  CHECK_FALSE(is_result(question_kind::elicitation, "12345"));
  CHECK_FALSE(is_result(question_kind::elicitation, "null"));
  CHECK(is_result(question_kind::sampling, R"({"role":"assistant","content":{},"model":"m"})"));
  CHECK_FALSE(is_result(question_kind::sampling, R"({"role":"assistant","content":{}})"));
  CHECK(is_result(question_kind::roots, R"({"roots":[]})"));
  CHECK_FALSE(is_result(question_kind::roots, R"({"roots":{}})"));
}

TEST_CASE("questions cross the eras", "[gateway][questions]") {
  json::scanner scanner;
  CHECK(elicitation_for_modern(padded(R"({"mode":"url","elicitationId":"x","url":"u"})"),
                               scanner) == R"({"mode":"url","url":"u"})");
  CHECK(elicitation_for_legacy(padded(R"({"mode":"url","url":"u"})"), "id", scanner) ==
        R"({"mode":"url","url":"u","elicitationId":"id"})");
  CHECK(elicitation_for_legacy(padded(R"({"message":"m"})"), "id", scanner) ==
        R"({"message":"m"})");
  std::string out;
  render_input_required(
      out, "7",
      {{"k", question_kind::roots, {}}, {"q", question_kind::sampling, R"({"maxTokens":1})"}},
      "sealed");
  CHECK(out.starts_with(
      R"({"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","inputRequests":{)"
      R"("k":{"method":"roots/list"},"q":{"method":"sampling/createMessage",)"
      R"("params":{"maxTokens":1}}},"requestState":"sealed","_meta":{)"));
}

TEST_CASE("a question's progress token is replaced, or taken out", "[gateway][questions]") {
  struct row {
    const char *params, *ours, *token, *expected;
  };
  const row rows[] = {
      {R"({"a":1,"_meta":{"x":2,"progressToken":"t"}})", "77", R"("t")",
       R"({"a":1,"_meta":{"x":2,"progressToken":77}})"},
      {R"({"_meta":{ "progressToken" : 5 , "x":2},"a":1})", "77", "5",
       R"({"_meta":{ "progressToken" : 77 , "x":2},"a":1})"},
      {R"({"_meta":{"progressToken":5,"x":2},"a":1})", "", "5", R"({"_meta":{"x":2},"a":1})"},
      {R"({"_meta":{"progressToken":5}})", "", "5", R"({"_meta":{}})"},
      {R"({"progressToken":5,"_meta":{}})", "77", "", R"({"progressToken":5,"_meta":{}})"},
      {R"({"_meta":{"progressToken":null}})", "77", "", R"({"_meta":{"progressToken":null}})"},
      {R"({"_meta":"progressToken"})", "77", "", R"({"_meta":"progressToken"})"},
      {"{}", "77", "", "{}"},
      {"", "77", "", ""},
  };
  json::scanner scanner;
  for (const auto& [params, ours, token, expected] : rows) {
    CAPTURE(params, ours);
    std::string text(params);
    json::ensure_padding(text);
    CHECK(replace_progress_token(text, ours, scanner) == token);
    CHECK(text == expected);
  }
}
