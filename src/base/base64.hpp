#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Base64 in the two forms that the wire knows. @source RFC 4648
namespace nexus {

enum class base64_form : std::uint8_t {
  standard, ///< `+` and `/`, padded with `=` (s4)
  url,      ///< `-` and `_`, without padding (s5)
};

/// Appends `bytes` as text.
void append_base64(std::string& out, std::string_view bytes, base64_form form);

/// Replaces `out` by the bytes that `text` stands for. Exactly what append_base64() writes is
/// taken: one sequence of bytes has one text, so white space, missing or superfluous padding and
/// unused bits that are not zero are refused.
/// @returns false when `text` is refused; `out` is then unspecified
/// @cost no allocation when the capacity of `out` is there
[[nodiscard]] bool decode_base64(std::string_view text, base64_form form, std::string& out);

} // namespace nexus
