#include "gateway_fixture.hpp"

#include "gateway/render.hpp"

using namespace nexus;
using namespace nexus::gateway;
using mcp::era;
using nexus::gateway::test::parsed;

namespace {

const std::string ours(server_info_member());

/// What the client gets for a server's `result` member; checked to be JSON.
std::string rendered(const std::string& result, era client) {
  parsed p(R"({"jsonrpc":"2.0","id":7,"result":)" + result + "}");
  pieces out;
  std::string scratch;
  render_result(out, scratch, "\"c-1\"", p.message, client);
  auto text = out.to_string();
  CHECK(text.size() == out.bytes());
  json::ensure_padding(text);
  INFO(text);
  CHECK(p.scanner.validate(text).has_value());
  parsed again(text); // no key twice, and still an answer to the client's request
  CHECK(again.message.id.raw == "\"c-1\"");
  return std::string(again.message.result.whole.raw);
}

struct row {
  std::string from, expected;
};

} // namespace

TEST_CASE("results between legacy peers are passed on byte by byte", "[gateway][render]") {
  const std::string rows[] = {
      "{}",
      "{ }",
      "null",
      "[1, 2]",
      "\"text\"",
      "12345678901234567890.5e-3",
      R"({"content":[{"type":"text","text":"\u00e9 é \/"}],"isError":false})",
      "{\n\t\"structuredContent\" : { \"resultType\" : \"x\", \"_meta\":{} } ,\r\n \"content\":[ ] "
      "}",
      R"({"_meta":{},"content":[]})",
      R"({"_meta":null})",
      R"({"_meta":{"com.example/a":{"b":[1]},"progressToken":3}})",
      R"({"unknown":1,"nextCursor":""})",
      R"({"_meta":{"note":"io.modelcontextprotocol/serverInfo"}})",
      R"({"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}})",
  };
  for (const auto& r : rows)
    CHECK(rendered(r, era::legacy) == r);
}

TEST_CASE("legacy clients get nothing of the modern envelope", "[gateway][render]") {
  const std::string info = R"("io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"})";
  const row rows[] = {
      {R"({"resultType":"complete","content":[]})", R"({"content":[]})"},
      {R"({"content":[],"resultType":"complete"})", R"({"content":[]})"},
      {R"({"resultType":"complete"})", "{}"},
      {"{ \"resultType\" : \"complete\" }", "{ }"},
      {R"({"resultType":"complete","ttlMs":0,"cacheScope":"public"})", "{}"},
      {R"({"tools":[],"ttlMs":5,"nextCursor":"n","cacheScope":"private","resultType":"complete"})",
       R"({"tools":[],"nextCursor":"n"})"},
      {R"({"ttlMs":5,"tools":[],"cacheScope":"private"})", R"({"tools":[]})"},
      {R"({"_meta":{)" + info + R"(},"content":[]})", R"({"content":[]})"},
      {R"({"content":[],"_meta":{)" + info + "}}", R"({"content":[]})"},
      {R"({"_meta":{)" + info + "}}", "{}"},
      {R"({"resultType":"complete","_meta":{)" + info + R"(},"content":[]})", R"({"content":[]})"},
      {R"({"a":1,"_meta":{"x":{"y":[]},)" + info + R"(,"z":2},"b":3})",
       R"({"a":1,"_meta":{"x":{"y":[]},"z":2},"b":3})"},
      {R"({"_meta":{"io.modelcontextprotocol\/serverInfo":1,"k":2},"content":[]})",
       R"({"_meta":{"k":2},"content":[]})"},
      {R"({"_meta":{"io.modelcontextprotocol/subscriptionId":"L"},"content":[]})",
       R"({"content":[]})"},
      // Only its own level counts.
      {R"({"structuredContent":{"resultType":"r","ttlMs":1,"_meta":{)" + info +
           R"(}},"resultType":"complete"})",
       R"({"structuredContent":{"resultType":"r","ttlMs":1,"_meta":{)" + info + "}}}"},
      {R"({"resultType":"complete","_meta":{"k":{"resultType":1}}})",
       R"({"_meta":{"k":{"resultType":1}}})"},
      {"{\n \"ttlMs\" : 5 ,\n \"content\" : [ ] ,\n \"resultType\":\"complete\"\n}",
       "{\n \"content\" : [ ]\n}"},
      {R"({"resultType":"complete" , "ttlMs":1, "content" : [ ] , "isError" : true })",
       R"({ "content" : [ ] , "isError" : true })"},
      {R"({ "content" : [ ] , "isError" : true , "resultType":"complete" })",
       R"({ "content" : [ ] , "isError" : true })"},
      {R"({"text":"\"resultType\":\"complete\",","resultType":"complete"})",
       R"({"text":"\"resultType\":\"complete\","})"},
  };
  for (const auto& r : rows) {
    INFO(r.from);
    CHECK(rendered(r.from, era::legacy) == r.expected);
  }
}

