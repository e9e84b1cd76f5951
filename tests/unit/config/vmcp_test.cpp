/// Definitions of virtual MCPs, and what the gateway's section says about all of them.

#include <tuple>

#include "config/vmcp.hpp"
#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;
using Catch::Matchers::Contains;

namespace {

using texts = std::vector<std::string>;

vmcp_definition parsed(const std::string& json) {
  auto out = parse_vmcp(json);
  INFO((out ? std::string() : out.error().message));
  REQUIRE(out);
  return std::move(*out);
}

std::string refusal(const std::string& json) {
  const auto out = parse_vmcp(json);
  REQUIRE_FALSE(out);
  return out.error().message;
}

std::string findings_of(const std::string& json) {
  return all_findings(load_text(json, "/cfg/nexus.json", world()).findings);
}

} // namespace

TEST_CASE("vmcp definition takes patterns and objects", "[config][vmcp]") {
  const auto made = parsed(R"({
    "select": [{"tags": ["safe", "mail*"], "readOnly": true}],
    "tools": [{"server": "s", "tool": "t", "name": "u"}],
    "prompts": ["s__*", {"server": "s", "prompt": "p", "name": "q", "fixed": {"a": "1"}}, "x"],
    "resources": [{"uri": "file:///{path}", "name": "files", "title": "T"}, "test://*"]})");
  CHECK(made.select.at(0).tags == texts{"safe", "mail*"});
  CHECK(made.tools.at(0).own_name == "t");
  CHECK(made.tools.at(0).name == "u");
  CHECK(made.prompt_patterns == texts{"s__*", "x"});
  REQUIRE(made.prompts.size() == 1);
  CHECK(made.prompts[0].server == "s");
  CHECK(made.prompts[0].own_name == "p");
  CHECK(made.prompts[0].name == "q");
  CHECK_THAT(made.prompts[0].fixed, Contains("\"a\""));
  CHECK(made.resource_patterns == texts{"test://*"});
  REQUIRE(made.resources.size() == 1);
  CHECK(made.resources[0].own_name == "file:///{path}");
  CHECK(made.resources[0].title == "T");
}

TEST_CASE("vmcp definition wants a port, any port or none", "[config][vmcp]") {
  CHECK_FALSE(parsed("{}").port.has_value());
  CHECK(parsed(R"({"port": "auto"})").port == 0);
  CHECK(parsed(R"({"port": 9142})").port == 9142);
  CHECK(parsed(R"({"port": 65535})").port == 65535);
}

TEST_CASE("vmcp definition says what is wrong with it", "[config][vmcp]") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {R"({"port": 0})", "port"},
      {R"({"port": 65536})", "port"},
      {R"({"port": "any"})", "\"auto\""},
      {R"({"port": true})", "\"auto\""},
      {R"({"select": [{"tag": ["a"]}]})", "did you mean \"tags\""},
      {R"({"select": [{"tags": [{}]}]})", "tags"},
      {R"({"prompts": "s__p"})", "a list of patterns and objects"},
      {R"({"prompts": [7]})", "a pattern, or an object with server and prompt"},
      {R"({"prompts": [{"prompt": "p"}]})", "needs \"server\" and \"prompt\""},
      {R"({"prompts": [{"server": "s", "prompt": "p", "fixed": {"n": 1}}]})",
       "arguments of prompts have no other type"},
      {R"({"prompts": [{"server": "s", "prompt": "p", "uri": "x"}]})", "uri"},
      {R"({"resources": [{"name": "n"}]})", "needs \"uri\""},
      {R"({"resources": [{"uri": "x:1", "fixed": {}}]})", "fixed"},
      {R"({"tools": [{"server": "s"}]})", "needs \"server\" and \"tool\""},
  };
  for (const auto& [json, word] : rows) {
    CAPTURE(json);
    CHECK_THAT(refusal(json), Contains(word));
  }
}

TEST_CASE("gateway gives virtual MCPs a range of ports", "[config][vmcp]") {
  CHECK(must_load("{}").vmcp_ports == port_range{9100, 9199});
  CHECK(must_load(R"({"vmcpPorts": "8000-8000"})").vmcp_ports == port_range{8000, 8000});
  CHECK(must_load(R"({"vmcpPorts": " 1 - 65535 "})").vmcp_ports == port_range{1, 65535});
  for (const char* const wrong :
       {"", "9100", "9199-9100", "0-5", "1-65536", "a-b", "1-2-3", "-5"}) {
    CAPTURE(wrong);
    CHECK_THAT(findings_of("{\"vmcpPorts\": \"" + std::string(wrong) + "\"}"),
               Contains("error") && Contains("9100-9199"));
  }
}

TEST_CASE("gateway refuses a port that two have", "[config][vmcp]") {
  CHECK_THAT(findings_of(R"({"vmcps": {"a": {"port": 9001}, "b": {"port": 9001}}})"),
             Contains("port 9001 of virtual MCP \"b\" is that of \"a\""));
  CHECK_THAT(findings_of(R"({"listen": "127.0.0.1:9001", "vmcps": {"a": {"port": 9001}}})"),
             Contains("is the gateway's own"));
  CHECK(must_load(R"({"vmcps": {"a": {"port": "auto"}, "b": {"port": "auto"}}})").vmcps.size() ==
        2);
}

TEST_CASE("gateway has no tools that manage virtual MCPs unless it is told", "[config][vmcp]") {
  CHECK_FALSE(must_load("{}").surface.manages_vmcps);
  CHECK_FALSE(must_load(R"({"management": {"mcp": false}})").surface.manages_vmcps);
  CHECK(must_load(R"({"management": {"mcp": true}})").surface.manages_vmcps);
  CHECK_THAT(findings_of(R"({"management": {"mpc": true}})"), Contains("did you mean \"mcp\""));
  CHECK_THAT(findings_of(R"({"management": true})"), Contains("an object with mcp"));
  CHECK_THAT(findings_of(R"({"management": {"mcp": "yes"}})"), Contains("a boolean"));
}

TEST_CASE("server has tags for all and for some of its tools", "[config][vmcp]") {
  const auto tagged = one_server(R"({"command": "x", "tags": ["a", "b"],
                                     "toolTags": {"read_*": ["safe"], "pay": ["money", "a"]}})");
  CHECK(tagged.tags.of_all == texts{"a", "b"});
  REQUIRE(tagged.tags.of_tools.size() == 2);
  CHECK(tagged.tags.of_tools[0] == std::pair<std::string, texts>{"read_*", {"safe"}});
  CHECK(tagged.tags.of_tools[1].second == texts{"money", "a"});
  // A reload that changes nothing else keeps the connection.
  CHECK(tagged == one_server(R"({"command": "x"})"));
  CHECK_THAT(findings_of(R"({"mcpServers": {"s": {"command": "x", "toolTags": ["a"]}}})"),
             Contains("an object of lists of tags"));
  CHECK_THAT(findings_of(R"({"mcpServers": {"s": {"command": "x", "tags": [""]}}})"),
             Contains("1 to 128 bytes"));
}

TEST_CASE("import keeps tags", "[config][vmcp]") {
  const auto out = import_text(
      R"({"mcpServers": {"s": {"command": "x", "tags": ["a"], "toolTags": {"t*": ["b"]}}}})",
      "/cfg/nexus.json", world());
  const auto again = must_load(out.text);
  CHECK(named(again, "s").tags.of_all == texts{"a"});
  CHECK(named(again, "s").tags.of_tools.at(0).first == "t*");
}
