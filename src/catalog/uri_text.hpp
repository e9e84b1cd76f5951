#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// The bytes of URIs. Private to src/catalog.
namespace nexus::catalog::uri_text {

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_alphanumeric(char c) noexcept {
  return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// The byte that the percent-encoded triplet at `index` stands for, or -1 when none is there.
[[nodiscard]] int triplet_at(std::string_view text, std::size_t index) noexcept;

/// One form for texts that mean the same: bytes that no URI holds are encoded, a `%` that begins no
/// triplet too; unreserved ones are not; triplets are in upper case.
/// @source RFC 3986 s6.2.2, RFC 6570 s3.1
[[nodiscard]] std::string normalised(std::string_view text);
/// True when normalised() would change nothing, and there is no triplet.
[[nodiscard]] bool is_plain(std::string_view text) noexcept;

/// True where a character begins: not inside of a triplet, nor at a later byte of UTF-8.
/// @pre `text` is normalised, so that every `%` begins a triplet
[[nodiscard]] inline bool begins_character(std::string_view text, std::size_t index) noexcept {
  if (text[index] == '%')
    return (triplet_at(text, index) & 0xC0) != 0x80;
  return !(index >= 1 && text[index - 1] == '%') && !(index >= 2 && text[index - 2] == '%');
}

} // namespace nexus::catalog::uri_text