TEST_CASE("modern clients get a resultType and the gateway's serverInfo", "[gateway][render]") {
  const std::string head = R"({"resultType":"complete",)";
  const std::string theirs = R"("io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"})";
  const row rows[] = {
      {"{}", head + R"("_meta":{)" + ours + "}}"},
      {"{ }", head + R"("_meta":{)" + ours + "} }"},
      {R"({"content":[]})", head + R"("_meta":{)" + ours + R"(},"content":[]})"},
      {R"({"resultType":"complete"})", R"({"_meta":{)" + ours + R"(},"resultType":"complete"})"},
      {R"({"content":[],"resultType":"task"})",
       R"({"_meta":{)" + ours + R"(},"content":[],"resultType":"task"})"},
      {R"({"ttlMs":5,"cacheScope":"public"})",
       head + R"("_meta":{)" + ours + R"(},"ttlMs":5,"cacheScope":"public"})"},
      {R"({"_meta":{}})", head + R"("_meta":{)" + ours + "}}"},
      {R"({"_meta":null,"a":1})", head + R"("_meta":{)" + ours + R"(},"a":1})"},
      {R"({"a":1,"_meta":{"k":[1],"l":{}}})",
       head + R"("a":1,"_meta":{)" + ours + R"(,"k":[1],"l":{}}})"},
      {R"({"a":1,"_meta":{"k":1,)" + theirs + R"(,"l":2},"resultType":"complete"})",
       R"({"a":1,"_meta":{)" + ours + R"(,"k":1,"l":2},"resultType":"complete"})"},
      {R"({"_meta":{)" + theirs + R"(},"resultType":"complete","content":[]})",
       R"({"_meta":{)" + ours + R"(},"resultType":"complete","content":[]})"},
      {R"({"_meta":{"io.modelcontextprotocol\/serverInfo":{}},"a":1})",
       head + R"("_meta":{)" + ours + R"(},"a":1})"},
      {R"({"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}})",
       head + R"("_meta":{)" + ours +
           R"(,"io.modelcontextprotocol/related-task":{"taskId":"t"}}})"},
      {"{ \"_meta\" : { \"k\" : 1 } , \"a\":2 }",
       head + R"( "_meta" : {)" + ours + ",\"k\" : 1} , \"a\":2 }"},
      {R"({"structuredContent":{"_meta":{)" + theirs + R"(}},"x":1})",
       head + R"("_meta":{)" + ours + R"(},"structuredContent":{"_meta":{)" + theirs +
           R"(}},"x":1})"},
      {"null", "null"},
      {"[]", "[]"},
  };
  for (const auto& r : rows) {
    INFO(r.from);
    CHECK(rendered(r.from, era::modern) == r.expected);
  }
}

TEST_CASE("a result that crosses to modern and back is what it was", "[gateway][render]") {
  for (const std::string r :
       {R"({"content":[{"type":"text","text":"x"}]})", R"({"content":[],"_meta":{"k":1}})", "{}",
        R"({"isError":true,"structuredContent":{"a":[1,2,{"b":null}]}})"})
    CHECK(rendered(rendered(r, era::modern), era::legacy) == r);
}

TEST_CASE("errors are passed on as they are, with the client's id", "[gateway][render]") {
  const std::string error = R"({ "code" : -32602, "message":"\u00e9", "data":{"uri":"x"} })";
  const parsed p(R"({"jsonrpc":"2.0","id":7,"error":)" + error + "}");
  pieces out;
  std::string scratch;
  render_error(out, scratch, "12345678901234", p.message, {era::modern, era::modern, R"("x")"});
  CHECK(out.to_string() == R"({"jsonrpc":"2.0","id":12345678901234,"error":)" + error + "}");
}

