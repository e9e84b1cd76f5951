#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "registry/duplicates.hpp"
#include "search/analysis.hpp"

/// Tools as vectors of weighted terms. Internal to this folder.
namespace nexus::registry {

/// Terms in ascending order, each once.
using term_vector = std::vector<std::pair<std::uint32_t, float>>;

struct argument {
  std::uint32_t name = 0; ///< a term: the stems of its name
  char type = 0;          ///< the first letter of its JSON type; 0 when it has several or none
  bool required = false;
};

struct tool_features {
  term_vector name, description; ///< unit vectors, or empty
  std::vector<argument> arguments;
  /// What other tools with it are looked for by: its rarest terms, with their rarity.
  term_vector rare;
};

/// Of all tools at once: how much a term tells depends on how many have it.
[[nodiscard]] std::vector<tool_features> read_features(std::span<const tool_entry> tools,
                                                       std::span<const std::uint32_t> chosen);

[[nodiscard]] likeness compare(const tool_features& a, const tool_features& b);

} // namespace nexus::registry
