#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"

namespace nexus::config::detail {

/// Collects what is found in one file.
class findings {
 public:
  explicit findings(std::string file) : file_(std::move(file)) {}

  void error(place at, std::string message, std::string hint = {});
  void warning(place at, std::string message, std::string hint = {});
  /// "expected a boolean for "lazy", found a string".
  void wrong_kind(const node& value, std::string_view expected, std::string_view key);
  /// A key that nobody knows, with the nearest of those that are known.
  void unknown_key(place at, std::string_view key, std::string_view where,
                   std::span<const std::string_view> known);

  /// Takes over what `other` collected; its errors become warnings when `demote` says so.
  enum class demotion : std::uint8_t { none, errors };
  void append(findings&& other, demotion demote);
  void drop_warnings();

  [[nodiscard]] bool has_errors() const;
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] source_position position(place at) const { return {file_, at.line, at.column}; }
  /// In the order of the file.
  [[nodiscard]] std::vector<diagnostic> take();

 private:
  std::string file_;
  std::vector<diagnostic> list_;
};

} // namespace nexus::config::detail
