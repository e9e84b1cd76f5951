#pragma once

#include <string>
#include <utility>
#include <vector>

namespace nexus::load {

/// One line of a plot. Points must be ordered by x.
struct plot_line {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool marks = false; ///< dots at the points, and no line between them
};

enum class axis_scale { linear, logarithmic };

struct plot {
  std::string title, x_label, y_label;
  axis_scale x = axis_scale::linear, y = axis_scale::linear;
  std::vector<plot_line> lines;
  /// Names at places of the x axis; empty: numbers that suit it.
  std::vector<std::pair<double, std::string>> x_ticks;
};

/// The plot as an SVG element. Its colours are the classes `line0`, `line1` ... of the page.
[[nodiscard]] std::string svg_of(const plot& what);

/// Round numbers that divide `from` to `to` into about `count` parts.
[[nodiscard]] std::vector<double> round_steps(double from, double to, int count);

/// `&`, `<`, `>` and quotes as HTML wants them.
[[nodiscard]] std::string escaped(std::string_view text);

} // namespace nexus::load
