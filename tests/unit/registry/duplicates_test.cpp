#include "registry_fixture.hpp"

using namespace nexus;
using namespace nexus::registry;
using testing::tool_set;

namespace {

constexpr const char* screenshot =
    R"({"name":"take_screenshot","description":"Take a screenshot of the current page.",
        "inputSchema":{"type":"object","properties":{"format":{"type":"string"}}}})";
/// The same to a model: order, white space and escapes make no difference.
constexpr const char* screenshot_again =
    R"({"inputSchema":{"properties":{"format":{"type":"str\u0069ng"}},"type":"object"},
        "description": "Take a screenshot of the current page.","name":"shoot","title":"Shoot"})";
constexpr const char* near_screenshot =
    R"({"name":"browser_take_screenshot","description":"Takes a screenshot of the page or of one
        element.","inputSchema":{"type":"object","properties":{"format":{"type":"string"},
        "element":{"type":"string"}}}})";

std::string with_line_breaks_out(std::string text) {
  for (char& c : text)
    if (c == '\n')
      c = ' ';
  return text;
}

/// Tools that have nothing to do with each other, so that words have a rarity.
void add_others(tool_set& to) {
  to.add("files",
         R"({"name":"read_file","description":"Read a file from the disk.","inputSchema":
            {"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}},
            {"name":"move_file","description":"Rename or move something.","inputSchema":
            {"type":"object","properties":{"from":{"type":"string"},"to":{"type":"string"}}}})");
  to.add("mail", R"({"name":"send_mail","description":"Send a letter to people.","inputSchema":
            {"type":"object","properties":{"recipient":{"type":"string"}}}})");
}

} // namespace

TEST_CASE("duplicates are exact when description and schema are, whatever the name", "[registry]") {
  tool_set set;
  add_others(set);
  set.add("a", screenshot);
  set.add("b", screenshot_again);
  const auto groups = find_duplicates(set.tools, {});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].kind == duplicate_kind::exact);
  CHECK(set.names(groups[0]) == "a/take_screenshot b/shoot");
  CHECK(groups[0].evidence.score == 1);
  CHECK(find_certain_duplicates(set.tools, {}).size() == 1);
}

TEST_CASE("duplicates within one server are its own affair", "[registry]") {
  tool_set set;
  set.add("a", std::string(screenshot) + "," + screenshot_again);
  CHECK(find_duplicates(set.tools, {}).empty());
}

TEST_CASE("duplicates without a description need the same name", "[registry]") {
  tool_set set;
  set.add("a", R"({"name":"start","inputSchema":{"type":"object"}})");
  set.add("b", R"({"name":"stop","description":"","inputSchema":{"type":"object"}},
                  {"name":"start","inputSchema":{"type":"object"}})");
  const auto groups = find_duplicates(set.tools, {});
  REQUIRE(groups.size() == 1);
  CHECK(set.names(groups[0]) == "a/start b/start");
}

TEST_CASE("duplicates are near when name, description and schema are alike", "[registry]") {
  tool_set set;
  add_others(set);
  set.add("a", screenshot);
  set.add("b", with_line_breaks_out(near_screenshot));
  const auto groups = find_duplicates(set.tools, {});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].kind == duplicate_kind::near);
  CHECK(set.names(groups[0]) == "a/take_screenshot b/browser_take_screenshot");
  CHECK(groups[0].evidence.score > 0.5);
  CHECK(groups[0].evidence.score < 1);
  CHECK(groups[0].evidence.schema > 0);
}

TEST_CASE("duplicates of one name alone are told as that", "[registry]") {
  tool_set set;
  add_others(set);
  set.add("tracker", R"({"name":"search_issues","description":"Finds crashes of programs by stack",
      "inputSchema":{"type":"object","properties":{"trace":{"type":"string"}}}})");
  set.add("magazine", R"({"name":"search_issues","description":"Lists printed numbers by month",
      "inputSchema":{"type":"object","properties":{"month":{"type":"number"}}}})");
  const auto groups = find_duplicates(set.tools, {});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].kind == duplicate_kind::same_name);
  CHECK(groups[0].evidence.name == Approx(1));
  CHECK(groups[0].evidence.score < 0.6);
}

