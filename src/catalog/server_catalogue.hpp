#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.hpp"
#include "json/scan.hpp"

/// What one server lists, taken apart once and then immutable.
namespace nexus::catalog {

/// One tool. Offsets point into the catalogue's text.
struct tool {
  std::string name;                                          ///< the server's own name, unescaped
  std::uint32_t definition_offset = 0, definition_bytes = 0; ///< the whole JSON object
  std::uint32_t name_offset = 0,
                name_bytes = 0; ///< the value of "name", relative to the definition
  std::uint32_t meta_offset = 0, meta_bytes = 0; ///< the value of "_meta"; 0, 0 when there is none
  bool read_only = false; ///< annotations.readOnlyHint or idempotentHint: safe to send twice
  /// What is wrong with the definition (an input schema that is not of type object); empty when
  /// nothing is. The tool is served all the same.
  std::string problem;
};

/// The tools of one server in its own order, filtered.
class server_catalogue {
 public:
  [[nodiscard]] const std::vector<tool>& tools() const noexcept { return tools_; }
  [[nodiscard]] std::string_view definition(const tool& t) const noexcept;
  [[nodiscard]] const tool* find(std::string_view name) const noexcept;
  /// The definitions, comma-separated: what tools/list of this server alone answers.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// Findings for the log: entries that are no tools, duplicates, truncation.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }
  /// True when both list the same definitions in the same order.
  [[nodiscard]] bool same_as(const server_catalogue& other) const noexcept {
    return text_ == other.text_;
  }

 private:
  friend class catalogue_builder;
  std::string text_;
  std::vector<tool> tools_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::vector<std::string> problems_;
};

/// Collects the pages of one server's tools/list.
class catalogue_builder {
 public:
  /// Tools whose names match `include` (all when empty) and not `exclude` are kept. Both are glob
  /// patterns over the server's own names.
  catalogue_builder(std::vector<std::string> include, std::vector<std::string> exclude);

  /// Adds the elements of a result's "tools" array. An entry that is not an object with a string
  /// name is left out and noted; it costs nothing but itself.
  /// @pre `tools` is validated and followed by json::padding_bytes
  /// @errors json::errc::wrong_type when it is no array
  [[nodiscard]] result<> add_page(json::slice tools, json::scanner& scanner);
  [[nodiscard]] bool full() const noexcept;
  [[nodiscard]] std::shared_ptr<const server_catalogue> finish();

 private:
  void add_tool(json::slice definition, json::scanner& scanner);
  [[nodiscard]] bool wanted(std::string_view name) const;

  std::vector<std::string> include_, exclude_;
  std::unordered_set<std::string> names_;
  std::shared_ptr<server_catalogue> building_;
};

} // namespace nexus::catalog
