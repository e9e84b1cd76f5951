#include "net/timer.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"

// Ticks are written in base 64. A timer hangs on the level of the highest digit in which its due
// tick differs from the current one, in the slot named by that digit of its due tick. So every
// timer of level 0 is due before the next slot of level 1 begins, and so on upwards: the lowest
// occupied level holds the next event. The top level is circular; what lies beyond its reach
// waits in its farthest slot and is placed anew from there.
namespace nexus::net {
namespace {

constexpr unsigned digit_bits = 6;
constexpr std::uint64_t digit_mask = 63;
constexpr nanoseconds delay_max = std::chrono::hours(24 * 3653);
using ticks = std::chrono::duration<
    std::int64_t, std::ratio_multiply<milliseconds::period, std::ratio<timer_wheel::tick.count()>>>;

constexpr std::uint64_t digit(std::uint64_t tick, std::size_t level) noexcept {
  return (tick >> (digit_bits * level)) & digit_mask;
}

} // namespace

timer::~timer() {
  if (wheel_ != nullptr && wheel_->running_ == this)
    wheel_->running_ = nullptr;
  cancel();
}

void timer::cancel() noexcept {
  if (!armed())
    return;
  wheel_->unlink(*this);
  if (wheel_->running_ != this)
    wheel_ = nullptr;
}

void lazy_timer::set_action(unique_function<void()> action) {
  // The wheel holds what it runs, so that the action may destroy this.
  inner_.set_action([this, act = std::move(action)]() mutable {
    if (comes_due())
      act();
  });
}

bool lazy_timer::comes_due() {
  if (due_ == never)
    return false;
  const time_point now = wheel_->fired_at();
  if (due_ > now) {
    wheel_->arm(*this, now, due_ - now);
    return false;
  }
  due_ = never;
  return true;
}

timer_wheel::timer_wheel(time_point start) : start_(start) {}

timer_wheel::~timer_wheel() {
  for (auto& level : buckets_)
    for (timer* head : level)
      while (head != nullptr) {
        timer* const t = std::exchange(head, head->next_);
        t->next_ = nullptr;
        t->previous_next_ = nullptr;
        t->wheel_ = nullptr;
      }
}

void timer_wheel::arm(timer& t, time_point now, nanoseconds delay) {
  t.cancel();
  const nanoseconds due = now - start_ + std::clamp(delay, nanoseconds::zero(), delay_max);
  const auto due_tick = std::max<std::int64_t>(0, std::chrono::ceil<ticks>(due).count());
  t.due_tick_ = std::max(static_cast<std::uint64_t>(due_tick), current_tick_ + 1);
  t.wheel_ = this;
  insert(t);
}

void timer_wheel::arm(lazy_timer& t, time_point now, nanoseconds delay) {
  const auto wait = std::clamp(delay, nanoseconds::zero(), delay_max);
  t.due_ = now + wait;
  if (t.inner_.armed() && t.looked_at_ <= t.due_)
    return;
  t.looked_at_ = t.due_;
  t.wheel_ = this;
  arm(t.inner_, now, wait);
}

void timer_wheel::insert(timer& t) noexcept {
  constexpr std::size_t top = levels - 1;
  const auto differing = static_cast<std::size_t>(std::bit_width(t.due_tick_ ^ current_tick_));
  std::size_t level = differing == 0 ? 0 : (differing - 1) / digit_bits;
  std::uint64_t place = t.due_tick_;
  if (level >= top) {
    level = top;
    const std::uint64_t reach = (current_tick_ >> (digit_bits * top)) + digit_mask;
    place = std::min(place, reach << (digit_bits * top));
  }
  const std::uint64_t slot = digit(place, level);
  t.level_ = static_cast<std::uint8_t>(level);
  t.slot_ = static_cast<std::uint8_t>(slot);
  timer*& head = buckets_[level][slot];
  t.next_ = head;
  t.previous_next_ = &head;
  if (head != nullptr)
    head->previous_next_ = &t.next_;
  head = &t;
  occupied_[level] |= std::uint64_t{1} << slot;
  ++size_;
}

void timer_wheel::unlink(timer& t) noexcept {
  *t.previous_next_ = t.next_;
  if (t.next_ != nullptr)
    t.next_->previous_next_ = t.previous_next_;
  t.next_ = nullptr;
  t.previous_next_ = nullptr;
  if (buckets_[t.level_][t.slot_] == nullptr)
    occupied_[t.level_] &= ~(std::uint64_t{1} << t.slot_);
  --size_;
}

void timer_wheel::cascade(std::size_t level, std::size_t slot) noexcept {
  while (timer* const t = buckets_[level][slot]) {
    unlink(*t);
    insert(*t);
  }
}

std::optional<std::uint64_t> timer_wheel::next_tick() const noexcept {
  constexpr std::size_t top = levels - 1;
  for (std::size_t level = 0; level < top; ++level) {
    const std::uint64_t here = digit(current_tick_, level);
    const std::uint64_t later = here == digit_mask ? 0 : occupied_[level] >> (here + 1);
    if (later == 0)
      continue;
    const unsigned shift = digit_bits * static_cast<unsigned>(level);
    const auto distance = static_cast<std::uint64_t>(std::countr_zero(later)) + 1;
    return ((current_tick_ >> shift) + distance) << shift;
  }
  if (occupied_[top] == 0)
    return std::nullopt;
  constexpr unsigned shift = digit_bits * top;
  const auto here = static_cast<int>(digit(current_tick_, top));
  const auto distance =
      static_cast<std::uint64_t>(std::countr_zero(std::rotr(occupied_[top], here + 1))) + 1;
  return ((current_tick_ >> shift) + distance) << shift;
}

void timer_wheel::run(timer& t) {
  unlink(t);
  running_ = &t;
  // The action is held here while it runs, since it may destroy or re-arm its timer.
  auto action = std::move(t.action_);
  if (action)
    action();
  if (running_ == nullptr)
    return;
  running_ = nullptr;
  if (!t.action_)
    t.action_ = std::move(action);
  if (!t.armed())
    t.wheel_ = nullptr;
}

std::size_t timer_wheel::advance(time_point now) {
  NEXUS_DASSERT(running_ == nullptr);
  const auto elapsed = std::max<std::int64_t>(0, (now - start_) / tick);
  const auto target = static_cast<std::uint64_t>(elapsed);
  std::size_t fired = 0;
  while (current_tick_ < target) {
    const auto next = next_tick();
    if (!next || *next > target) {
      current_tick_ = target;
      break;
    }
    current_tick_ = *next;
    for (std::size_t level = levels - 1; level > 0; --level)
      if ((current_tick_ & ((std::uint64_t{1} << (digit_bits * level)) - 1)) == 0)
        cascade(level, digit(current_tick_, level));
    const std::uint64_t slot = digit(current_tick_, 0);
    while (timer* const t = buckets_[0][slot]) {
      run(*t);
      ++fired;
    }
  }
  return fired;
}

std::optional<nanoseconds> timer_wheel::until_next(time_point now) const noexcept {
  const auto next = next_tick();
  if (!next)
    return std::nullopt;
  const time_point at = start_ + tick * static_cast<std::int64_t>(*next);
  return std::max(nanoseconds::zero(), nanoseconds(at - now));
}

} // namespace nexus::net
