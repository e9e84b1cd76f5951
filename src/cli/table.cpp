#include "cli/table.hpp"

#include <algorithm>
#include <ostream>

#include "base/assert.hpp"

namespace nexus::cli {
namespace {

constexpr std::size_t gap = 2;
/// The last column keeps this much on the narrowest terminal.
constexpr std::size_t last_column_min = 20;

} // namespace

table::table(std::vector<table_column> columns) : columns_(std::move(columns)) {
  NEXUS_ASSERT(!columns_.empty());
}

void table::add(std::vector<table_cell> row) {
  NEXUS_ASSERT(row.size() == columns_.size());
  for (table_cell& cell : row)
    cell.text = visible(cell.text, line_breaks::escape);
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> table::widths() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = display_width(columns_[i].title);
    for (const auto& row : rows_)
      widest = std::max(widest, display_width(row[i].text));
    out.push_back(widest);
  }
  return out;
}

void table::print(std::ostream& out, bool colour, std::size_t width) const {
  const std::vector<std::size_t> room = widths();
  std::size_t before_last = 0;
  for (std::size_t i = 0; i + 1 < room.size(); ++i)
    before_last += room[i] + gap;
  const std::size_t last_room = std::max(last_column_min, width - std::min(width, before_last));
  const auto print_cell = [&](std::size_t i, const table_cell& cell, std::string& line) {
    const bool last = i + 1 == columns_.size();
    const std::string text = last && width > 0 ? clip(cell.text, last_room) : cell.text;
    const std::string padding(room[i] - std::min(room[i], display_width(text)), ' ');
    if (columns_[i].align == alignment::right)
      line += padding;
    line += toned(text, cell.how, colour);
    if (last)
      return;
    if (columns_[i].align == alignment::left)
      line += padding;
    line.append(gap, ' ');
  };
  const auto print_line = [&](auto&& cell_at) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      print_cell(i, cell_at(i), line);
    // An empty last cell leaves no blanks at the end.
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  };
  print_line([&](std::size_t i) { return table_cell{columns_[i].title, tone::strong}; });
  for (const auto& row : rows_)
    print_line([&](std::size_t i) { return row[i]; });
}

} // namespace nexus::cli
