#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/scan.hpp"

/// Reads the small JSON texts that a command gets, member by member.
namespace nexus::cli {

/// The members of one object; views into its text.
class json_object {
 public:
  /// @pre json::padding_bytes are readable after `text`
  [[nodiscard]] static result<json_object> read(json::scanner& scanner, std::string_view text);

  /// The value of a member; kind::absent without one.
  [[nodiscard]] json::slice operator[](std::string_view key) const noexcept;
  /// A string's text; empty for anything else.
  [[nodiscard]] std::string text(std::string_view key) const;
  /// An integer that is not negative; 0 for anything else.
  [[nodiscard]] std::uint64_t count(std::string_view key) const;
  [[nodiscard]] bool is_true(std::string_view key) const noexcept;

 private:
  std::vector<std::pair<std::string, json::slice>> members_;
};

/// @pre as json_object::read
[[nodiscard]] result<std::vector<json::slice>> json_elements(json::scanner& scanner,
                                                             std::string_view text);

/// The text with two spaces of indentation a level. @pre `text` is validated JSON
[[nodiscard]] std::string indented(std::string_view text);

} // namespace nexus::cli
