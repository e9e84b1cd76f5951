#include "search/characters.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"

namespace nexus::search {
namespace {

/// Base letters of U+00C0 to U+017F; '.' where there is none in ASCII.
constexpr std::string_view latin_bases =
    "aaaaaaaceeeeiiiidnooooo.ouuuuytsaaaaaaaceeeeiiiidnooooo.ouuuuyty"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
    "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(latin_bases.size() == 0x180 - 0xC0);

/// U+1EA0 to U+1EF9, Vietnamese: ends of the ranges of each base letter.
struct base_range {
  char32_t last;
  char base;
};
constexpr std::array<base_range, 6> vietnamese_bases{
    {{0x1EB7, 'a'}, {0x1EC7, 'e'}, {0x1ECB, 'i'}, {0x1EE3, 'o'}, {0x1EF1, 'u'}, {0x1EF9, 'y'}}};

struct range {
  char32_t first, last;
};
/// Thai to Khmer without Tibetan, kana, Han, Hangul, and Han beyond the first plane.
constexpr std::array<range, 6> dense_ranges{{{0x0E00, 0x0EFF},
                                             {0x1000, 0x109F},
                                             {0x3040, 0x30FF},
                                             {0x3400, 0x9FFF},
                                             {0xAC00, 0xD7AF},
                                             {0x20000, 0x3FFFF}}};
/// Punctuation, symbols, private use, emoji.
constexpr std::array<range, 9> other_ranges{{{0x80, 0xA9},
                                             {0xAB, 0xB4},
                                             {0xB6, 0xB9},
                                             {0xBB, 0xBF},
                                             {0x2000, 0x2BFF},
                                             {0x2E00, 0x2E7F},
                                             {0x3000, 0x303F},
                                             {0xE000, 0xF8FF},
                                             {0xFE00, 0xFE6F}}};

template <std::size_t N>
bool within(const std::array<range, N>& ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](range r) { return c >= r.first && c <= r.last; });
}

char32_t decode(std::string_view text, std::size_t at, std::size_t bytes) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[at + k]); };
  switch (bytes) {
  case 2:
    return (byte(0) & 0x1FU) << 6 | (byte(1) & 0x3FU);
  case 3:
    return (byte(0) & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
  default:
    return (byte(0) & 0x07U) << 18 | (byte(1) & 0x3FU) << 12 | (byte(2) & 0x3FU) << 6 |
           (byte(3) & 0x3FU);
  }
}

char32_t fold(char32_t c) {
  if (c >= 0xC0 && c < 0x180) {
    const char base = latin_bases[c - 0xC0];
    return base == '.' ? c : static_cast<char32_t>(base);
  }
  if (c >= 0x1EA0 && c <= 0x1EF9) {
    for (const auto& r : vietnamese_bases) {
      if (c <= r.last)
        return static_cast<char32_t>(r.base);
    }
  }
  if (c == 0x1A0 || c == 0x1A1)
    return U'o';
  if (c == 0x1AF || c == 0x1B0)
    return U'u';
  if ((c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F))
    return c + 0x20; // Greek, Cyrillic
  if (c >= 0x400 && c <= 0x40F)
    return c + 0x50;
  if (c >= 0xFF01 && c <= 0xFF5E)
    return c - 0xFEE0; // full-width ASCII
  return c;
}

constexpr bool is_ascii_lower(char32_t c) {
  return c >= U'a' && c <= U'z';
}

character classify_ascii(char32_t c) {
  if (is_ascii_lower(c))
    return {character_class::lower, 1, c};
  if (c >= U'A' && c <= U'Z')
    return {character_class::upper, 1, c + 32};
  if (c >= U'0' && c <= U'9')
    return {character_class::digit, 1, c};
  return {character_class::other, 1, c};
}

