#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.hpp"

/// What jsoncpp does not tell: where keys stand, and what was expected where a text goes wrong.
/// jsoncpp also takes raw newlines in strings and refuses a comment behind a trailing comma, so it
/// is given the text only after this scan has checked it and blanked what is not strict JSON.
namespace nexus::config::detail {

struct jsonc_scan {
  /// The text with comments and trailing commas as spaces; every offset is kept.
  std::string strict;
  /// Offsets of values that are members, ascending, each with its key's offset.
  std::vector<std::pair<std::size_t, std::size_t>> keys;
  bool failed = false;
  std::size_t error_offset = 0;
  std::string message, hint;
};

/// Turns offsets into places. Ascending offsets cost one pass over the text together, so that a
/// file of one long line stays cheap.
class line_index {
 public:
  explicit line_index(std::string_view text) : text_(text) {}
  [[nodiscard]] place at(std::size_t offset);

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
  place here_{1, 1};
};

[[nodiscard]] jsonc_scan scan_jsonc(std::string_view text);

} // namespace nexus::config::detail
