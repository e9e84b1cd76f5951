#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "search/analysis.hpp"

namespace nexus::search {

/// Words for what tools do, in classes of the same meaning: who wants to "show" something is served
/// by a tool that "lists" it.
class verb_classes {
 public:
  explicit verb_classes(analyzer& stemmer);
  /// The terms of the classes that `term` is in, itself among them; none for most.
  [[nodiscard]] std::span<const std::uint64_t> fellows(std::uint64_t term) const;

 private:
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> fellows_;
};

} // namespace nexus::search
