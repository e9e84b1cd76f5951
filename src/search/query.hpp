#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "search/analysis.hpp"
#include "search/index.hpp"
#include "search/verbs.hpp"

/// One query on its way: what it consists of, and what it is worth on one index.
namespace nexus::search {

inline constexpr unsigned clauses_max = 16;

/// A term of the query that is looked for.
struct query_term {
  term_key key;
  float weight = 1;          ///< before the rarity
  float rarity = 0;          ///< idf times weight
  std::uint16_t clauses = 0; ///< bit per clause that it stands in
  bool wanted = true;        ///< false for a verb's fellow, which only the verbs' score knows
  bool mendable = false;     ///< may be a typing error
  bool known = false;        ///< some visible tool has it
  term_id id = 0;            ///< when known
  std::uint32_t begin = 0, end = 0; ///< in the query's text
};

struct query_pair {
  std::uint32_t hash = 0;
  std::uint16_t first = 0, second = 0; ///< terms
};

struct gathered_tool {
  float score = 0;
  std::uint32_t tool = 0;
};

struct candidate {
  float score = 0;
  std::uint32_t tool = 0;
  float verbs = 0, pairs = 0, mass = 0, grams = 0, parameters = 0;
  std::array<float, clauses_max> clauses{};
};

/// Memory of a searcher.
struct query_memory {
  analysis text;
  std::vector<query_term> terms;
  std::vector<query_pair> pairs;
  std::vector<float> scores;           ///< by tool
  std::vector<float> maxima;           ///< of blocks of scores
  std::vector<gathered_tool> gathered; ///< in the end, what comes after the candidates
  std::vector<candidate> candidates;
  std::vector<std::uint8_t> term_slots; ///< by term id: 1 + index into `terms`; all 0 between uses
  std::bitset<8'192> term_hints; ///< which ids, modulo its size, have a slot: it fits a cache
  /// Squares of the rarities of the query's grams, scaled; all 0 between uses.
  std::array<std::uint8_t, 65'536> gram_weights{};
};

} // namespace nexus::search
