#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// Texts that arrive in pieces and go to the JSON scanner: how they grow, and what is kept of them.
namespace nexus::http {

/// Spare bytes behind text that goes to the JSON scanner: json::padding_bytes, which this folder
/// may not include.
inline constexpr std::size_t spare_bytes = 64;
inline constexpr std::size_t announced_factor_max = 8;

/// Appends and keeps spare_bytes of capacity behind the text. @cost amortised constant per byte
/// @param to_come  bytes that are announced after these. Room is made for them at once, but for no
///                 more than announced_factor_max times of what is there: an announcement alone
///                 takes no memory.
void append_spared(std::string& text, std::string_view bytes, std::uint64_t to_come = 0);
/// Empties `text`; gives back memory beyond limits::http_retained_buffer_bytes_max.
void recycle(std::string& text) noexcept;

} // namespace nexus::http
