#include "config/keys.hpp"
#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

std::optional<std::string> state_file(const std::string& members,
                                      const std::string& file = "/cfg/nexus.json",
                                      const environment& env = world()) {
  const loaded out = load_text("{" + members + R"("mcpServers": {}})", file, env);
  INFO(all_findings(out.findings));
  REQUIRE(out.value);
  return out.value->state_file;
}

} // namespace

TEST_CASE("state is kept in a file of each configuration's own", "[config]") {
  const auto usual = state_file("");
  REQUIRE(usual);
  CHECK_THAT(*usual, StartsWith("/home/ada/.local/state/nexus/nexus-"));
  CHECK(usual->size() == std::string("/home/ada/.local/state/nexus/nexus-01234567.sqlite").size());
  CHECK(state_file("", "/other/nexus.json") != usual);
  CHECK(state_file("", "nexus.json") == state_file("", "/home/ada/project/nexus.json"));
  CHECK_THAT(*state_file("", "/cfg/.mcp.json"), Contains("/nexus/.mcp-"));
  CHECK_THAT(*state_file("", "/cfg/.mcp"), Contains("/nexus/.mcp-"));
}

TEST_CASE("state follows the environment", "[config]") {
  environment env = world();
  env.variables["XDG_STATE_HOME"] = "/state";
  CHECK_THAT(*state_file("", "/cfg/nexus.json", env), StartsWith("/state/nexus/nexus-"));
  env.variables["XDG_STATE_HOME"] = "relative";
  CHECK(state_file("", "/cfg/nexus.json", env) == state_file(""));
  env.home.clear();
  const auto homeless = load_text(R"({"mcpServers": {}})", "/cfg/nexus.json", env);
  REQUIRE(homeless.value);
  CHECK_FALSE(homeless.value->state_file);
  CHECK(homeless.value->lacks_state);
}

TEST_CASE("state is where the file says", "[config]") {
  CHECK(state_file(R"("state": "here.sqlite",)") == "/cfg/here.sqlite");
  CHECK(state_file(R"("state": "~/s/x",)") == "/home/ada/s/x");
  CHECK(state_file(R"("state": "{env:WORKSPACE}/x",)") == "/ws/x");
  for (const char* off : {R"("state": "off",)", R"("state": null,)"}) {
    CHECK_FALSE(state_file(off));
    CHECK_FALSE(must_load(std::string("{") + off + R"("mcpServers": {}})").lacks_state);
  }
  for (const char* wrong :
       {R"({"state": 7, "mcpServers": {}})", R"({"state": "", "mcpServers": {}})",
        R"({"state": "{env:NONE}", "mcpServers": {}})"}) {
    INFO(wrong);
    CHECK_FALSE(load_text(wrong, "/cfg/nexus.json", world()).value);
  }
}

TEST_CASE("the registry's keys are read, and near misses named", "[config]") {
  const gateway usual = must_load(R"({"mcpServers": {}})");
  CHECK(usual.pins == pin_policy::record);
  CHECK(usual.duplicates.exact == duplicate_policy::leave);
  const gateway set = must_load(R"({"pins": "quarantine", "duplicates": "hide",
                                    "prefer": ["b", "a"], "mcpServers": {}})");
  CHECK(set.pins == pin_policy::quarantine);
  CHECK(set.duplicates.exact == duplicate_policy::hide);
  CHECK(set.duplicates.prefer == std::vector<std::string>{"b", "a"});
  struct row {
    const char *text, *near;
  };
  for (const row& r : {row{R"({"pin": "off", "mcpServers": {}})", "\"pins\""},
                       {R"({"duplicate": "hide", "mcpServers": {}})", "\"duplicates\""},
                       {R"({"prefers": [], "mcpServers": {}})", "\"prefer\""},
                       {R"({"states": "off", "mcpServers": {}})", "\"state\""},
                       {R"({"pins": "quarantined", "mcpServers": {}})", "\"quarantine\""},
                       {R"({"duplicates": "hid", "mcpServers": {}})", "\"hide\""}}) {
    INFO(r.text);
    CHECK_THAT(all_findings(load_text(r.text, "/cfg/nexus.json", world()).findings),
               Contains(r.near));
  }
}

