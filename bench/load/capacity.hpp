#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "bench/load/options.hpp"
#include "bench/load/run.hpp"

namespace nexus::load {

/// One rate that was tried.
struct trial {
  double rate = 0;
  double calls_per_second = 0;
  double p99_us = 0;
  double errors_share = 0;
  bool carried = false;
  std::string why_not;
};

/// The highest rate that is carried, by bisection: doubles from `first_rate` (or halves) until one
/// rate is carried and another is not, then halves what is between them until that is narrower
/// than `precision` of the lower one. `attempt` says of a rate how it went.
/// @returns the trials in their order; the best carried one is the answer, of which there is none
///          when not even one call per second was carried
/// @errors what `attempt` reports
using attempt_rate = std::function<result<trial>(double rate)>;
[[nodiscard]] result<std::vector<trial>> bisect_capacity(double first_rate, double precision,
                                                         const attempt_rate& attempt);

/// The highest carried rate of the trials; 0 when there is none.
[[nodiscard]] double best_rate(const std::vector<trial>& trials) noexcept;

/// Whether a run kept the bounds.
[[nodiscard]] trial judge_trial(const run_report& report, const capacity_bounds& bounds);

struct capacity_report {
  std::vector<trial> trials;
  run_report best; ///< the run at the highest carried rate, or the last one
};

/// Finds the capacity of a server by runs of `run`.
/// @errors of run_load()
[[nodiscard]] result<capacity_report> find_capacity(const run_options& run,
                                                    const capacity_bounds& bounds);

} // namespace nexus::load