/// Sorted. Beside articles and the like: what requests are wrapped in ("I would like to").
constexpr std::array<std::string_view, 146> stop_words{
    "a",        "about",     "above",   "after",      "again",   "against", "all",    "also",
    "am",       "an",        "and",     "any",        "are",     "as",      "at",     "be",
    "because",  "been",      "before",  "being",      "below",   "between", "both",   "but",
    "by",       "can",       "cannot",  "could",      "did",     "do",      "does",   "doing",
    "don",      "down",      "during",  "each",       "either",  "etc",     "few",    "for",
    "from",     "further",   "had",     "has",        "have",    "having",  "he",     "her",
    "here",     "hers",      "herself", "him",        "himself", "his",     "how",    "i",
    "if",       "in",        "into",    "is",         "it",      "its",     "itself", "just",
    "let",      "like",      "ll",      "me",         "might",   "more",    "most",   "must",
    "my",       "myself",    "no",      "nor",        "not",     "now",     "of",     "off",
    "on",       "once",      "only",    "or",         "other",   "our",     "ours",   "ourselves",
    "out",      "over",      "own",     "per",        "please",  "re",      "same",   "shall",
    "she",      "should",    "so",      "some",       "such",    "than",    "that",   "the",
    "their",    "theirs",    "them",    "themselves", "then",    "there",   "these",  "they",
    "this",     "those",     "through", "to",         "too",     "under",   "until",  "up",
    "upon",     "us",        "ve",      "very",       "via",     "was",     "we",     "were",
    "what",     "when",      "where",   "which",      "while",   "who",     "whom",   "whose",
    "why",      "will",      "with",    "within",     "would",   "you",     "your",   "yours",
    "yourself", "yourselves"};
static_assert(std::ranges::is_sorted(stop_words));

/// Sorted.
constexpr std::array<std::string_view, 90> courtesies{
    "able",       "anything",    "ask",        "asking",       "assist",    "assistance",
    "best",       "certain",     "come",       "curious",      "current",   "currently",
    "day",        "different",   "especially", "everything",   "explain",   "feel",
    "feeling",    "find",        "get",        "getting",      "give",      "go",
    "going",      "good",        "got",        "hello",        "help",      "helpful",
    "helping",    "hey",         "hi",         "hope",         "include",   "including",
    "interested", "keep",        "know",       "latest",       "looking",   "lot",
    "love",       "make",        "making",     "many",         "much",      "need",
    "needs",      "new",         "one",        "particularly", "planning",  "possible",
    "provide",    "put",         "question",   "really",       "recommend", "recommendations",
    "seem",       "show",        "someone",    "something",    "specific",  "start",
    "suggest",    "suggestions", "sure",       "take",         "tell",      "thank",
    "thanks",     "think",       "thinking",   "three",        "today",     "trying",
    "two",        "use",         "used",       "uses",         "using",     "various",
    "want",       "wants",       "way",        "well",         "wish",      "wondering"};
static_assert(std::ranges::is_sorted(courtesies));

} // namespace

character character_at(std::string_view text, std::size_t at) noexcept {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80)
    return classify_ascii(first);
  const utf8_step step = next_utf8(text.substr(at));
  const auto bytes = static_cast<std::uint8_t>(step.bytes);
  if (!step.valid)
    return {character_class::other, bytes, 0};
  const char32_t code_point = decode(text, at, step.bytes);
  if (code_point >= 0x300 && code_point <= 0x36F)
    return {character_class::lower, bytes, 0}; // an accent on its own
  const char32_t folded = fold(code_point);
  if (folded < 0x80 && code_point >= 0xFF01) {
    character out = classify_ascii(folded);
    out.bytes = bytes;
    return out;
  }
  if (within(dense_ranges, code_point))
    return {character_class::dense, bytes, folded};
  if (within(other_ranges, code_point) || (code_point >= 0x1F000 && code_point <= 0x1FFFF))
    return {character_class::other, bytes, folded};
  return {character_class::lower, bytes, folded};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool is_courtesy(std::string_view word) noexcept {
  return std::ranges::binary_search(courtesies, word);
}

bool is_stop_word(std::string_view word) noexcept {
  return std::ranges::binary_search(stop_words, word);
}

} // namespace nexus::search
