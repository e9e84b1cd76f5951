#include "engine/tool_usage.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace nexus::engine {

void tool_usage::count(std::string_view server, std::string_view tool) {
  const std::lock_guard lock(mutex_);
  ++uses_[{std::string(server), std::string(tool)}];
}

std::vector<std::pair<std::string, std::string>> tool_usage::most_used(std::size_t most) const {
  std::vector<std::pair<std::uint64_t, std::pair<std::string, std::string>>> often;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [tool, uses] : uses_)
      if (uses >= limits::most_used_least)
        often.emplace_back(uses, tool);
  }
  std::ranges::stable_sort(often, [](const auto& a, const auto& b) { return a.first > b.first; });
  often.resize(std::min(often.size(), most));
  std::vector<std::pair<std::string, std::string>> out;
  for (auto& [uses, tool] : often)
    out.push_back(std::move(tool));
  std::ranges::sort(out);
  return out;
}

} // namespace nexus::engine
