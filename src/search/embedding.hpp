#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "search/document.hpp"
#include "search/searcher.hpp"

/// What a model of somebody else's says of texts, blended with what their words say.
namespace nexus::search {

/// A text as a point on the unit sphere, a byte a number.
class embedding {
 public:
  /// @returns nothing for no numbers, more than limits::embedding_dimensions_max, one that is not
  /// finite, or zeroes alone
  [[nodiscard]] static std::optional<embedding> from(std::span<const float> numbers);
  [[nodiscard]] std::size_t dimensions() const noexcept { return numbers_.size(); }
  /// The cosine of the angle between both. @pre as many dimensions
  [[nodiscard]] float likeness(const embedding& other) const noexcept;

 private:
  std::vector<std::int8_t> numbers_;
  float scale_ = 0; ///< of one step
};
using embedding_ptr = std::shared_ptr<const embedding>;

/// What a model reads of a tool, limits::embedding_text_bytes_max at most, whole characters.
[[nodiscard]] std::string embedding_text(const document& of);

/// The tools of a process that have an embedding, by the ids of their documents.
using embedding_table = std::unordered_map<std::string, embedding_ptr>;

/// A table laid beside an index. For one thread.
class embedded_index {
 public:
  /// @param table may be null, and may be older or newer than the index
  void lay(const index_ptr& over, std::shared_ptr<const embedding_table> table);
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  /// Of a tool by its number; null when there is none of so many dimensions.
  [[nodiscard]] const embedding* of(std::uint32_t tool, std::size_t dimensions) const noexcept;

 private:
  std::shared_ptr<const embedding_table> table_; ///< owns what the others point to
  std::vector<const embedding*> by_tool_;
  std::size_t count_ = 0;
};

/// As searcher::find, blended by weight: (1 - w) times the words' score, divided by the best one's,
/// and w times the likeness to the query, spread over 0 to 1 among the best by it. A tool without
/// an embedding has the words' score alone. What `how` leaves out takes no part in anything.
/// @param weight w, from 0 to 1
/// @cost beside find's: an operation a number of each visible tool's embedding, eight at a time
[[nodiscard]] std::vector<hit> find_blended(searcher& words, const index& in, std::string_view text,
                                            const request& how, const embedded_index& tools,
                                            const embedding& query, double weight);

} // namespace nexus::search
