#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The tokens of RFC 8259 that simdjson's first stage leaves unchecked. Internal to this folder.
namespace nexus::json::lexical {

[[nodiscard]] constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// True if `token` is a number of RFC 8259 s6, of any size and precision.
[[nodiscard]] bool is_number(std::string_view token) noexcept;

/// True if every escape of `inner` (a string's text without its quotes) is one of RFC 8259 s7.
/// Lone surrogates pass: JSON.stringify writes them when text is cut inside an emoji, and a whole
/// message must not fail for it.
[[nodiscard]] bool valid_escapes(std::string_view inner) noexcept;

/// What unescape() makes of an escaped surrogate that has no partner.
enum class lone_surrogate : std::uint8_t {
  replace, ///< U+FFFD, so that the result is UTF-8
  encode,  ///< three bytes as in WTF-8, so that different strings stay different
};

/// Appends the text that `inner` stands for. @pre valid_escapes(inner)
void unescape(std::string_view inner, lone_surrogate policy, std::string& out);

/// Appends `code` (a code point, or a surrogate) in the bit layout of UTF-8.
void append_code_point(std::string& out, std::uint32_t code);

} // namespace nexus::json::lexical
