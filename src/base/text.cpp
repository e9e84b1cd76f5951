#include "base/text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>

namespace nexus {
namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr std::size_t word_bytes = sizeof(std::uint64_t);

std::uint64_t load_word(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// As above for eight bytes at once. The sums carry into a byte's highest bit exactly when it is at
/// least 'A', or above 'Z'; bytes that are no ASCII stay as they are.
constexpr std::uint64_t lower(std::uint64_t word) noexcept {
  constexpr std::uint64_t ones = ~std::uint64_t{0} / 255;
  const std::uint64_t low_bits = word & ones * 0x7f;
  const std::uint64_t at_least_a = low_bits + ones * (0x80 - 'A');
  const std::uint64_t above_z = low_bits + ones * (0x7f - 'Z');
  const std::uint64_t upper = (at_least_a ^ above_z) & ~word & ones * 0x80;
  return word | upper >> 2;
}

} // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::vector<std::string_view> nearest_names(std::string_view name,
                                            std::span<const std::string_view> candidates,
                                            std::size_t count) {
  struct scored {
    std::size_t distance;
    std::string_view name;
  };
  std::vector<scored> near;
  for (const auto candidate : candidates) {
    const std::size_t longer = std::max(name.size(), candidate.size());
    const std::size_t allowed = std::max<std::size_t>(2, longer / 3);
    if (longer - std::min(name.size(), candidate.size()) > allowed)
      continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance <= allowed)
      near.push_back({distance, candidate});
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const scored& a, const scored& b) { return a.distance < b.distance; });
  std::vector<std::string_view> names;
  for (const auto& entry : near) {
    if (names.size() == count)
      break;
    names.push_back(entry.name);
  }
  return names;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
  const std::size_t size = a.size();
  if (size != b.size())
    return false;
  if (size < word_bytes)
    return std::equal(a.begin(), a.end(), b.begin(),
                      [](char x, char y) { return lower(x) == lower(y); });
  // The last word overlaps the one before.
  for (std::size_t at = 0; at + word_bytes < size; at += word_bytes)
    if (lower(load_word(a.data() + at)) != lower(load_word(b.data() + at)))
      return false;
  const std::size_t last = size - word_bytes;
  return lower(load_word(a.data() + last)) == lower(load_word(b.data() + last));
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = lower(c);
  return out;
}

std::string_view trim(std::string_view text) noexcept {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && space(text.back()))
    text.remove_suffix(1);
  return text;
}

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

} // namespace nexus
