#pragma once

#include <cstdint>
#include <string_view>

#include "search/analysis.hpp"

/// How common words are among tools at large: statistics of a corpus of public tools, generated
/// into background_terms.inc.
namespace nexus::search::background {

/// Tools of the corpus.
[[nodiscard]] double document_count() noexcept;
/// Tools that have the term; 0 when fewer than the table keeps. @cost a binary search
[[nodiscard]] double document_frequency(const term_key& term) noexcept;
/// How rare a gram is: ln((1 + documents) / (1 + documents with it)).
[[nodiscard]] float gram_rarity(std::uint16_t gram) noexcept;

} // namespace nexus::search::background
