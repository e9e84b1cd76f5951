#include "search/background.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace nexus::search::background {
namespace {

struct entry {
  std::string_view term;
  std::uint16_t tools;
};

#include "search/background_terms.inc"

/// What stands in `gram_classes` is the logarithm of a number of tools, in steps.
constexpr float class_steps = 6; // for one doubling
constexpr std::size_t grams_per_class = 65'536 / gram_classes.size();
static_assert(grams_per_class * gram_classes.size() == 65'536);

const std::array<float, 128> rarity_of_class = [] {
  std::array<float, 128> out{};
  for (std::size_t c = '!'; c < out.size(); ++c) {
    const float tools = std::exp2(static_cast<float>(c - '!') / class_steps) - 1;
    out[c] = std::max(0.0F, std::log((1 + static_cast<float>(tools_count)) / (1 + tools)));
  }
  return out;
}();

} // namespace

double document_count() noexcept {
  return tools_count;
}

double document_frequency(const term_key& term) noexcept {
  const auto* const found = std::ranges::lower_bound(terms, term.view(), {}, &entry::term);
  return found != std::end(terms) && found->term == term.view() ? found->tools : 0;
}

float gram_rarity(std::uint16_t gram) noexcept {
  return rarity_of_class[static_cast<std::size_t>(gram_classes[gram / grams_per_class])];
}

} // namespace nexus::search::background
