#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "registry/fingerprint.hpp"
#include "json/scan.hpp"

namespace nexus::registry {

/// A tool of some server, in the order of servers and lists. @lifetime views of the caller's lists
struct tool_entry {
  std::string_view server, name;
  json::slice definition; ///< validated
  seal::digest digest{};  ///< tool_digest(definition)
  bool available = true;  ///< calls do not fail at once
  double latency_ms = 0;  ///< of its server's calls; 0: not known
  bool shown = false;     ///< for a merged group, in the generation before
};

enum class duplicate_kind : std::uint8_t {
  named,     ///< the configuration says so
  exact,     ///< same description and schema, whatever the names
  near,      ///< similar names, descriptions and schemas, on different servers
  same_name, ///< same name on different servers, for different things
};
[[nodiscard]] std::string_view name_of(duplicate_kind kind) noexcept;

/// How alike two tools are, each from 0 to 1.
struct likeness {
  float name = 0, description = 0;
  float schema = 0; ///< names, types and necessity of the arguments
  float score = 0;  ///< all of it
};

struct duplicate_group {
  duplicate_kind kind = duplicate_kind::exact;
  std::vector<std::uint32_t> tools;  ///< indices, ascending; two at least
  likeness evidence;                 ///< of the two of them that are least alike
  std::vector<std::uint32_t> ranked; ///< the same, the best first
  std::uint32_t canonical = 0;       ///< the one to be used: the best
  /// Whose name stands for a merged group: the one that the configuration chooses, or that was
  /// shown before, so that a name stays when its server fails; else the canonical one.
  std::uint32_t shown = 0;
  config::duplicate_policy action = config::duplicate_policy::leave;
};

/// The tools that are the same, and those that may be. A tool stands in one group of a kind at
/// most, and in no other when the configuration names its group; a name that several servers have
/// is told only if no other group says it all. The answer depends on the entries and their order
/// alone. The best tool is that of the server that the group's rule names; then of those preferred;
/// then one that is available; then of the server with the lowest latency, where those within a
/// factor of 1.4 count as equal; then the first.
/// @cost 40 ms for the 550 tools of 21 real servers, 0.5 s for 18 times as many (a shared machine
/// of two cores, November 2026; real_catalogues_test prints them)
[[nodiscard]] std::vector<duplicate_group> find_duplicates(std::span<const tool_entry> tools,
                                                           const config::duplicate_rules& rules);

/// The groups of find_duplicates() that need no more than names and digests, without evidence.
[[nodiscard]] std::vector<duplicate_group>
find_certain_duplicates(std::span<const tool_entry> tools, const config::duplicate_rules& rules);

} // namespace nexus::registry
