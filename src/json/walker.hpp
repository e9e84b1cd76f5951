#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "json/lexical.hpp"
#include "json/scan.hpp"

/// The grammar of JSON over a list of token starts; where that list comes from is scan.cpp's
/// business.
namespace nexus::json::detail {

/// What a value is, by its first byte. `absent` starts no value.
inline constexpr std::array<kind, 256> kind_of_first_byte = [] {
  std::array<kind, 256> table{};
  table['{'] = kind::object;
  table['['] = kind::array;
  table['"'] = kind::string;
  table['t'] = table['f'] = kind::boolean;
  table['n'] = kind::null;
  table['-'] = kind::number;
  for (unsigned char c = '0'; c <= '9'; ++c)
    table[c] = kind::number;
  return table;
}();

/// Memory that a walk needs for the keys of entered objects.
struct key_memory {
  std::vector<std::string_view> seen;       // of the entered objects that are open, innermost last
  std::forward_list<std::string> unescaped; // what `seen` points into for keys with escapes
};

/// Checks the grammar over the list of token starts. Every method that returns bool says whether
/// to go on; otherwise `failure` tells why.
class walker {
 public:
  walker(std::string_view text, const std::uint32_t* starts, std::size_t count, key_memory& keys)
      : text_(text), starts_(starts), count_(count), keys_(keys), next_backslash_(text.find('\\')) {
  }

  /// The kind of the value at the cursor; absent when none starts there.
  kind next_kind() const noexcept {
    return kind_of_first_byte[static_cast<unsigned char>(next_byte())];
  }

  /// Validates the value at the cursor and moves past it. `depth` counts the containers around it.
  bool value(std::size_t depth) {
    switch (next_kind()) {
    case kind::object:
      return object(depth + 1);
    case kind::array:
      return array(depth + 1);
    case kind::string:
      return string();
    case kind::number:
      return scalar([](std::string_view text) { return lexical::is_number(text); });
    case kind::boolean:
      return scalar([](std::string_view text) { return text == "true" || text == "false"; });
    case kind::null:
      return scalar([](std::string_view text) { return text == "null"; });
    case kind::absent:
      break;
    }
    return fail_at(errc::malformed);
  }

  /// As value() for an object whose members go to the receiver.
  bool entered_object(std::size_t depth, unsigned visitor_depth, visitor& receiver);
  bool elements(element_sink& receiver);

  /// Nothing but white space may follow the root.
  bool at_end() { return cursor_ == count_ || fail_at(errc::malformed); }

  /// The value that was validated last, whose first token started at `from`.
  slice since(std::size_t from, kind type) const noexcept {
    return {text_.substr(from, end_ - from), type};
  }
  std::size_t begin() const noexcept { return cursor_ < count_ ? starts_[cursor_] : text_.size(); }

  std::unexpected<error> failure() const;
  bool stopped() const noexcept { return stopped_; }
  bool fail_at(errc code) {
    failure_ = code;
    failed_at_ = begin();
    return false;
  }

 private:
  /// The first byte of the token at the cursor, or NUL, which starts no token, after the last.
  char next_byte() const noexcept { return cursor_ < count_ ? text_[starts_[cursor_]] : '\0'; }

  /// The scalar or string at the cursor: up to the next token without the white space before it.
  std::string_view token() const noexcept {
    const std::size_t first = starts_[cursor_];
    std::size_t last = cursor_ + 1 < count_ ? starts_[cursor_ + 1] : text_.size();
    while (lexical::is_space(text_[last - 1]))
      --last;
    return text_.substr(first, last - first);
  }

  template <class Check>
  bool scalar(Check is_valid) {
    const std::string_view text = token();
    if (!is_valid(text))
      return fail_at(errc::malformed);
    end_ = starts_[cursor_] + text.size();
    ++cursor_;
    return true;
  }

  bool string() {
    const std::string_view quoted = token();
    if (quoted.size() < 2 || quoted.back() != '"')
      return fail_at(errc::malformed);
    end_ = starts_[cursor_] + quoted.size();
    escaped_ = next_backslash_ < end_;
    if (escaped_ && !escapes(quoted))
      return fail_at(errc::malformed);
    ++cursor_;
    return true;
  }

  /// Checks a string with escapes and looks for the backslash after it.
  bool escapes(std::string_view quoted) {
    if (!lexical::valid_escapes(quoted.substr(1, quoted.size() - 2)))
      return false;
    next_backslash_ = text_.find('\\', end_);
    return true;
  }

  bool object(std::size_t depth);
  bool array(std::size_t depth);
  bool key_of_entered(std::size_t first_seen, std::string_view& found);

  bool punctuation(char expected) {
    if (next_byte() != expected)
      return fail_at(errc::malformed);
    ++cursor_;
    return true;
  }
  /// Past a comma, or past the bracket that ends the container.
  bool comma_or(char closing, bool& closed) {
    const char c = next_byte();
    closed = c == closing;
    if (!closed && c != ',')
      return fail_at(errc::malformed);
    end_ = starts_[cursor_] + 1;
    ++cursor_;
    return true;
  }
  /// Past the opening bracket, and past the closing one when the container is empty.
  bool open(char closing, std::size_t depth, bool& closed) {
    if (depth > limits::json_depth_max)
      return fail_at(errc::too_deep);
    ++cursor_;
    closed = next_byte() == closing;
    if (closed) {
      end_ = starts_[cursor_] + 1;
      ++cursor_;
    }
    return true;
  }

  std::string_view text_;
  const std::uint32_t* starts_;
  std::size_t count_;
  key_memory& keys_;
  /// Strings are visited in order, so one search through the text serves them all. A backslash
  /// outside of strings belongs to a token that is refused.
  std::size_t next_backslash_;
  std::size_t cursor_ = 0;
  std::size_t end_ = 0;  // of the value validated last
  bool escaped_ = false; // whether the string validated last has escapes
  bool stopped_ = false;
  errc failure_ = errc::malformed;
  std::size_t failed_at_ = 0;
};

} // namespace nexus::json::detail
