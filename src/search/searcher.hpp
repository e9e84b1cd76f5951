#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "search/index.hpp"

namespace nexus::search {

/// A word of the query that a tool has.
struct match {
  std::string word;         ///< as the query has it
  std::vector<field> where; ///< never empty
};

/// A tool that was found. @lifetime its views live as long as the index
struct hit {
  std::uint32_t tool = 0; ///< its number in the index
  std::string_view id, server, name;
  /// Comparable within one answer; greater is better and 0 is the least.
  double score = 0;
  std::vector<match> matched; ///< by their places in the query; empty for what only looks alike
  /// What a model says of it and the query, from -1 to 1, where one was asked.
  std::optional<float> likeness = std::nullopt;
};

struct request {
  /// Limited by limits::search_results_max.
  std::size_t top_k = 10;
  /// Null: all tools. What it leaves out takes no part in anything: scores, order and number of
  /// the hits are those of an index without it.
  const selection* visible = nullptr;
};

/// Answers queries. Keeps memory between them; one per thread.
class searcher {
 public:
  searcher();
  ~searcher();
  searcher(searcher&&) noexcept;
  searcher& operator=(searcher&&) noexcept;

  /// The best tools for what `text` asks for, best first, ties by id. A text longer than
  /// limits::search_query_bytes_max is cut, and the rarest limits::search_query_terms_max of its
  /// terms count. @pre the selection is the index's own
  /// @cost no more than some ten operations per tool that has one of the terms
  [[nodiscard]] std::vector<hit> find(const index& in, std::string_view text, const request& how);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace nexus::search
