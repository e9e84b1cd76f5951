#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "bench/load/options.hpp"
#include "bench/load/recorder.hpp"

namespace nexus::load {

/// What one run found.
struct run_report {
  explicit run_report(recorder all) : seen(std::move(all)) {}

  recorder seen;
  double seconds = 0; ///< of the window
  double rate = 0;    ///< calls per second that were due; 0: closed loop
  double own_cpu_us = 0;
  std::vector<double> watched_cpu_us;
  std::vector<std::uint64_t> watched_rss_bytes;
  std::string reactor;

  [[nodiscard]] double calls_per_second() const noexcept {
    return static_cast<double>(seen.calls) / seconds;
  }
  /// The share of answers that were wrong, refused or missing.
  [[nodiscard]] double errors_share() const noexcept;
};

/// Runs the load and waits for its end. With `progress` a line a second goes to standard error.
/// @errors what kept it from starting: unreachable server, refused handshake, a child that ended
[[nodiscard]] result<run_report> run_load(const run_options& run);

/// Ends a run without a report; safe in a signal handler.
void interrupt_run() noexcept;

} // namespace nexus::load
