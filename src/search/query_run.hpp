#pragma once

#include <string_view>
#include <vector>

#include "search/query.hpp"
#include "search/searcher.hpp"

namespace nexus::search {

/// Carries one query through its steps. Sums are taken in the query's or the tool's own order, so
/// that equal contents give equal scores.
class query_run {
 public:
  query_run(const index& in, const request& how, query_memory& memory);
  ~query_run();
  query_run(const query_run&) = delete;
  query_run& operator=(const query_run&) = delete;

  [[nodiscard]] std::vector<hit> answer(std::string_view text, analyzer& words,
                                        const verb_classes& verbs);

 private:
  // What is asked
  void read_terms();
  void drop_common_terms();
  void read_pairs();
  void add_fellows(const verb_classes& verbs);
  [[nodiscard]] float background_chance(const term_key& key) const;
  void look_up(query_term& term) const;
  [[nodiscard]] std::size_t visible_uses(term_id term) const;
  [[nodiscard]] bool asks_for(std::uint64_t term) const;
  void mend_typos();
  [[nodiscard]] std::vector<term_id> nearest_terms(const term_key& wrong) const;

  // What there is
  void gather();
  void gather_likenesses();
  void keep_best();
  void prepare_rescoring();
  void rescore(candidate& c) const;
  void score_terms(candidate& c) const;
  void score_pairs(candidate& c) const;
  void score_grams(candidate& c) const;
  void combine();
  void add_rest(float most);
  [[nodiscard]] hit describe(const candidate& c, std::string_view text) const;

  [[nodiscard]] bool visible(std::uint32_t tool) const noexcept {
    return how_.visible == nullptr || how_.visible->contains(tool);
  }

  const index& in_;
  const ranking& numbers_;
  const request& how_;
  query_memory& m_;
  std::size_t tools_count_ = 0; ///< that are visible
  float mass_ = 0;              ///< rarities of all terms
  float gram_norm_ = 0;
  std::uint64_t pair_hints_ = 0; ///< bits of the hashes in the query's pairs
};

} // namespace nexus::search
