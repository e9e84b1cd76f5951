#include "bench/load/capacity.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <optional>

namespace nexus::load {
namespace {

/// Below one call per second, and beyond this many doublings, nothing is looked for.
constexpr double rate_least = 1;
constexpr int doublings_max = 32;
/// A server that keeps up answers nearly all that is due: what is missing is in flight at the end,
/// or was not drawn by random arrivals, whose number varies by its square root.
constexpr double kept_up_share = 0.98;

} // namespace

result<std::vector<trial>> bisect_capacity(double first_rate, double precision,
                                           const attempt_rate& attempt) {
  std::vector<trial> out;
  double low = 0, high = 0;
  const auto step = [&](double rate) -> result<bool> {
    auto tried = attempt(rate);
    if (!tried)
      return std::unexpected(tried.error());
    const bool carried = tried->carried;
    (carried ? low : high) = rate;
    out.push_back(std::move(*tried));
    return carried;
  };
  double rate = std::max(first_rate, rate_least);
  for (int i = 0; i < doublings_max && (low == 0 || high == 0); ++i) {
    const auto carried = step(rate);
    if (!carried)
      return std::unexpected(carried.error());
    if (!*carried && rate == rate_least)
      break;
    rate = *carried ? rate * 2 : std::max(rate / 2, rate_least);
  }
  while (low > 0 && high > 0 && high - low > precision * low)
    if (const auto carried = step((low + high) / 2); !carried)
      return std::unexpected(carried.error());
  return out;
}

double best_rate(const std::vector<trial>& trials) noexcept {
  double best = 0;
  for (const auto& one : trials)
    if (one.carried)
      best = std::max(best, one.rate);
  return best;
}

trial judge_trial(const run_report& report, const capacity_bounds& bounds) {
  trial out;
  out.rate = report.rate;
  out.calls_per_second = report.calls_per_second();
  out.p99_us = report.seen.latency.quantile_us(0.99);
  out.errors_share = report.errors_share();
  if (out.errors_share > bounds.errors_share)
    out.why_not = fmt::format("{:.2f} % wrong, refused or missing", 100 * out.errors_share);
  else if (const double due = out.rate * report.seconds;
           static_cast<double>(report.seen.calls) < kept_up_share * due - 3 * std::sqrt(due))
    out.why_not = fmt::format("only {:.0f} calls/s were answered", out.calls_per_second);
  else if (out.p99_us > bounds.p99_ms * 1000)
    out.why_not = fmt::format("p99 is {:.2f} ms", out.p99_us / 1000);
  out.carried = out.why_not.empty();
  return out;
}

result<capacity_report> find_capacity(const run_options& run, const capacity_bounds& bounds) {
  auto one = run;
  double first = bounds.first_rate;
  if (first == 0) {
    one.stages.clear();
    const auto closed = run_load(one);
    if (!closed)
      return std::unexpected(closed.error());
    first = closed->calls_per_second() / 2;
  }
  std::optional<run_report> best, last;
  const auto attempt = [&](double rate) -> result<trial> {
    one.stages = {{one.seconds, rate, rate, 0}};
    auto report = run_load(one);
    if (!report)
      return std::unexpected(report.error());
    auto judged = judge_trial(*report, bounds);
    if (run.progress)
      fmt::print(stderr, "{:.0f} calls/s: {}, p99 {:.2f} ms\n", rate,
                 judged.carried ? "carried" : "not carried, " + judged.why_not,
                 judged.p99_us / 1000);
    if (judged.carried && (!best || best->rate < rate))
      best = *report;
    last = std::move(*report);
    return judged;
  };
  auto trials = bisect_capacity(first, bounds.precision, attempt);
  if (!trials)
    return std::unexpected(trials.error());
  return capacity_report{std::move(*trials), best ? std::move(*best) : std::move(*last)};
}

} // namespace nexus::load