TEST_CASE("duplicates have a canonical tool by preference, availability, latency, order",
          "[registry]") {
  tool_set set;
  for (const char* server : {"a", "b", "c"})
    set.add(server, screenshot);
  const auto canonical = [&](std::vector<std::string> prefer) {
    config::duplicate_rules rules;
    rules.prefer = std::move(prefer);
    const auto groups = find_duplicates(set.tools, rules);
    REQUIRE(groups.size() == 1);
    return std::string(set.tools[groups[0].canonical].server);
  };
  CHECK(canonical({}) == "a");
  set.tools[0].available = false;
  CHECK(canonical({}) == "b");
  set.tools[1].latency_ms = 20;
  CHECK(canonical({}) == "b");
  set.tools[2].latency_ms = 10;
  CHECK(canonical({}) == "c");
  set.tools[2].latency_ms = 19; // about as fast
  CHECK(canonical({}) == "b");
  set.tools[1].latency_ms = 0;
  CHECK(canonical({}) == "c");
  CHECK(canonical({"none", "a"}) == "a");
  CHECK(canonical({"b", "a"}) == "b");
}

TEST_CASE("duplicates that the configuration names are in no other group", "[registry]") {
  tool_set set;
  for (const char* server : {"a", "b", "c"})
    set.add(server, screenshot);
  config::duplicate_rules rules;
  rules.exact = config::duplicate_policy::hide;
  const std::string name(set.tools[0].name);
  rules.groups = {
      {{{"b", name}, {"a", name}, {"gone", name}}, config::duplicate_policy::merge, "b"},
      {{{"c", name}, {"gone", "x"}}, config::duplicate_policy::leave, ""}};
  const auto groups = find_duplicates(set.tools, rules);
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].kind == duplicate_kind::named);
  CHECK(name_of(groups[0].kind) == "named");
  CHECK(groups[0].action == config::duplicate_policy::merge);
  CHECK(groups[0].evidence.score == Approx(1));
  CHECK(groups[0].ranked == std::vector<std::uint32_t>{1, 0});
  rules.groups.clear();
  CHECK(find_duplicates(set.tools, rules).front().action == config::duplicate_policy::hide);
}

TEST_CASE("duplicates keep the name that was shown, unless the configuration chooses",
          "[registry]") {
  tool_set set;
  for (const char* server : {"a", "b"})
    set.add(server, screenshot);
  set.tools[0].shown = true;
  set.tools[0].available = false;
  const auto found = [&](std::vector<std::string> prefer) {
    config::duplicate_rules rules;
    rules.prefer = std::move(prefer);
    return find_certain_duplicates(set.tools, rules).front();
  };
  CHECK(found({}).canonical == 1);
  CHECK(found({}).shown == 0);
  CHECK(found({"b"}).shown == 1);
}

TEST_CASE("duplicates are found among hostile definitions", "[registry]") {
  tool_set set;
  std::string deep = "1";
  for (int i = 0; i < 55; ++i) // two levels each
    deep = R"({"properties":{"x":)" + deep + "}}";
  std::string huge;
  for (int i = 0; i < 20'000; ++i)
    (huge += huge.empty() ? "" : ",").append("\"p" + std::to_string(i) + R"(":{"type":"string"})");
  const std::string definitions =
      R"({"name":"deep","description":"d","inputSchema":{"type":"object","properties":{"a":)" +
      deep +
      R"(}}},{"name":"huge","description":"h","inputSchema":{"type":"object","properties":{)" +
      huge + R"(}}},{"name":"odd","description":7,"inputSchema":{"type":"object","properties":[1],
      "required":{"a":1}}},{"name":"text","description":")" +
      std::string(300'000, 'w') + R"(","inputSchema":{"type":"object"}},
      {"name":"bytes","description":"\ud800 \u0000 \u202e","inputSchema":{"type":"object"}})";
  set.add("a", definitions);
  set.add("b", definitions);
  CHECK(set.tools.size() == 10);
  CHECK(find_duplicates(set.tools, {}).size() == 5);
}

TEST_CASE("duplicates depend on nothing but the tools", "[registry]") {
  tool_set set;
  add_others(set);
  for (const char* server : {"a", "b", "c", "d"}) {
    set.add(server, with_line_breaks_out(near_screenshot));
    set.add(std::string(server) + "2", screenshot);
  }
  const auto once = find_duplicates(set.tools, {});
  const auto again = find_duplicates(set.tools, {});
  REQUIRE(once.size() == again.size());
  for (std::size_t i = 0; i < once.size(); ++i)
    CHECK(once[i].tools == again[i].tools);
  CHECK(find_duplicates({}, {}).empty());
}
