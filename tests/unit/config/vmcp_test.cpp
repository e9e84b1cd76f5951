/// Definitions of virtual MCPs, and what the gateway's section says about all of them.

#include <tuple>

#include "config/vmcp.hpp"
#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;
using Catch::Matchers::Contains;

namespace {

using texts = std::vector<std::string>;

std::string findings_of(const std::string& json) {
  return all_findings(load_text(json, "/cfg/nexus.json", world()).findings);
}

} // namespace

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
