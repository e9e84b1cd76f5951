// nexus_e2e_load: the load generator of the end-to-end measurements. It shares no code with the
// product, so that a mistake in one cannot hide in the other.

#include "bench/e2e/json_scan.hpp"
#include "bench/e2e/load_engine.hpp"
#include "bench/e2e/load_options.hpp"

#include <csignal>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <string>
#include <sys/prctl.h>

namespace {

std::string quantiles(const nexus::bench::histogram& times) {
  return fmt::format(
      R"("p50_us":{:.1f},"p90_us":{:.1f},"p99_us":{:.1f},"p999_us":{:.1f},"max_us":{:.1f})",
      times.quantile_us(0.5), times.quantile_us(0.9), times.quantile_us(0.99),
      times.quantile_us(0.999), times.max_us());
}

void print(const nexus::bench::load_report& report) {
  const auto& errors = report.errors;
  std::string first;
  nexus::bench::append_escaped(first, errors.first);
  fmt::print(R"({{"calls":{},"seconds":{:.3f},"rps":{:.1f},{},"bytes_in":{},"bytes_out":{},)",
             report.calls, report.seconds, static_cast<double>(report.calls) / report.seconds,
             quantiles(report.latency), report.bytes_in, report.bytes_out);
  fmt::print(R"("errors":{},"errors_by_kind":{{"transport":{},"http":{},"id":{},"result":{},)"
             R"("timeout":{}}},"first_error":"{}",)",
             errors.total(), errors.transport, errors.http, errors.id, errors.result,
             errors.timeout, first);
  fmt::print(R"("refused":{},"refusal":{{{}}},"backlog":{},)", report.refusal.count(),
             quantiles(report.refusal), report.backlog);
  fmt::print(R"("own_cpu_us":{:.0f},"watched_cpu_us":[{:.0f}],"watched_rss_bytes":[{}]}})"
             "\n",
             report.own_cpu_us, fmt::join(report.watched_cpu_us, ","),
             fmt::join(report.watched_rss_bytes, ","));
}

} // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  // The default slack of 50 microseconds would blur the arrivals of an open loop.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  const auto options = nexus::bench::parse_load_options(argc, argv);
  nexus::bench::raise_file_limit();
  nexus::bench::load_engine engine{options};
  const auto report = engine.run();
  print(report);
  return report.errors.total() == 0 && report.calls > 0 ? 0 : 2;
}
