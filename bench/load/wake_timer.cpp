#include "bench/load/wake_timer.hpp"

#include <sys/timerfd.h>
#include <utility>

#include "base/assert.hpp"

namespace nexus::load {

wake_timer::wake_timer(net::reactor& on)
    : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  NEXUS_ASSERT(fd_ >= 0);
  stream_ = on.adopt(fd_, -1);
  stream_->set_handler(*this);
}

void wake_timer::arm(std::int64_t at_ns) noexcept {
  if (std::exchange(armed_ns_, at_ns) == at_ns)
    return;
  constexpr std::int64_t second_ns = 1'000'000'000;
  itimerspec at{};
  at.it_value.tv_sec = at_ns / second_ns;
  at.it_value.tv_nsec = at_ns % second_ns;
  ::timerfd_settime(fd_, TFD_TIMER_ABSTIME, &at, nullptr);
}

} // namespace nexus::load
