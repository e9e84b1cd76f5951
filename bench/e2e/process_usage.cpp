#include "bench/e2e/process_usage.hpp"

#include <cstdio>
#include <cstring>
#include <fmt/core.h>
#include <unistd.h>

namespace nexus::bench {

process_usage usage_of(pid_t pid) {
  process_usage out;
  std::FILE* file = std::fopen(fmt::format("/proc/{}/stat", pid).c_str(), "r");
  if (file == nullptr)
    return out;
  char text[1024];
  const auto size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  text[size] = '\0';
  // The command's name is in parentheses and may hold anything: fields count from the last one.
  const char* rest = std::strrchr(text, ')');
  if (rest == nullptr)
    return out;
  long user = 0;
  long system = 0;
  long child_user = 0;
  long child_system = 0;
  long pages = 0;
  constexpr auto* form = ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld %ld %*d %*d "
                         "%*d %*d %*u %*u %ld";
  if (std::sscanf(rest, form, &user, &system, &child_user, &child_system, &pages) != 5)
    return out;
  const auto ticks = static_cast<double>(user + system + child_user + child_system);
  out.cpu_us = ticks * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  out.rss_bytes =
      static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return out;
}

} // namespace nexus::bench
