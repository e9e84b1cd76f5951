#pragma once

#include <array>
#include <cstddef>

#include "search/document.hpp"

namespace nexus::search {

/// The numbers of the ranker. They were fitted in moderation, on the sets that bench/retrieval
/// runs; nothing else depends on their values.
struct ranking {
  /// BM25F: what a word counts in each field, and the fields' usual lengths in words. The lengths
  /// are constants and no averages of the catalogue at hand: so a tool's own weights depend on
  /// nothing but the tool, and nobody learns from them what others may see.
  std::array<float, field_count> weights{2.0F, 1.0F, 1.0F, 1.0F, 0.7F, 0.6F};
  std::array<float, field_count> usual_lengths{3, 3, 3, 12, 4, 25};
  float length_share = 0.45F; ///< b of BM25
  float saturation = 1.8F;    ///< k1 of BM25

  /// How much of a term's rarity comes from the background corpus; it steadies small catalogues.
  float background_share = 0.4F;
  float number_weight = 0.2F;   ///< of terms that are digits alone
  float courtesy_weight = 0.3F; ///< of words that requests are wrapped in

  // What is added to a candidate's BM25F, which is divided by the best one's.
  // More candidates change nothing on the sets.
  std::size_t candidates = 80;
  float grams = 0.8F;
  float verbs = 0.5F;
  float verb_weight = 0.3F; ///< of a verb's fellows beside the verb itself
  float pairs = 0.7F;
  float coverage = 0.5F;
  float clauses = 0.2F;
  float parameters = 0.2F;

  /// Fewer hits than this make words that no tool has be taken for typing errors.
  std::size_t hits_wanted = 5;
  float typo_weight = 0.6F;
  /// And if that does not help, tools whose letters are that alike are hits.
  float likeness_min = 0.15F;
};

} // namespace nexus::search
