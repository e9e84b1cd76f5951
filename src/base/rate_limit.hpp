#pragma once

#include <cstddef>

#include "base/clock.hpp"

namespace nexus {

/// Allows so many events per second and counts what it refuses, for log lines that a peer causes.
class rate_limit {
 public:
  explicit rate_limit(std::size_t events_per_second) : per_second_(events_per_second) {}

  /// @returns true when the event may be shown.
  bool allow(time_point now) noexcept {
    if (now - window_start_ >= seconds(1)) {
      window_start_ = now;
      used_ = 0;
    }
    if (used_ < per_second_) {
      ++used_;
      return true;
    }
    ++suppressed_;
    return false;
  }

  /// The refused events since the last call.
  std::size_t take_suppressed() noexcept {
    const auto count = suppressed_;
    suppressed_ = 0;
    return count;
  }

 private:
  std::size_t per_second_;
  std::size_t used_ = 0;
  std::size_t suppressed_ = 0;
  time_point window_start_{};
};

} // namespace nexus
