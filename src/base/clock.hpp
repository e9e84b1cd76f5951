#pragma once

#include <chrono>

namespace nexus {

/// Monotonic time: deadlines, timers, durations.
using time_point = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// Where time comes from. Code under test takes one of these; only `system_clock_source`
/// reads the real clocks.
class clock {
 public:
  virtual ~clock() = default;
  [[nodiscard]] virtual time_point now() const noexcept = 0;
  /// Wall time, for logs and expiries that leave the process.
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall_now() const noexcept = 0;
};

/// The real clocks.
class system_clock_source final : public clock {
 public:
  [[nodiscard]] time_point now() const noexcept override;
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const noexcept override;
};

} // namespace nexus
