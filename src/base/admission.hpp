#pragma once

#include <atomic>
#include <cstddef>

namespace nexus {

/// Counts what is open of a kind and admits no more than a limit, however many threads ask at once.
/// @thread any
class admission {
 public:
  explicit admission(std::size_t limit) noexcept : limit_(limit) {}

  /// Takes a place, which release() gives back. @returns false when all are taken
  [[nodiscard]] bool admit() noexcept {
    auto taken = taken_.load(std::memory_order_relaxed);
    do {
      if (taken >= limit_)
        return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
  }
  void release() noexcept { taken_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t taken() const noexcept {
    return taken_.load(std::memory_order_relaxed);
  }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> taken_{0};
};

} // namespace nexus
