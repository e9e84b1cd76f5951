#pragma once

#include <cstdint>
#include <sys/types.h>

namespace nexus::bench {

struct process_usage {
  double cpu_us = 0; ///< user and system time, with that of children already waited for
  std::uint64_t rss_bytes = 0;
};

/// From /proc/PID/stat; the clock there ticks every 10 ms, so a window should last seconds.
/// All zero when the process is gone.
process_usage usage_of(pid_t pid);

} // namespace nexus::bench
