#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "json/scan.hpp"

/// Members and elements of text that a scanner has validated already: schemas, arguments, content.
/// Unlike a scanner they have no limit on members and allow duplicates, and need no padding.
namespace nexus::json {

class value_walk {
 public:
  /// The value at hand. @pre the last next() returned true
  [[nodiscard]] const slice& value() const noexcept { return value_; }

 protected:
  explicit value_walk(std::string_view text) noexcept : text_(text) {}
  /// Goes to the next token; false at the closing bracket.
  [[nodiscard]] bool skip_to_token() noexcept;
  void take_value() noexcept;

  std::string_view text_;
  std::size_t at_ = 1; ///< after the opening bracket
  slice value_;
};

/// `for (member_walk m(object); m.next();)`
class member_walk : public value_walk {
 public:
  /// @param object a validated object; anything else has no members
  explicit member_walk(slice object) noexcept;
  [[nodiscard]] bool next();
  /// Unescaped. @lifetime until the next next()
  [[nodiscard]] std::string_view key() const noexcept { return key_; }
  /// As member::span.
  [[nodiscard]] std::string_view span() const noexcept;

 private:
  std::size_t key_at_ = 0;
  std::string_view key_;
  std::string unescaped_;
};

class element_walk : public value_walk {
 public:
  /// @param array a validated array; anything else has no elements
  explicit element_walk(slice array) noexcept;
  [[nodiscard]] bool next() noexcept;
};

/// The value under `key`, the last one if there are several, as most parsers have it; absent when
/// there is none or `object` is no object.
[[nodiscard]] slice find_member(slice object, std::string_view key);

} // namespace nexus::json
