#include "catalog/server_catalogue.hpp"

#include <algorithm>

namespace nexus::catalog {

void offered::merge(const offered& other) noexcept {
  tools = tools || other.tools;
  prompts = prompts || other.prompts;
  resources = resources || other.resources;
  subscribe = subscribe || other.subscribe;
  completions = completions || other.completions;
  logging = logging || other.logging;
  tasks = tasks || other.tasks;
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
