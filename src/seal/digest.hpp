#pragma once

#include <array>
#include <string>
#include <string_view>

namespace nexus::seal {

using digest = std::array<unsigned char, 32>;

/// SHA-256 (FIPS 180-4).
[[nodiscard]] digest sha256(std::string_view text) noexcept;
/// In lower-case hexadecimal digits.
[[nodiscard]] std::string to_hex(const digest& of);

} // namespace nexus::seal
