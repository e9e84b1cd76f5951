#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "bench/load/plot.hpp"
#include "bench/load/report.hpp"

namespace nexus::load {
namespace {

constexpr std::string_view page_head = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nexus-bench</title><style>
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #667; --grid: #e3e5ea;
  --c0: #1f6feb; --c1: #d9480f; --c2: #8250df; --c3: #2b8a3e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e4e7ec; --soft: #9aa3b2;
  --grid: #2b3038; --c0: #6cb0ff; --c1: #ff9b5e; --c2: #c3a1ff; --c3: #6fd08c; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 800px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.3em; overflow-wrap: anywhere; } h2 { font-size: 1.05em; margin-top: 2em; }
pre, table { font-size: 13px; } pre { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: 2px 12px 2px 0; text-align: right; }
td:first-child, th:first-child { text-align: left; }
svg { width: 100%; height: auto; margin: 1em 0; } svg text { font: 12px system-ui, sans-serif;
  fill: var(--soft); } svg .title { font-weight: 600; fill: var(--ink); }
.grid { stroke: var(--grid); } polyline { fill: none; stroke-width: 1.8; }
.line0 { stroke: var(--c0); } .line1 { stroke: var(--c1); } .line2 { stroke: var(--c2); }
.line3 { stroke: var(--c3); } .mark0 { fill: var(--c0); } .mark1 { fill: var(--c1); }
.mark2 { fill: var(--c2); } .mark3 { fill: var(--c3); }
</style></head><body>
)";

/// Quantiles by how many nines they have, as HdrHistogram's plots show them.
plot percentile_plot(const report_input& of) {
  static constexpr std::array<double, 6> tails{1, 0.1, 0.01, 0.001, 1e-4, 1e-5};
  static constexpr std::array<const char*, 6> names{"0",      "90 %",    "99 %",
                                                    "99.9 %", "99.99 %", "99.999 %"};
  plot out;
  out.title = "Latency by percentile";
  out.x_label = "percentile";
  out.y_label = "ms";
  out.y = axis_scale::logarithmic;
  const auto line_of = [](std::string name, const histogram& times) {
    plot_line line{std::move(name), {}, false};
    // Beyond one call in a hundred thousand, or than there are calls, there is nothing to show.
    for (double nines = 0; nines <= 5; nines += 0.05) {
      const double tail = std::pow(10, -nines);
      if (tail * static_cast<double>(times.count()) < 1)
        break;
      line.points.emplace_back(nines, times.quantile_us(1 - tail) / 1000);
    }
    return line;
  };
  const auto& seen = of.found.seen;
  out.lines.push_back(line_of(of.found.rate > 0 ? "from due" : "latency", seen.latency));
  if (of.found.rate > 0)
    out.lines.push_back(line_of("from send", seen.service));
  const double most = out.lines[0].points.empty() ? 0 : out.lines[0].points.back().first;
  for (std::size_t i = 0; i < tails.size(); ++i)
    if (static_cast<double>(i) <= most)
      out.x_ticks.emplace_back(static_cast<double>(i), names[i]);
  return out;
}

plot throughput_plot(const report_input& of) {
  plot out;
  out.title = "Throughput over time";
  out.x_label = "s";
  out.y_label = "calls/s";
  plot_line right{"right", {}, false}, wrong{"errors", {}, false};
  double at = 0;
  for (const auto& one : of.found.seen.seconds) {
    // The last second may be a part of one.
    const double width = std::min(1.0, of.found.seconds - at);
    right.points.emplace_back(at, static_cast<double>(one.calls) / width);
    wrong.points.emplace_back(at, static_cast<double>(one.errors) / width);
    ++at;
  }
  out.lines.push_back(std::move(right));
  if (of.found.seen.errors.total() > 0)
    out.lines.push_back(std::move(wrong));
  return out;
}

plot latency_plot(const report_input& of) {
  plot out;
  out.title = "Latency over time, by when calls were due";
  out.x_label = "s";
  out.y_label = "ms";
  out.y = axis_scale::logarithmic;
  plot_line p50{"p50", {}, false}, p99{"p99", {}, false}, most{"max", {}, false};
  double at = 0;
  for (const auto& one : of.found.seen.seconds) {
    if (one.latency.count() > 0) {
      p50.points.emplace_back(at, one.latency.quantile_us(0.5) / 1000);
      p99.points.emplace_back(at, one.latency.quantile_us(0.99) / 1000);
      most.points.emplace_back(at, one.latency.max_us() / 1000);
    }
    ++at;
  }
  out.lines = {std::move(p50), std::move(p99), std::move(most)};
  return out;
}

plot capacity_plot(const report_input& of) {
  plot out;
  out.title = "Rates that were tried";
  out.x_label = "calls/s";
  out.y_label = "p99, ms";
  out.y = axis_scale::logarithmic;
  plot_line carried{"carried", {}, true}, refused{"not carried", {}, true};
  for (const auto& one : of.trials)
    (one.carried ? carried : refused).points.emplace_back(one.rate, one.p99_us / 1000);
  out.lines = {std::move(carried), std::move(refused)};
  return out;
}

std::string operations_table(const report_input& of) {
  std::string out = "<h2>Operations</h2>\n<table><tr><th>operation</th><th>calls</th>"
                    "<th>errors</th><th>p50</th><th>p90</th><th>p99</th><th>max</th></tr>\n";
  for (std::size_t i = 0; i < of.found.seen.operations.size(); ++i) {
    const auto& one = of.found.seen.operations[i];
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td>",
                       escaped(of.run.work.operations[i].name), one.calls, one.errors);
    for (const double quantile : {0.5, 0.9, 0.99, 1.0})
      out += fmt::format("<td>{}</td>", time_text(one.latency.quantile_us(quantile)));
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

} // namespace

std::string html_report(const report_input& of) {
  std::string out(page_head);
  out += fmt::format("<h1>{}</h1>\n<p>{}</p>\n", escaped(of.run.to.to_string()),
                     escaped(load_text(of)));
  out += fmt::format("<pre>{}</pre>\n", escaped(text_report(of)));
  if (!of.trials.empty())
    out += svg_of(capacity_plot(of));
  out += svg_of(percentile_plot(of));
  out += svg_of(throughput_plot(of));
  out += svg_of(latency_plot(of));
  out += operations_table(of);
  return out + "</body></html>\n";
}

} // namespace nexus::load
