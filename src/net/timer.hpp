#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "base/unique_function.hpp"

/// A hierarchical timing wheel: arming and cancelling are O(1), and nothing is allocated.
namespace nexus::net {

class lazy_timer;
class timer_wheel;

/// An intrusive timer. Destroying it cancels it. Lives on its wheel's thread.
class timer {
 public:
  timer() = default;
  explicit timer(unique_function<void()> action) : action_(std::move(action)) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  ~timer();

  void set_action(unique_function<void()> action) { action_ = std::move(action); }
  void cancel() noexcept;
  [[nodiscard]] bool armed() const noexcept { return previous_next_ != nullptr; }

 private:
  friend class timer_wheel;
  unique_function<void()> action_;
  timer* next_ = nullptr;
  timer** previous_next_ = nullptr;
  std::uint64_t due_tick_ = 0;
  timer_wheel* wheel_ = nullptr;      ///< set while armed, and while its action runs
  std::uint8_t level_ = 0, slot_ = 0; ///< where it hangs while armed
};

/// Ticks of 4 ms; a timer fires at or after its time, never before.
class timer_wheel {
 public:
  static constexpr milliseconds tick{4};

  explicit timer_wheel(time_point start);
  ~timer_wheel();
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  /// (Re)arms `t` to fire once, `delay` after `now`. What is longer than ten years counts as that.
  void arm(timer& t, time_point now, nanoseconds delay);
  void arm(lazy_timer& t, time_point now, nanoseconds delay);
  /// Fires what is due. Actions may arm, cancel and destroy any timer.
  /// @returns how many fired
  std::size_t advance(time_point now);
  /// How long the thread may sleep at most; empty when no timer is armed.
  [[nodiscard]] std::optional<nanoseconds> until_next(time_point now) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// While a timer's action runs: a time that has passed, at most a tick ago unless the thread
  /// was late.
  [[nodiscard]] time_point fired_at() const noexcept {
    return start_ + tick * static_cast<std::int64_t>(current_tick_);
  }

 private:
  friend class timer;
  static constexpr std::size_t levels = 5;
  static constexpr std::size_t slots = 64;
  void insert(timer& t) noexcept;
  void unlink(timer& t) noexcept;
  void cascade(std::size_t level, std::size_t slot) noexcept;
  void run(timer& t);
  /// The first tick after the current one at which a slot fires or cascades.
  [[nodiscard]] std::optional<std::uint64_t> next_tick() const noexcept;

  std::array<std::array<timer*, slots>, levels> buckets_{};
  std::array<std::uint64_t, levels> occupied_{};
  time_point start_;
  std::uint64_t current_tick_ = 0; ///< everything due up to and with this tick has fired
  std::size_t size_ = 0;
  timer* running_ = nullptr; ///< whose action runs; null again once that action destroyed it
};

/// A timer for what is armed and cancelled with every message and hardly ever fires. Arming it
/// again for later and cancelling it only note the time; it stays where it hangs, and looks at
/// the note when it comes to its place. Otherwise as timer.
class lazy_timer {
 public:
  lazy_timer() = default;
  explicit lazy_timer(unique_function<void()> action) { set_action(std::move(action)); }

  void set_action(unique_function<void()> action);
  void cancel() noexcept { due_ = never; }
  [[nodiscard]] bool armed() const noexcept { return due_ != never; }

 private:
  friend class timer_wheel;
  static constexpr time_point never = time_point::max();
  /// @returns whether it is due; if it is only later, hangs itself up again
  [[nodiscard]] bool comes_due();

  time_point due_ = never;
  time_point looked_at_; ///< when `inner_`, while that is armed, fires
  timer_wheel* wheel_ = nullptr;
  timer inner_;
};

} // namespace nexus::net
