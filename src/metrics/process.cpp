#include "metrics/process.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace nexus::metrics {
namespace {

std::string read_file(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Seconds since the epoch at which the machine started: `btime` of /proc/stat.
double boot_time_seconds() {
  const std::string text = read_file("/proc/stat");
  const std::size_t at = text.find("\nbtime ");
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + 7, nullptr);
}

} // namespace

process_sample read_process() {
  process_sample sample;
  const std::string text = read_file("/proc/self/stat");
  // The second field is the program's name in parentheses and may hold spaces and parentheses.
  const std::size_t name_end = text.rfind(')');
  if (name_end != std::string::npos) {
    std::istringstream in(text.substr(name_end + 1));
    std::string skipped;
    std::uint64_t user = 0, system = 0, threads = 0, started = 0, size = 0, pages = 0;
    for (int field = 3; field < 14; ++field)
      in >> skipped;
    in >> user >> system; // 14, 15
    for (int field = 16; field < 20; ++field)
      in >> skipped;
    in >> threads >> skipped >> started >> size >> pages; // 20, 22, 23, 24
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    sample.cpu_seconds = static_cast<double>(user + system) / ticks;
    sample.start_time_seconds = boot_time_seconds() + static_cast<double>(started) / ticks;
    sample.threads = threads;
    sample.virtual_bytes = size;
    sample.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  std::error_code ignored;
  for (std::filesystem::directory_iterator it("/proc/self/fd", ignored), end; it != end;
       it.increment(ignored))
    ++sample.open_fds;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    sample.max_fds = limit.rlim_cur;
  return sample;
}

void write_process(family_writer& out, const process_sample& sample) {
  out.counter("process_cpu_seconds_total", "CPU time of the process, user and system.");
  out.value(sample.cpu_seconds);
  out.gauge("process_start_time_seconds", "When the process started, since the epoch.");
  out.value(sample.start_time_seconds);
  out.gauge("process_resident_memory_bytes", "Resident memory.");
  out.value(static_cast<double>(sample.resident_bytes));
  out.gauge("process_virtual_memory_bytes", "Virtual memory.");
  out.value(static_cast<double>(sample.virtual_bytes));
  out.gauge("process_open_fds", "Open file descriptors.");
  out.value(static_cast<double>(sample.open_fds));
  out.gauge("process_max_fds", "File descriptors that may be open.");
  out.value(static_cast<double>(sample.max_fds));
  out.gauge("process_threads", "Threads of the process.");
  out.value(static_cast<double>(sample.threads));
}

} // namespace nexus::metrics
