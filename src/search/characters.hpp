#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What the tokenizer knows of characters.
namespace nexus::search {

enum class character_class : std::uint8_t {
  other, ///< parts words
  digit,
  lower, ///< letters without case, too
  upper,
  dense, ///< of a script that puts no spaces between words
};

struct character {
  character_class what = character_class::other;
  std::uint8_t bytes = 1; ///< that it takes in the text
  char32_t folded = 0;    ///< in lower case and without accents
};

/// The character at `at`. @pre at < text.size()
[[nodiscard]] character character_at(std::string_view text, std::size_t at) noexcept;

void append_utf8(std::string& out, char32_t code_point);

/// Is it a word that requests are wrapped in ("could you help me to find")?
[[nodiscard]] bool is_courtesy(std::string_view word) noexcept;

/// Is it an English word that says nothing about what is searched?
[[nodiscard]] bool is_stop_word(std::string_view word) noexcept;

} // namespace nexus::search
