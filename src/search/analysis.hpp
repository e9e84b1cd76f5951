#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Text into search terms. Words are what letters and digits form; camelCase and digits part them,
/// and two or three parts that stood together are a term of their own as well (`GitHub` gives
/// `git`, `hub` and `github`). Words are stemmed as English; accents are folded; scripts without
/// spaces give pairs of characters.
namespace nexus::search {

/// A term's identity. Two terms with one hash are one term: 64 bits are enough for any catalogue,
/// and somebody who makes two collide gains a wrong match of his own tool.
struct term_key {
  static constexpr std::size_t text_bytes = 19;
  std::uint64_t hash = 0;
  std::uint32_t letters = 0; ///< which ones it has: typing errors change few of them
  std::uint8_t size = 0;
  std::array<char, text_bytes> text{}; ///< the stem, cut; for typing errors only

  [[nodiscard]] std::string_view view() const noexcept { return {text.data(), size}; }
};

enum class token_kind : std::uint8_t {
  word,
  courtesy, ///< a word that requests are wrapped in
  number,   ///< digits alone
  joined,   ///< the parts before it as one
};

/// A term where it stands in a text.
struct token {
  term_key key;
  std::uint32_t begin = 0, end = 0; ///< bytes of the text it comes from
  std::uint16_t clause = 0;         ///< sentences and their parts, counted from 0
  token_kind kind = token_kind::word;
};

/// What a text consists of. Kept between calls for its memory.
struct analysis {
  std::vector<token> tokens; ///< without stop words
  /// Hashes of the 3- and 4-grams of every word's letters, with its borders; unsorted, and as often
  /// as they occur.
  std::vector<std::uint16_t> grams;
  void clear() noexcept {
    tokens.clear();
    grams.clear();
  }
};

enum class gram_use : std::uint8_t { skip, collect };

/// Not for several threads at a time: the stemmer has memory of its own.
class analyzer {
 public:
  analyzer();
  ~analyzer();
  analyzer(analyzer&&) noexcept;
  analyzer& operator=(analyzer&&) noexcept;

  /// Appends what `text` consists of; bytes that are no UTF-8 part words. Words are cut at
  /// limits::search_word_bytes_max. @cost linear
  void append(analysis& to, std::string_view text, gram_use grams);

  /// The term of one lower-case word that is not to be parted.
  [[nodiscard]] term_key stem(std::string_view word);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// The hash that term_key has for a stem; background_terms.inc is built with it.
[[nodiscard]] std::uint64_t hash_term(std::string_view stem) noexcept;

/// A bigram of terms.
[[nodiscard]] std::uint32_t hash_pair(const term_key& first, const term_key& second) noexcept;

} // namespace nexus::search
