#pragma once

#include <cstdint>

#include "metrics/families.hpp"

namespace nexus::metrics {

/// What the kernel says about this process. A number that it does not tell is zero.
struct process_sample {
  double cpu_seconds = 0;
  double start_time_seconds = 0; ///< since the epoch
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t threads = 0;
};

/// @source proc(5): stat, fd; getrlimit(2)
[[nodiscard]] process_sample read_process();

/// The families that every Prometheus client library has, under their customary names.
void write_process(family_writer& out, const process_sample& sample);

} // namespace nexus::metrics
