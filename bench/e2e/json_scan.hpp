#pragma once

#include <string>
#include <string_view>

namespace nexus::bench {

/// Walks the members of one JSON object without building anything. It trusts the text to be JSON:
/// on anything else it stops early, which the callers see as a missing member.
class object_scan {
 public:
  explicit object_scan(std::string_view object);

  /// Steps to the next member; false at the end. Key and value are raw slices: the key without its
  /// quotes, the value as it is written.
  bool next(std::string_view& key, std::string_view& value);

 private:
  std::string_view text_;
  std::size_t position_ = 0;
};

/// The raw value of a member of `object`, or an empty view.
std::string_view json_member(std::string_view object, std::string_view key);

/// A JSON string without its quotes; escapes stay as they are. Other values come back unchanged.
std::string_view unquoted(std::string_view value);

/// Appends `text` as the inside of a JSON string.
void append_escaped(std::string& out, std::string_view text);

} // namespace nexus::bench