TEST_CASE("groups of duplicates are read", "[config]") {
  const gateway set = must_load(R"({"duplicates": "merge", "duplicateGroups": [
      {"tools": [{"server": "a", "tool": "x"}, {"server": "b", "tool": "y"}], "canonical": "b"},
      {"tools": [{"server": "a", "tool": "z"}, {"server": "b", "tool": "z"}], "action": "hide"}],
      "mcpServers": {}})");
  CHECK(set.duplicates.exact == duplicate_policy::merge);
  REQUIRE(set.duplicates.groups.size() == 2);
  CHECK(set.duplicates.groups[0] ==
        duplicate_group{{{"a", "x"}, {"b", "y"}}, duplicate_policy::merge, "b"});
  CHECK(set.duplicates.groups[1].action == duplicate_policy::hide);
}

TEST_CASE("groups of duplicates that are none are errors", "[config]") {
  const std::string a = R"({"server": "a", "tool": "x"})", b = R"({"server": "b", "tool": "x"})";
  struct row {
    std::string groups, said;
  };
  for (const row& r : {row{"{}", "list"},
                       {"[7]", "object"},
                       {"[{}]", "two \"tools\""},
                       {"[{\"tools\": [" + a + "]}]", "two \"tools\""},
                       {"[{\"tools\": {}}]", "list"},
                       {"[{\"tools\": [" + a + "," + a + "]}]", "twice"},
                       {R"([{"tools": [{"server": "a"}]}])", "\"tool\""},
                       {"[{\"tools\": [" + a + "," + b + "], \"canonical\": \"c\"}]", "canonical"},
                       {"[{\"tools\": [" + a + "," + b + "], \"action\": \"mix\"}]", "\"merge\""},
                       {"[{\"tools\": [" + a + "," + b + "]}, {\"tools\": [" + a + "," + b + "]}]",
                        "two groups"}}) {
    INFO(r.groups);
    const auto out = load_text(R"({"mcpServers": {}, "duplicateGroups": )" + r.groups + "}",
                               "/cfg/nexus.json", world());
    CHECK_FALSE(out.value);
    CHECK_THAT(all_findings(out.findings), Contains(r.said));
  }
}

TEST_CASE("a provider of embeddings is read, with its secrets", "[config]") {
  CHECK_FALSE(must_load(R"({"mcpServers": {}})").embeddings);
  CHECK_FALSE(must_load(R"({"embeddings": null, "mcpServers": {}})").embeddings);
  const auto set = must_load(R"({"embeddings": {"url": "https://e.example/v1/", "model": "m",
      "headers": {"X-Key": "${env:WORKSPACE}"}, "dimensions": 256, "queryPrefix": "q: ",
      "documentPrefix": "d: ", "weight": 0.7, "deadline": "150ms"}, "mcpServers": {}})")
                       .embeddings;
  REQUIRE(set);
  CHECK(set->endpoint.url == "https://e.example/v1/embeddings");
  CHECK(set->endpoint.headers ==
        std::vector<std::pair<std::string, std::string>>{{"X-Key", "/ws"}});
  CHECK(set->model == "m");
  CHECK(set->dimensions == 256);
  CHECK(set->query_prefix == "q: ");
  CHECK(set->document_prefix == "d: ");
  CHECK(set->weight == 0.7);
  CHECK(set->deadline == milliseconds(150));
}

TEST_CASE("a provider of embeddings that cannot be asked stops nothing", "[config]") {
  const auto out = load_text(R"({"embeddings": {"url": "${env:NOWHERE}", "model": "m"},
                                 "mcpServers": {}})",
                             "/cfg/nexus.json", world());
  REQUIRE(out.value);
  CHECK_FALSE(out.value->embeddings);
  CHECK_THAT(all_findings(out.findings), Contains("embeddings"));
}
