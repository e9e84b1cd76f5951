#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json/scan.hpp"

/// The result of tools/call for a person.
namespace nexus::cli {

enum class tool_outcome : std::uint8_t {
  done,
  failed,      ///< isError
  wants_input, ///< it goes on once somebody answers questions, which a command cannot
};

struct tool_text {
  tool_outcome outcome = tool_outcome::done;
  /// Text content as it is, the structured content when there is no text; other content is named.
  /// Ends in a line feed unless it is empty.
  std::string text;
};

/// @pre `json` is the result object, with json::padding_bytes readable after it
/// @errors those of the scanner
[[nodiscard]] result<tool_text> describe_result(json::scanner& scanner, std::string_view json);

} // namespace nexus::cli
