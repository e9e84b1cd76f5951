#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "cli/terminal.hpp"

namespace nexus::cli {

enum class alignment : std::uint8_t { left, right };

struct table_column {
  std::string title;
  alignment align = alignment::left;
};

struct table_cell {
  std::string text; ///< made visible by the table
  tone how = tone::plain;
};

/// Aligned columns under a line of titles.
class table {
 public:
  explicit table(std::vector<table_column> columns);
  /// @pre as many cells as columns
  void add(std::vector<table_cell> row);
  /// @param width of the terminal: the last column is cut to fit; 0: nothing is cut
  void print(std::ostream& out, bool colour, std::size_t width) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths() const;

  std::vector<table_column> columns_;
  std::vector<std::vector<table_cell>> rows_;
};

} // namespace nexus::cli
