#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// When calls are due: a schedule that does not look at the server.
namespace nexus::load {

/// A stretch of a run. Rates are calls per second of the whole generator; a closed loop has none
/// and may have a number of connections that are in use.
struct stage {
  double seconds = 0;
  double from_rate = 0;
  double to_rate = 0;  ///< reached evenly
  int connections = 0; ///< closed loop: 0 is all
};

/// `RATE:SECONDS` and `FROM-TO:SECONDS`, separated by commas; with `c` behind the number it is of
/// connections in use: `8c:10,64c:10`.
/// @errors invalid_argument, with the part that is wrong
[[nodiscard]] result<std::vector<stage>> parse_stages(std::string_view text);
/// As parse_stages() reads them.
[[nodiscard]] std::string stages_text(const std::vector<stage>& stages);

enum class arrivals { even, poisson };

/// The due times of one thread's share of the calls.
///
/// Calls are counted by the integral of the rate over time: call k is due where that integral is k,
/// or, with Poisson arrivals, where it is the sum of k draws from the unit exponential
/// distribution. Hence ramps of both kinds cost one square root.
class pacer {
 public:
  /// Of `shares` threads this is number `share`: even arrivals interleave without a gap.
  pacer(std::vector<stage> stages, arrivals kind, unsigned share, unsigned shares,
        std::uint32_t seed);

  /// When the next call is due, in nanoseconds since the start; empty when all stages are over.
  [[nodiscard]] std::optional<std::int64_t> due_ns() const noexcept { return due_ns_; }
  /// Goes on to the call after it.
  void advance();
  /// All stages together.
  [[nodiscard]] std::int64_t end_ns() const noexcept;

 private:
  void find_due();

  std::vector<stage> stages_;
  arrivals kind_;
  double step_;               ///< calls of all threads from one of ours to the next
  double calls_ = 0;          ///< the integral at the next call, of all threads
  std::size_t at_ = 0;        ///< the stage of the next call
  double calls_before_ = 0;   ///< the integral at the beginning of that stage
  double seconds_before_ = 0; ///< when it begins
  std::optional<std::int64_t> due_ns_;
  std::minstd_rand random_;
};

/// How many connections a closed loop uses at a time since the start; 0 is all.
[[nodiscard]] int connections_at(const std::vector<stage>& stages, std::int64_t since_ns) noexcept;

} // namespace nexus::load
