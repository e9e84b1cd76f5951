#include "registry/settlement.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "registry/duplicates.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::registry {
namespace {

class settler {
 public:
  settler(std::span<const listed_server> servers, const config::duplicate_rules& rules)
      : servers_(servers) {
    for (std::uint32_t s = 0; s < servers.size(); ++s) {
      const auto& list = *servers[s].tools;
      NEXUS_ASSERT(servers[s].digests.size() == list.items().size());
      for (std::size_t i = 0; i < list.items().size(); ++i) {
        tool_entry tool;
        tool.server = servers[s].name;
        tool.name = list.items()[i].name;
        tool.digest = servers[s].digests[i];
        tool.available = servers[s].available;
        tool.latency_ms = servers[s].latency_ms;
        tool.shown = servers[s].before != nullptr && servers[s].before->contains(tool.name);
        tools_.push_back(tool);
        of_.push_back({s, &list.items()[i]});
      }
    }
    for (const auto& group : find_certain_duplicates(tools_, rules))
      if (group.action == config::duplicate_policy::hide)
        hide(group);
      else if (group.action == config::duplicate_policy::merge)
        merge(group);
  }

  std::map<std::uint32_t, settlement> take() {
    std::map<std::uint32_t, settlement> out;
    for (auto& [slot, names] : hidden_)
      out[slot].hidden = std::make_shared<const catalog::hidden_tools>(std::move(names));
    for (auto& [slot, tools] : merged_)
      out[slot].merged = std::make_shared<const catalog::merged_tools>(std::move(tools));
    return out;
  }

 private:
  struct place {
    std::uint32_t server;
    const catalog::item* item;
  };

  [[nodiscard]] const listed_server& server_of(std::uint32_t tool) const {
    return servers_[of_[tool].server];
  }

  void hide(const duplicate_group& group) {
    for (const auto i : group.tools)
      if (tools_[i].server != tools_[group.canonical].server)
        hidden_[server_of(i).slot].emplace(tools_[i].name);
  }

  void merge(const duplicate_group& group) {
    if (group.kind == duplicate_kind::named)
      return merge(group.ranked, group.shown);
    // Whoever calls a tool reads its results as the tool that is shown says.
    std::map<std::string, std::vector<std::uint32_t>> by_output;
    for (const auto i : group.ranked)
      by_output[output_schema(i)].push_back(i);
    for (const auto& [schema, same] : by_output) {
      auto shown = std::ranges::find(same, group.shown);
      if (shown == same.end())
        shown = std::ranges::find_if(same, [&](auto i) { return tools_[i].shown; });
      merge(same, shown == same.end() ? same.front() : *shown);
    }
  }

  void merge(const std::vector<std::uint32_t>& ranked, std::uint32_t shown) {
    catalog::merged_tool made;
    std::vector<std::uint32_t> behind; // the one that is shown
    for (const auto i : ranked) {
      const bool own = tools_[i].server == tools_[shown].server;
      if (!own)
        behind.push_back(i);
      if (own ? i == shown : stands_for_its_server(i, ranked, tools_[shown].name))
        made.members.push_back(
            {server_of(i).slot, of_[i].item, server_of(i).tools, tools_[i].available});
    }
    if (behind.empty())
      return;
    made.members.resize(std::min(made.members.size(), limits::merged_servers_max));
    for (const auto i : behind)
      hidden_[server_of(i).slot].emplace(tools_[i].name);
    merged_[server_of(shown).slot].emplace(
        tools_[shown].name, std::make_shared<const catalog::merged_tool>(std::move(made)));
  }

  /// Of several tools of one server the one with the name, else the first, is called.
  [[nodiscard]] bool stands_for_its_server(std::uint32_t tool,
                                           const std::vector<std::uint32_t>& among,
                                           std::string_view name) const {
    const auto of_its_server = [&](std::uint32_t i) {
      return tools_[i].server == tools_[tool].server;
    };
    const auto named = std::ranges::find_if(
        among, [&](std::uint32_t i) { return of_its_server(i) && tools_[i].name == name; });
    return tool == (named != among.end() ? *named : *std::ranges::find_if(among, of_its_server));
  }

  /// In its canonical form; empty without one.
  [[nodiscard]] std::string output_schema(std::uint32_t tool) const {
    const auto schema = json::find_member(
        {server_of(tool).tools->definition(*of_[tool].item), json::kind::object}, "outputSchema");
    return schema ? json::canonical(schema.raw) : std::string();
  }

  std::span<const listed_server> servers_;
  std::vector<tool_entry> tools_;
  std::vector<place> of_; ///< of each tool
  std::map<std::uint32_t, catalog::hidden_tools> hidden_;
  std::map<std::uint32_t, catalog::merged_tools> merged_;
};

} // namespace

std::map<std::uint32_t, settlement> settle_duplicates(std::span<const listed_server> servers,
                                                      const config::duplicate_rules& rules) {
  return settler(servers, rules).take();
}

} // namespace nexus::registry
