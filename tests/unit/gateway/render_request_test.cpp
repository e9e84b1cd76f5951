#include "gateway_fixture.hpp"

#include "gateway/render.hpp"

using namespace nexus;
using namespace nexus::gateway;
using mcp::era;
using mcp::meta_key;
using nexus::gateway::test::parsed;

namespace {

constexpr std::int64_t our_id = 1'234'567'890'123;

std::string sent(const std::string& params, era server, std::string_view method = "tools/call",
                 std::string_view target = "tool.name") {
  const parsed p(R"({"jsonrpc":"2.0","id":"theirs","method":")" + std::string(method) +
                 R"(","params":)" + params + "}");
  std::string out;
  append_request(out, p.message, {method, target, our_id, server});
  return out;
}

const std::string head = R"({"jsonrpc":"2.0","id":1234567890123,"method":"tools/call","params":)";

/// The members that every modern request of the gateway has in _meta.
std::string envelope(std::string_view capabilities = "{}") {
  return R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
         R"("io.modelcontextprotocol/clientInfo":)" +
         std::string(implementation_json()) + R"(,"io.modelcontextprotocol/clientCapabilities":)" +
         std::string(capabilities);
}

struct row {
  std::string params, expected;
};

} // namespace

TEST_CASE("requests to legacy servers carry what the client sent, and our names",
          "[gateway][render]") {
  const std::string theirs = R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                             R"("io.modelcontextprotocol/clientInfo":{"name":"c"},)"
                             R"("io.modelcontextprotocol/clientCapabilities":{"sampling":{}},)"
                             R"("io.modelcontextprotocol/logLevel":"debug")";
  const row rows[] = {
      {R"({"name":"s__t"})", R"({"name":"tool.name"})"},
      {R"({"arguments":{ "a" : [1, 2] },"name":"s__t"})",
       R"({"name":"tool.name","arguments":{ "a" : [1, 2] }})"},
      {R"({"name":"s__t","arguments":null,"x":1,"y":{"_meta":{}}})",
       R"({"name":"tool.name","arguments":null,"x":1,"y":{"_meta":{}}})"},
      {R"({"name":"s__t","_meta":{}})", R"({"name":"tool.name"})"},
      {R"({"name":"s__t","_meta":{)" + theirs + "}}", R"({"name":"tool.name"})"},
      {R"({"name":"s__t","_meta":{)" + theirs + R"(,"com.example/k":[1],"traceparent":"00-1"}})",
       R"({"name":"tool.name","_meta":{"traceparent":"00-1","com.example/k":[1]}})"},
      {R"({"name":"s__t","_meta":{"progressToken":"p"}})",
       R"({"name":"tool.name","_meta":{"progressToken":1234567890123}})"},
      {R"({"name":"s__t","_meta":{"baggage":"b","progressToken":0,"tracestate":"t","k":0}})",
       R"({"name":"tool.name","_meta":{"progressToken":1234567890123,"tracestate":"t",)"
       R"("baggage":"b","k":0}})"},
      {"{}", "{}"},
  };
  for (const auto& r : rows) {
    INFO(r.params);
    CHECK(sent(r.params, era::legacy) == head + r.expected + "}");
  }
}

TEST_CASE("requests to modern servers carry the gateway's envelope", "[gateway][render]") {
  const row rows[] = {
      {R"({"name":"s__t"})", R"({"name":"tool.name","_meta":{)" + envelope() + "}}"},
      {"{}", R"({"_meta":{)" + envelope() + "}}"},
      {R"({"name":"s__t","arguments":{},"_meta":{"progressToken":"p","k":1}})",
       R"({"name":"tool.name","arguments":{},"_meta":{)" + envelope() +
           R"(,"progressToken":1234567890123,"k":1}})"},
      {R"({"name":"s__t","_meta":{"io.modelcontextprotocol/protocolVersion":"2027-01-01",)"
       R"("io.modelcontextprotocol/clientInfo":{"name":"c"},)"
       R"("io.modelcontextprotocol/logLevel":"info",)"
       R"("io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}})",
       R"({"name":"tool.name","_meta":{)" + envelope() +
           R"(,"io.modelcontextprotocol/logLevel":"info"}})"},
      // A retry after "input_required" brings answers back; the state is ours, and stays here.
      {R"({"name":"s__t","requestState":"opaque\/","inputResponses":{"a":{}}})",
       R"({"name":"tool.name","inputResponses":{"a":{}},"_meta":{)" + envelope() + "}}"},
  };
  for (const auto& r : rows) {
    INFO(r.params);
    const auto text = sent(r.params, era::modern);
    CHECK(text == head + r.expected + "}");
    const parsed again(text);
    CHECK(json::unquote(again.message.meta[meta_key::protocol_version]) == "2026-07-28");
  }
}

