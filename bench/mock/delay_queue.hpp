#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace nexus::mock {

/// Values that wait for their time; those of one time come out in the order that they went in. The
/// reactor's own timers count in 4 ms, which is too coarse for a latency.
template <class Value>
class delay_queue {
 public:
  void push(time_point due, Value value) {
    waiting_.push_back({due, next_order_++, std::move(value)});
    std::ranges::push_heap(waiting_, later);
  }
  /// The next value that is due at `now`; empty when there is none.
  std::optional<Value> pop(time_point now) {
    if (waiting_.empty() || waiting_.front().due > now)
      return std::nullopt;
    std::ranges::pop_heap(waiting_, later);
    std::optional<Value> out(std::move(waiting_.back().value));
    waiting_.pop_back();
    return out;
  }
  /// How long nothing is due, `most` at most.
  [[nodiscard]] nanoseconds until_next(time_point now, nanoseconds most) const {
    if (waiting_.empty())
      return most;
    return std::clamp<nanoseconds>(waiting_.front().due - now, nanoseconds(0), most);
  }
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

 private:
  struct entry {
    time_point due;
    std::uint64_t order;
    Value value;
  };
  static bool later(const entry& one, const entry& other) {
    return std::pair(one.due, one.order) > std::pair(other.due, other.order);
  }
  std::vector<entry> waiting_; ///< a heap, the soonest first
  std::uint64_t next_order_ = 0;
};

} // namespace nexus::mock
