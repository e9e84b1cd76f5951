#include "config/reload.hpp"

#include <algorithm>
#include <set>

#include "config/keys.hpp"
#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;

namespace {

struct row {
  std::string key;  ///< of the file's top level
  std::string body; ///< a value beside the usual one
};

/// What only a start reads.
const std::vector<row> at_start = {
    {"listen", R"("127.0.0.1:4000")"},
    {"allowedHosts", R"(["h.example"])"},
    {"allowedOrigins", R"(["https://h.example"])"},
    {"extensions", R"(["com.example/x"])"},
    {"workers", "3"},
    {"reactor", R"("epoll")"},
    {"sealingKeys", R"(["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"])"},
    {"state", R"("/elsewhere/nexus.sqlite")"},
    {"embeddings", R"({"url": "http://127.0.0.1:1/v1/embeddings", "model": "m"})"},
};

/// What a running gateway follows, or what says nothing of its own.
const std::vector<row> at_any_time = {
    {"insecureListen", "true"},
    {"names", R"("bare")"},
    {"unsetVariables", R"("empty")"},
    {"exposure", R"("meta")"},
    {"exposureThreshold", "3"},
    {"pinnedTools", R"(["x*"])"},
    {"hints", R"(["h"])"},
    {"schemaProof", R"("warn")"},
    {"checkArguments", R"("all")"},
    {"vmcps", R"({"v": {"select": [{"readOnly": true}]}})"},
    {"vmcpPorts", R"("9300-9301")"},
    {"management", R"({"mcp": true})"},
    {"duplicateGroups",
     R"([{"tools": [{"server": "s", "tool": "a"}, {"server": "t", "tool": "b"}]}])"},
    {"pins", R"("alert")"},
    {"duplicates", R"("hide")"},
    {"prefer", R"(["s"])"},
    {"inputs", R"([{"id": "i", "default": "d"}])"},
    {"$schema", R"("nexus.schema.json")"},
};

std::vector<std::string> changed_by(const std::string& key, const std::string& body) {
  const std::string servers = R"("mcpServers": {"s": {"command": "c"}})";
  return keys_that_need_a_restart(must_load("{" + servers + "}"),
                                  must_load("{" + servers + ", \"" + key + "\": " + body + "}"));
}

} // namespace

TEST_CASE("reload: what needs a restart is named", "[config][reload]") {
  for (const auto& [key, body] : at_start) {
    CAPTURE(key);
    CHECK(changed_by(key, body) == std::vector{key});
  }
  for (const auto& [key, body] : at_any_time) {
    CAPTURE(key);
    CHECK(changed_by(key, body).empty());
  }
  CHECK(changed_by("log", R"({"level": "debug"})").empty());
  CHECK(changed_by("log", R"({"format": "json"})") == std::vector<std::string>{"log.format"});
  for (const auto& key : detail::limit_keys()) {
    const std::string name(key.name);
    CAPTURE(name);
    CHECK(changed_by("limits", "{\"" + name + "\": 2222}") == std::vector{"limits." + name});
  }
}

TEST_CASE("reload: every key is one of both kinds", "[config][reload]") {
  std::set<std::string> known{"log", "limits"};
  for (const auto* rows : {&at_start, &at_any_time})
    for (const auto& entry : *rows)
      known.insert(entry.key);
  for (const auto& key : detail::root_keys()) {
    CAPTURE(key);
    const auto& containers = detail::container_keys();
    const bool holds_servers = std::ranges::find(containers, key) != containers.end();
    CHECK((holds_servers || known.contains(std::string(key))));
  }
}