TEST_CASE("a legacy session's log level travels in the envelope", "[gateway][render]") {
  const auto sent_at = [](std::string_view params, era server) {
    const parsed p(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)" +
                   std::string(params) + "}");
    std::string out;
    append_request(out, p.message,
                   {"tools/call", "tool.name", our_id, server, mcp::log_level::warning});
    return out;
  };
  CHECK(sent_at("{}", era::modern) == head + R"({"_meta":{)" + envelope() +
                                          R"(,"io.modelcontextprotocol/logLevel":"warning"}}})");
  CHECK(sent_at("{}", era::legacy) == head + "{}}");
}

TEST_CASE("every member of params survives, known to the gateway or not", "[gateway][render]") {
  const std::string members[] = {
      R"("arguments":{})",       R"("uri":"u")",
      R"("cursor":"")",          R"("level":"info")",
      R"("requestId":1)",        R"("reason":"r")",
      R"("progressToken":1)",    R"("ref":{"name":"p"})",
      R"("argument":{})",        R"("notifications":{})",
      R"("protocolVersion":"")", R"("capabilities":{})",
      R"("clientInfo":{})",      R"("other":[{}])",
  };
  std::string all;
  for (const auto& member : members) {
    CHECK(sent("{" + member + "}", era::legacy) == head + "{" + member + "}}");
    all += (all.empty() ? "" : ",") + member;
  }
  CHECK(sent("{" + all + "}", era::legacy) == head + "{" + all + "}}");
  // What only modern servers know.
  CHECK(sent(R"({"inputResponses":{},"requestState":"s"})", era::legacy) == head + "{}}");
}

TEST_CASE("names are written as JSON whatever they are", "[gateway][render]") {
  CHECK(sent(R"({"name":"x"})", era::legacy, "tools/call", "a\"\\\n\xc3\xa9") ==
        head + "{\"name\":\"a\\\"\\\\\\n\xc3\xa9\"}}");
}

TEST_CASE("a completion names the prompt as its server does", "[gateway][render]") {
  const parsed p(R"({"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"argument":)"
                 R"({"name":"a","value":"b"},"ref":{"type":"ref/prompt","name":"s__p"}}})");
  const auto sent = [&](std::string_view ref) {
    std::string out;
    append_request(out, p.message,
                   {"completion/complete", {}, 5, era::legacy, mcp::log_level::off, ref});
    return out;
  };
  const std::string before = R"({"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{)";
  const std::string rest = R"(,"argument":{"name":"a","value":"b"}}})";
  CHECK(sent(R"({"name":"p"})") == before + R"("ref":{"name":"p"})" + rest);
  CHECK(sent({}) == before + R"("ref":{"type":"ref/prompt","name":"s__p"})" + rest);
}

TEST_CASE("append_request appends", "[gateway][render]") {
  const parsed p(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})");
  std::string out = "before ";
  append_request(out, p.message, {"tools/list", {}, 1, era::legacy});
  CHECK(out == R"(before {"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}})");
}

TEST_CASE("own requests have an envelope where the server wants one", "[gateway][render]") {
  const auto own = [](std::string_view params, era server) {
    std::string out;
    append_own_request(out, "m", 5, params, server, R"({"roots":{}})");
    return out;
  };
  const std::string start = R"({"jsonrpc":"2.0","id":5,"method":"m","params":{)";
  const auto theirs = envelope(R"({"roots":{}})");
  CHECK(own("{}", era::legacy) == start + "}}");
  CHECK(own(R"({"a":1})", era::legacy) == start + R"("a":1}})");
  CHECK(own("{}", era::modern) == start + R"("_meta":{)" + theirs + "}}}");
  CHECK(own(R"({"a":1})", era::modern) == start + R"("a":1,"_meta":{)" + theirs + "}}}");
  std::string out;
  append_own_notification(out, "n", "");
  append_own_notification(out, "n", R"({"a":1})");
  CHECK(out == R"({"jsonrpc":"2.0","method":"n"}{"jsonrpc":"2.0","method":"n","params":{"a":1}})");
}

TEST_CASE("progress goes back with the client's own token", "[gateway][render]") {
  const auto progress = [](const std::string& params, std::string_view token) {
    const parsed p(R"({"jsonrpc":"2.0","method":"notifications/progress","params":)" + params +
                   "}");
    std::string out;
    return render_progress(out, p.message, token) ? out : std::string("refused");
  };
  const std::string start = R"({"jsonrpc":"2.0","method":"notifications/progress","params":)";
  CHECK(progress(R"({"progressToken":77,"progress":1})", "\"1\"") ==
        start + R"({"progressToken":"1","progress":1}})");
  CHECK(progress(R"({"progressToken":"77","progress":1})", "1") ==
        start + R"({"progressToken":1,"progress":1}})");
  CHECK(progress(R"({"message":"77","progress":7.70,"progressToken" : 77 ,"total":77})",
                 "12345678901234567") ==
        start +
            R"({"message":"77","progress":7.70,"progressToken" : 12345678901234567 ,"total":77}})");
  CHECK(progress(R"({"progressToken":77,"_meta":{"progressToken":77}})", "\"a\\\"b\"") ==
        start + R"({"progressToken":"a\"b","_meta":{"progressToken":77}}})");
  CHECK(progress(R"({"progress":1})", "1") == "refused");
}
