#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nexus::engine {

/// How often tools are called through the meta-tools: `auto` shows the most used ones directly.
/// @thread any; behind a mutex, which calls that name their tool directly never take
class tool_usage {
 public:
  void count(std::string_view server, std::string_view tool);
  /// Server and tool, by name so that the order of equals does not change what clients see; only
  /// those with at least limits::most_used_least uses.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> most_used(std::size_t most) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::uint64_t, std::less<>> uses_;
};

} // namespace nexus::engine
