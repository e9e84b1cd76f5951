#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "search/analysis.hpp"
#include "search/document.hpp"
#include "search/ranking.hpp"

/// One server's tools, taken apart. What stands here depends on the tools alone.
namespace nexus::search {

using term_id = std::uint32_t;

/// A term of a tool.
struct term_use {
  term_id term = 0;
  std::uint16_t impact = 0;          ///< BM25F without the rarity, of 65,535
  std::uint8_t fields = 0;           ///< bit 1 << field
  std::uint8_t parameter_impact = 0; ///< BM25 in the parameters' names alone, of 255
};

struct span_of {
  std::uint32_t begin = 0, end = 0;
  template <class T>
  [[nodiscard]] std::span<const T> in(const std::vector<T>& all) const noexcept {
    return {all.data() + begin, all.data() + end};
  }
};

struct indexed_tool {
  std::string id, name;
  span_of terms, pairs, grams;
  float gram_norm = 0; ///< length of the vector of its grams' rarities
};

struct segment {
  std::string server;
  std::vector<indexed_tool> tools;
  std::vector<term_use> terms;      ///< by tool, in ascending order of the terms' hashes
  std::vector<std::uint32_t> pairs; ///< hashes of neighbouring words, ascending
  std::vector<std::uint16_t> grams; ///< ascending
};

/// Gives ids to terms.
class term_table {
 public:
  virtual ~term_table() = default;
  virtual term_id use(const term_key& key) = 0;
};

/// Takes tools apart.
class segment_maker {
 public:
  explicit segment_maker(const ranking& numbers) : numbers_(numbers) {}
  /// Every term of every tool is asked of `terms` once.
  [[nodiscard]] segment make(std::string_view server, std::span<const document> tools,
                             term_table& terms);

 private:
  void read_fields(const document& tool);
  void read_field(field which, std::string_view text);
  void add_terms(segment& to, term_table& terms);
  void add_pairs(segment& to);
  void add_grams(segment& to, indexed_tool& tool);

  const ranking& numbers_;
  analyzer analyzer_;
  analysis text_;
  std::vector<std::pair<token, field>> tokens_; ///< of the tool at hand
  std::vector<std::uint32_t> pairs_;
  std::array<float, field_count> lengths_{};
  std::size_t bytes_left_ = 0;
};

} // namespace nexus::search
