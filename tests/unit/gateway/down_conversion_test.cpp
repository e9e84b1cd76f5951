#include "gateway_fixture.hpp"

#include "gateway/down_conversion.hpp"

using namespace nexus;
using namespace nexus::gateway;
using catalog::list_kind;
using mcp::revision;
using nexus::gateway::test::parsed;

namespace {

std::string converted(const std::string& result, revision client, bool wraps = false) {
  const parsed p(R"({"jsonrpc":"2.0","id":1,"result":)" + result + "}");
  if (!needs_conversion(p.message, client, wraps))
    return "untouched";
  const auto text = converted_response(p.message, client, wraps);
  const std::string head = R"({"jsonrpc":"2.0","id":1,"result":)";
  REQUIRE(text.starts_with(head));
  return text.substr(head.size(), text.size() - head.size() - 1);
}

std::string definition(const std::string& text, revision client) {
  std::string out;
  append_converted_definition(out, text, list_kind::tools, client);
  return out;
}

} // namespace

TEST_CASE("results of the newest revisions are left alone", "[gateway][down_conversion]") {
  const std::string list = R"({"content":[],"structuredContent":[1]})";
  const std::string object = R"({"content":[],"structuredContent":{"a":1}})";
  CHECK(converted(list, revision::r2026_07_28, true) == "untouched");
  CHECK(converted(object, revision::r2025_11_25) == "untouched");
  CHECK(converted(object, revision::r2025_06_18) == "untouched");
  CHECK(converted(R"({"content":[{"type":"audio"}]})", revision::r2025_06_18) == "untouched");
}

TEST_CASE("structured content that is no object is wrapped in one", "[gateway][down_conversion]") {
  CHECK(converted(R"({"content":[],"structuredContent":[1]})", revision::r2025_11_25) ==
        R"({"content":[],"structuredContent":{"result":[1]}})");
  CHECK(converted(R"({"structuredContent":null,"content":[]})", revision::r2025_06_18) ==
        R"({"structuredContent":{"result":null},"content":[]})");
  // What the list calls wrapped is so, whatever it is.
  CHECK(converted(R"({"structuredContent":{"a":1}})", revision::r2025_11_25, true) ==
        R"({"structuredContent":{"result":{"a":1}}})");
}

TEST_CASE("content that old clients do not know becomes text", "[gateway][down_conversion]") {
  const std::string link = R"({"type":"resource_link","name":"n","uri":"u:\/1","description":"d"})";
  const std::string audio = R"({"type":"audio","mimeType":"audio/wav","data":"AAAA"})";
  const std::string text = R"({"type":"text","text":"n: u:/1\nd"})";
  const std::string plain = R"({ "type":"text", "text":"x" })";
  const auto content = [](const std::string& parts) { return R"({"content":[)" + parts + "]}"; };
  CHECK(converted(content(plain + "," + link), revision::r2025_03_26) ==
        content(plain + "," + text));
  CHECK(converted(content(audio), revision::r2025_03_26) == content(audio));
  const auto heard = converted(content(audio), revision::r2024_11_05);
  CHECK(heard.find(R"("type":"text")") != std::string::npos);
  CHECK(heard.find("AAAA") == std::string::npos);
  CHECK(converted(R"({"messages":[{"role":"user","content":)" + link + "}]}",
                  revision::r2025_03_26) ==
        R"({"messages":[{"role":"user","content":)" + text + "}]}");
}

TEST_CASE("structured content without any other becomes text", "[gateway][down_conversion]") {
  CHECK(converted(R"({"content":[],"structuredContent":{"a":"b"}})", revision::r2025_03_26) ==
        R"({"content":[{"type":"text","text":"{\"a\":\"b\"}"}]})");
  CHECK(converted(R"({"structuredContent":7,"isError":false})", revision::r2024_11_05) ==
        R"({"isError":false,"content":[{"type":"text","text":"7"}]})");
  CHECK(converted(R"({"content":[{"type":"text","text":"7"}],"structuredContent":7})",
                  revision::r2025_03_26) == R"({"content":[{"type":"text","text":"7"}]})");
  CHECK(converted(R"({"content":[]})", revision::r2025_03_26) == R"({"content":[]})");
}

TEST_CASE("definitions lose what old clients do not know", "[gateway][down_conversion]") {
  const std::string tool =
      R"({"name":"t","title":"T","annotations":{},"inputSchema":{"title":"x"},)"
      R"("outputSchema":{"type":"object"}})";
  CHECK(definition(tool, revision::r2025_11_25) == tool);
  CHECK(definition(tool, revision::r2025_03_26) ==
        R"({"name":"t","annotations":{},"inputSchema":{"title":"x"}})");
  CHECK(definition(tool, revision::r2024_11_05) == R"({"name":"t","inputSchema":{"title":"x"}})");
}

TEST_CASE("output schemas that are no object's are wrapped", "[gateway][down_conversion]") {
  const auto wrapped = [](const std::string& schema) {
    return R"({"outputSchema":{"type":"object","properties":{"result":)" + schema +
           R"(},"required":["result"]}})";
  };
  const auto shown = [](const std::string& schema) {
    return definition(R"({"outputSchema":)" + schema + "}", revision::r2025_11_25);
  };
  CHECK(shown(R"({"type":"array","items":{"$ref":"#/$defs/a"},"$defs":{"a":{"$ref":"#"}}})") ==
        wrapped(R"({"type":"array","items":{"$ref":"#/properties/result/$defs/a"},)"
                R"("$defs":{"a":{"$ref":"#/properties/result"}}})"));
  CHECK(shown(R"({"$id":"x","items":{"$ref":"#/a"}})") ==
        wrapped(R"({"$id":"x","items":{"$ref":"#/a"}})"));
  CHECK(shown(R"({"anyOf":[{"$ref":"#name"},true]})") ==
        wrapped(R"({"anyOf":[{"$ref":"#name"},true]})"));
}
