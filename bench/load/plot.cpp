#include "bench/load/plot.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

namespace nexus::load {
namespace {

constexpr double width = 760, height = 280, left = 78, right = 14, top = 30, bottom = 46;
/// Of a logarithmic axis: what is zero stands at its lower end.
constexpr double log_least = 1e-3;

/// Maps values to places.
class axis {
 public:
  axis(axis_scale scale, double from, double to, double at_from, double at_to)
      : scale_(scale), from_(of(from)), to_(of(to)), at_from_(at_from), at_to_(at_to) {
    if (to_ <= from_)
      to_ = from_ + 1;
  }
  [[nodiscard]] double at(double value) const {
    const double part = std::clamp((of(value) - from_) / (to_ - from_), 0.0, 1.0);
    return at_from_ + part * (at_to_ - at_from_);
  }

 private:
  [[nodiscard]] double of(double value) const {
    return scale_ == axis_scale::logarithmic ? std::log10(std::max(value, log_least)) : value;
  }
  axis_scale scale_;
  double from_, to_, at_from_, at_to_;
};

struct range {
  double least = 0, most = 1;
};

template <class Pick>
range range_of(const plot& what, axis_scale scale, Pick pick) {
  range out{};
  bool any = false;
  for (const auto& line : what.lines)
    for (const auto& point : line.points) {
      const double value = pick(point);
      if (scale == axis_scale::logarithmic && value <= 0)
        continue;
      out.least = any ? std::min(out.least, value) : value;
      out.most = any ? std::max(out.most, value) : value;
      any = true;
    }
  if (scale == axis_scale::logarithmic && !any)
    return {1, 10};
  if (scale == axis_scale::logarithmic) {
    out.least = std::pow(10, std::floor(std::log10(out.least)));
    out.most = std::pow(10, std::ceil(std::log10(out.most)));
    if (out.most <= out.least)
      out.most = out.least * 10;
  }
  return out;
}

std::string number_text(double value) {
  if (value >= 1e6)
    return fmt::format("{:g}M", value / 1e6);
  if (value >= 1e4)
    return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:g}", value);
}

std::vector<double> ticks_of(axis_scale scale, const range& over) {
  if (scale == axis_scale::linear)
    return round_steps(over.least, over.most, 5);
  std::vector<double> out;
  for (double at = over.least; at <= over.most * 1.001; at *= 10)
    out.push_back(at);
  return out;
}

void add_grid(std::string& out, const plot& what, const axis& x, const axis& y, const range& over_x,
              const range& over_y) {
  for (const auto value : ticks_of(what.y, over_y))
    out += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)"
                       R"(<text x="{}" y="{:.1f}" text-anchor="end">{}</text>)",
                       left, width - right, y.at(value), y.at(value), left - 6, y.at(value) + 4,
                       number_text(value));
  auto ticks = what.x_ticks;
  if (ticks.empty())
    for (const auto value : ticks_of(what.x, over_x))
      ticks.emplace_back(value, number_text(value));
  for (const auto& [value, name] : ticks)
    out += fmt::format(R"(<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>)"
                       R"(<text x="{0:.1f}" y="{3}" text-anchor="middle">{4}</text>)",
                       x.at(value), top, height - bottom, height - bottom + 16, escaped(name));
}

void add_line(std::string& out, const plot_line& line, std::size_t number, const axis& x,
              const axis& y) {
  if (!line.marks) {
    out += fmt::format(R"(<polyline class="line{}" points=")", number);
    for (const auto& [at_x, at_y] : line.points)
      out += fmt::format("{:.1f},{:.1f} ", x.at(at_x), y.at(at_y));
    out += R"("/>)";
  }
  if (line.marks || line.points.size() == 1)
    for (const auto& [at_x, at_y] : line.points)
      out += fmt::format(R"(<circle class="mark{}" cx="{:.1f}" cy="{:.1f}" r="4"/>)", number,
                         x.at(at_x), y.at(at_y));
}

void add_legend(std::string& out, const plot& what) {
  double at = width - right;
  for (std::size_t i = what.lines.size(); i-- > 0;) {
    const auto& name = what.lines[i].name;
    at -= 7.0 * static_cast<double>(name.size()) + 26;
    out += fmt::format(R"(<rect class="mark{}" x="{:.0f}" y="11" width="10" height="10"/>)"
                       R"(<text x="{:.0f}" y="20">{}</text>)",
                       i, at, at + 14, escaped(name));
  }
}

} // namespace

std::vector<double> round_steps(double from, double to, int count) {
  if (!(to > from))
    return {from};
  const double raw = (to - from) / count;
  const double unit = std::pow(10, std::floor(std::log10(raw)));
  const double factor = raw / unit;
  const double step = unit * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
  std::vector<double> out;
  for (double i = std::ceil(from / step); i * step <= to + step * 1e-9; ++i)
    out.push_back(i * step);
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string svg_of(const plot& what) {
  auto over_x = range_of(what, what.x, [](const auto& point) { return point.first; });
  auto over_y = range_of(what, what.y, [](const auto& point) { return point.second; });
  if (what.y == axis_scale::linear) {
    over_y.least = 0;
    over_y.most = std::max(over_y.most * 1.05, 1e-9);
  }
  const axis x(what.x, over_x.least, over_x.most, left, width - right);
  const axis y(what.y, over_y.least, over_y.most, height - bottom, top);
  std::string out = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", width,
                                height, escaped(what.title));
  out += fmt::format(R"(<text class="title" x="{}" y="20">{}</text>)", left, escaped(what.title));
  add_grid(out, what, x, y, over_x, over_y);
  for (std::size_t i = 0; i < what.lines.size(); ++i)
    add_line(out, what.lines[i], i, x, y);
  add_legend(out, what);
  out += fmt::format(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)",
                     (left + width - right) / 2, height - 10, escaped(what.x_label));
  out +=
      fmt::format(R"svg(<text transform="translate(16 {}) rotate(-90)" text-anchor="middle">{})svg"
                  "</text></svg>\n",
                  (top + height - bottom) / 2, escaped(what.y_label));
  return out;
}

} // namespace nexus::load
