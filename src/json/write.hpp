#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Append-style JSON output: the caller writes the punctuation.
namespace nexus::json {

/// Appends a JSON string with quotes. Invalid UTF-8 becomes U+FFFD; U+2028 and U+2029 are escaped.
void append_string(std::string& out, std::string_view text);
void append_int(std::string& out, std::int64_t number);

/// Commas and braces for objects and arrays that are built member by member.
class object_writer {
 public:
  explicit object_writer(std::string& out) : out_(out) { out_ += '{'; }
  /// Appends `"key":`, with a comma when it is not the first member. `key` needs no escaping.
  std::string& key(std::string_view name);
  object_writer& string(std::string_view name, std::string_view value);
  object_writer& integer(std::string_view name, std::int64_t value);
  object_writer& boolean(std::string_view name, bool value);
  object_writer& raw(std::string_view name, std::string_view json);
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

/// The value in the canonical form of RFC 8785 (sorted keys, minimal escapes, shortest numbers),
/// for hashes and comparisons. Numbers are doubles there: integers beyond 2^53 are rounded, so that
/// neighbours can become equal. What the RFC leaves undefined has one form each: a number beyond
/// the doubles keeps its text, an escaped lone surrogate stays escaped in lower case, members with
/// equal keys keep their order. @pre `text` is validated JSON
[[nodiscard]] std::string canonical(std::string_view text);

} // namespace nexus::json
