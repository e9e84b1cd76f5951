#include "registry/settlement.hpp"

#include "base/limits.hpp"
#include "registry_fixture.hpp"

using namespace nexus;
using namespace nexus::registry;
using namespace nexus::registry::testing;

namespace {

constexpr const char* shot = R"({"name":"shot","description":"Takes a picture.","inputSchema":{}})";
constexpr const char* snap = R"({"name":"snap","description":"Takes a picture.","inputSchema":{}})";
constexpr const char* other = R"({"name":"other","description":"Else.","inputSchema":{}})";
constexpr const char* typed =
    R"({"name":"shot","description":"Takes a picture.","inputSchema":{},"outputSchema":{"type":"object"}})";

struct world {
  std::deque<std::string> names;
  std::deque<std::vector<seal::digest>> digests;
  std::vector<listed_server> servers;
  config::duplicate_rules rules;

  void add(const std::string& name, const std::string& definitions) {
    auto list = list_of(catalog::list_kind::tools, definitions);
    auto& made = digests.emplace_back();
    for (const auto& item : list->items())
      made.push_back(tool_digest({list->definition(item), json::kind::object}));
    listed_server server;
    server.slot = static_cast<std::uint32_t>(10 + servers.size());
    server.name = names.emplace_back(name);
    server.tools = std::move(list);
    server.digests = made;
    servers.push_back(server);
  }
  /// `slot-hidden,...` and `slot+shown>slot/name,slot/name`, by slots.
  [[nodiscard]] std::string settled() const {
    std::string out;
    for (const auto& [slot, what] : settle_duplicates(servers, rules)) {
      if (what.hidden)
        for (const auto& name : *what.hidden)
          out += std::to_string(slot) + "-" + name + " ";
      if (!what.merged)
        continue;
      for (const auto& [name, tool] : *what.merged) {
        out += std::to_string(slot) + "+" + name + ">";
        for (const auto& member : tool->members)
          out += std::to_string(member.slot) + "/" + member.target->name + ",";
        out += " ";
      }
    }
    return out;
  }
};

} // namespace

TEST_CASE("settle_duplicates leaves, hides or merges what is exactly the same", "[registry]") {
  world w;
  w.add("a", std::string(shot) + "," + other);
  w.add("b", snap);
  w.add("c", shot);
  CHECK(w.settled().empty());
  w.rules.exact = config::duplicate_policy::hide;
  CHECK(w.settled() == "11-snap 12-shot ");
  w.rules.exact = config::duplicate_policy::merge;
  CHECK(w.settled() == "10+shot>10/shot,11/snap,12/shot, 11-snap 12-shot ");
  w.rules.prefer = {"c"};
  CHECK(w.settled() == "10-shot 11-snap 12+shot>12/shot,10/shot,11/snap, ");
}

TEST_CASE("settle_duplicates calls available servers first, under the name that was there",
          "[registry]") {
  world w;
  w.rules.exact = config::duplicate_policy::merge;
  w.add("a", shot);
  w.add("b", shot);
  const auto before = settle_duplicates(w.servers, w.rules);
  w.servers[0].before = before.at(10).merged.get();
  w.servers[0].available = false;
  CHECK(w.settled() == "10+shot>11/shot,10/shot, 11-shot ");
  w.servers[0].before = nullptr;
  CHECK(w.settled() == "10-shot 11+shot>11/shot,10/shot, ");
}

TEST_CASE("settle_duplicates merges no results of different forms", "[registry]") {
  world w;
  w.rules.exact = config::duplicate_policy::merge;
  w.add("a", shot);
  w.add("b", typed);
  CHECK(w.settled().empty());
  w.add("c", typed);
  CHECK(w.settled() == "11+shot>11/shot,12/shot, 12-shot ");
  w.rules.prefer = {"c"};
  CHECK(w.settled() == "11-shot 12+shot>12/shot,11/shot, ");
  w.rules.prefer.clear();
  // A person may know better.
  w.rules.groups = {{{{"a", "shot"}, {"b", "shot"}}, config::duplicate_policy::merge, "a"}};
  CHECK(w.settled() == "10+shot>10/shot,11/shot, 11-shot ");
}

TEST_CASE("settle_duplicates takes one tool of each server", "[registry]") {
  world w;
  w.rules.exact = config::duplicate_policy::merge;
  w.add("a", std::string(shot) + "," + snap);
  w.add("b", std::string(snap) + "," + shot);
  CHECK(w.settled() == "10+shot>10/shot,11/shot, 11-shot 11-snap ");
}

TEST_CASE("settle_duplicates bounds the servers of one tool", "[registry]") {
  world w;
  w.rules.exact = config::duplicate_policy::merge;
  for (std::size_t i = 0; i < limits::merged_servers_max + 5; ++i)
    w.add("s" + std::to_string(i), shot);
  const auto settled = settle_duplicates(w.servers, w.rules);
  CHECK(settled.at(10).merged->at("shot")->members.size() == limits::merged_servers_max);
  CHECK(settled.size() == w.servers.size());
}
