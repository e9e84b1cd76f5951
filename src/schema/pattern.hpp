#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace nexus::schema {

/// A regular expression of a schema, matched anywhere in a text in time linear to it and with
/// limits::schema_pattern_bytes of memory.
class pattern {
 public:
  /// Nothing for what RE2 does not have: looking around, and back at what matched.
  [[nodiscard]] static std::optional<pattern> make(const std::string& text);
  [[nodiscard]] bool matches(std::string_view text) const;
  [[nodiscard]] const std::string& text() const noexcept;

 private:
  std::shared_ptr<const re2::RE2> expression_;
};

} // namespace nexus::schema
