#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nexus {

/// What a text begins with.
struct utf8_step {
  std::size_t bytes = 0; ///< 0 only for an empty text
  bool valid = false;    ///< one code point; else bytes that are none
};

/// The code point at the start of `text`, or the maximal subpart of an ill-formed sequence, which
/// one U+FFFD stands for.
/// @source RFC 3629; Unicode 15.0 s3.9, "U+FFFD Substitution of Maximal Subparts"
[[nodiscard]] utf8_step next_utf8(std::string_view text) noexcept;

/// A copy of `text` with U+FFFD for what is not UTF-8.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view text);

} // namespace nexus
