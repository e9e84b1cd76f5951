#pragma once

#include <string>
#include <vector>

#include "bench/load/capacity.hpp"
#include "bench/load/options.hpp"
#include "bench/load/run.hpp"

namespace nexus::load {

/// All that a report tells.
struct report_input {
  const run_options& run;
  const run_report& found;
  const std::vector<trial>& trials; ///< of --find-capacity, in their order
};

/// For people, in lines.
[[nodiscard]] std::string text_report(const report_input& of);
/// One line of JSON; bench/load/README.md lists the keys.
[[nodiscard]] std::string json_report(const report_input& of);
/// One page of HTML with plots as SVG, without anything from elsewhere.
[[nodiscard]] std::string html_report(const report_input& of);

/// A time in the unit that suits it: `12.3 us`, `4.56 ms`, `7.89 s`.
[[nodiscard]] std::string time_text(double microseconds);
/// What the load was: `64 connections, closed loop, 10 s`.
[[nodiscard]] std::string load_text(const report_input& of);

} // namespace nexus::load
