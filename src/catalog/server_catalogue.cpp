#include "catalog/server_catalogue.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "json/walk.hpp"

namespace nexus::catalog {

void offered::merge(const offered& other) {
  tools = tools || other.tools;
  prompts = prompts || other.prompts;
  resources = resources || other.resources;
  subscribe = subscribe || other.subscribe;
  completions = completions || other.completions;
  logging = logging || other.logging;
  tasks = tasks || other.tasks;
  add_missing_members(extensions, other.extensions);
}

void add_missing_members(std::string& to, std::string_view from) {
  if (to.empty() || from.empty()) {
    to += from;
    return;
  }
  const std::string mine = to;
  for (json::member_walk each({from, json::kind::object}); each.next();)
    if (!json::find_member({mine, json::kind::object}, each.key()))
      to.replace(to.size() - 1, 1, fmt::format(",{}}}", each.span()));
}

server_catalogue::server_catalogue() {
  static const auto empty = std::make_shared<const item_list>();
  lists.fill(empty);
}

bool server_catalogue::same_as(const server_catalogue& other) const noexcept {
  return offers == other.offers && instructions == other.instructions &&
         std::equal(lists.begin(), lists.end(), other.lists.begin(),
                    [](const auto& mine, const auto& theirs) {
                      return mine == theirs || mine->same_as(*theirs);
                    });
}

} // namespace nexus::catalog
