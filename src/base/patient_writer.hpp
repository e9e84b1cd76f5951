#pragma once

#include <atomic>
#include <string_view>

#include "base/clock.hpp"

namespace nexus {

/// Writes to a descriptor whose reader may stall and whose open file description others share, so
/// that it may or may not block: stderr. Loses nothing until it is hurried.
class patient_writer {
 public:
  /// @pre `fd` stays open for the object's life
  explicit patient_writer(int fd) noexcept : fd_(fd) {}

  /// Writes all of `text`, waiting for room. The rest is dropped when the descriptor is broken or
  /// when the time after hurry() is over. @returns whether everything was written
  bool write(std::string_view text);
  /// From now on write() waits for `at_most` in all.
  /// @thread any
  void hurry(milliseconds at_most) noexcept;

 private:
  [[nodiscard]] bool wait_for_room();

  const int fd_;
  std::atomic<bool> hurried_{false};
  std::atomic<milliseconds::rep> remaining_ms_{0}; // once hurried
};

} // namespace nexus
