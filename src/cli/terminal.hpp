#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// Text for people. What servers write is shown, never obeyed: an escape sequence in a tool's
/// description must not reach the terminal.
namespace nexus::cli {

enum class line_breaks : std::uint8_t {
  keep,   ///< LF and tab stay as they are
  escape, ///< everything on one line
};

/// The text with control characters, bidirectional overrides and invalid UTF-8 written as escapes.
[[nodiscard]] std::string visible(std::string_view text, line_breaks breaks);

/// Columns that visible text takes on a terminal.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// The text, or its beginning and "..." when it is wider than `columns`.
[[nodiscard]] std::string clip(std::string_view text, std::size_t columns);

enum class tone : std::uint8_t { plain, strong, faint, good, caution, bad };

/// The text between the escape sequences of a tone; as it is when `colour` is off.
[[nodiscard]] std::string toned(std::string_view text, tone how, bool colour);

} // namespace nexus::cli