TEST_CASE("a resource that is not found has a code of its own in each era", "[gateway][render]") {
  const auto told = [](const std::string& error, const error_context& context) {
    const parsed p(R"({"jsonrpc":"2.0","id":7,"error":)" + error + "}");
    pieces out;
    std::string scratch;
    render_error(out, scratch, "1", p.message, context);
    const auto text = out.to_string();
    const std::string head = R"({"jsonrpc":"2.0","id":1,"error":)";
    REQUIRE(text.starts_with(head));
    return text.substr(head.size(), text.size() - head.size() - 1);
  };
  const error_context to_modern{era::modern, era::legacy, R"("x:\/y")"};
  const error_context to_legacy{era::legacy, era::modern, R"("x:y")"};
  CHECK(told(R"({"code":-32002,"message":"no","data":{"uri":"x:y","k":1}})", to_modern) ==
        R"({"code":-32602,"message":"no","data":{"uri":"x:y","k":1}})");
  CHECK(told(R"({"code":-32002,"message":"no"})", to_modern) ==
        R"({"code":-32602,"message":"no","data":{"uri":"x:\/y"}})");
  CHECK(told(R"({"code":-32002,"message":7})", {era::modern, era::modern, {}}) ==
        R"({"code":-32602,"message":"Resource not found"})");
  CHECK(told(R"({"code":-32602,"message":"no","data":{"uri":"x:y"}})", to_legacy) ==
        R"({"code":-32002,"message":"no","data":{"uri":"x:y"}})");
  for (const std::string untouched : {R"({"code":-32602,"message":"bad cursor"})",
                                      R"({"code":-32602,"message":"m","data":"uri"})",
                                      R"({"code":-32601,"message":"m","data":{"uri":"x:y"}})",
                                      R"({"code":1.5,"message":"m"})", R"({"message":"m"})"}) {
    CHECK(told(untouched, to_modern) == untouched);
    CHECK(told(untouched, to_legacy) == untouched);
  }
  const std::string old = R"({"code":-32002,"message":"no"})";
  CHECK(told(old, {era::legacy, era::legacy, R"("x:y")"}) == old);
  const std::string named = R"({"code":-32602,"message":"no","data":{"uri":"x:y"}})";
  CHECK(told(named, {era::legacy, era::legacy, R"("x:y")"}) == named);
  CHECK(told(named, {era::legacy, era::modern, {}}) == named);
}

TEST_CASE("a modern client is told how long to keep what it reads", "[gateway][render]") {
  const auto read = [](const std::string& result, era client) {
    const parsed p(R"({"jsonrpc":"2.0","id":7,"result":)" + result + "}");
    pieces out;
    std::string scratch;
    json::scanner scanner;
    render_result(out, scratch, "1", p.message, client, caching::required);
    return out.to_string();
  };
  const auto none = read(R"({"contents":[]})", era::modern);
  CHECK(none.find(R"("ttlMs":0,"cacheScope":"private",)") != std::string::npos);
  CHECK(none.ends_with(R"("contents":[]}})"));
  const auto own = read(R"({"contents":[],"ttlMs":9,"cacheScope":"public"})", era::modern);
  CHECK(own.find("private") == std::string::npos);
  CHECK(own.find(R"("ttlMs":9)") != std::string::npos);
  CHECK(own.find(R"("ttlMs":0)") == std::string::npos);
  CHECK(read(R"({"contents":[]})", era::legacy) ==
        R"({"jsonrpc":"2.0","id":1,"result":{"contents":[]}})");
  CHECK(caching_of("resources/read") == caching::required);
  CHECK(caching_of("tools/call") == caching::none);
  CHECK(caching_of("prompts/get") == caching::none);
}

TEST_CASE("own answers are complete messages", "[gateway][render]") {
  CHECK(error_response("\"a\"", -32601, "no \"x\"\n") ==
        R"({"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"no \"x\"\n"}})");
  CHECK(error_response("", -32700, "m", R"({"k":1})") ==
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"k":1}}})");
  CHECK(result_response("1", "{}") == R"({"jsonrpc":"2.0","id":1,"result":{}})");
}

TEST_CASE("pieces are appended with one allocation at most", "[gateway][render]") {
  const std::string large(100'000, 'x');
  pieces message;
  message.add("{");
  message.add(large);
  message.add("}");
  std::string out = "head";
  message.append_to(out);
  CHECK(out == "head{" + large + "}");
  // Twice that, had the last part made room for itself.
  CHECK(out.capacity() < 3 * large.size() / 2);
}
