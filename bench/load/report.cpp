#include "bench/load/report.hpp"

#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>
#include <numeric>

#include "json/write.hpp"

namespace nexus::load {
namespace {

constexpr std::array<double, 12> reported_quantiles{0,    0.1,  0.25,  0.5,   0.75,   0.9,
                                                    0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999};

std::string quantiles_json(const histogram& times) {
  return fmt::format(
      R"("p50_us":{:.1f},"p90_us":{:.1f},"p99_us":{:.1f},"p999_us":{:.1f},"max_us":{:.1f})",
      times.quantile_us(0.5), times.quantile_us(0.9), times.quantile_us(0.99),
      times.quantile_us(0.999), times.max_us());
}

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double per_call(double microseconds, std::uint64_t calls) {
  return calls == 0 ? 0 : microseconds / static_cast<double>(calls);
}

double mebibytes(const std::vector<std::uint64_t>& sizes) {
  return static_cast<double>(std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0})) /
         (1024 * 1024);
}

std::string errors_json(const error_counts& errors) {
  std::string out = "{";
  for (std::size_t i = 0; i < error_class_names.size(); ++i)
    out += fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", error_class_names[i], errors.by_class[i]);
  return out + "}";
}

std::string operations_json(const report_input& of) {
  std::string out = "[";
  for (std::size_t i = 0; i < of.run.work.operations.size(); ++i) {
    const auto& seen = of.found.seen.operations[i];
    out += fmt::format(R"({}{{"name":{},"calls":{},"errors":{},{}}})", i == 0 ? "" : ",",
                       quoted(of.run.work.operations[i].name), seen.calls, seen.errors,
                       quantiles_json(seen.latency));
  }
  return out + "]";
}

std::string seconds_json(const std::vector<second_record>& seconds) {
  std::string out = "[";
  for (const auto& one : seconds)
    out += fmt::format(R"({}{{"calls":{},"errors":{},"due":{},"p50_us":{:.1f},"p99_us":{:.1f},)"
                       R"("max_us":{:.1f}}})",
                       out.size() == 1 ? "" : ",", one.calls, one.errors, one.latency.count(),
                       one.latency.quantile_us(0.5), one.latency.quantile_us(0.99),
                       one.latency.max_us());
  return out + "]";
}

std::string percentiles_json(const histogram& times) {
  std::string out = "[";
  for (const auto quantile : reported_quantiles)
    out += fmt::format("{}[{:.5g},{:.1f}]", out.size() == 1 ? "" : ",", quantile,
                       times.quantile_us(quantile));
  return out + "]";
}

std::string subscribers_json(const subscriber_record& seen) {
  const auto& each = seen.notifications;
  return fmt::format(
      R"({{"count":{},"streams":{},"ended":{},"notifications":{},"least":{},"most":{}}})",
      each.size(), seen.opened, seen.ended,
      std::accumulate(each.begin(), each.end(), std::uint64_t{0}),
      each.empty() ? 0 : *std::min_element(each.begin(), each.end()),
      each.empty() ? 0 : *std::max_element(each.begin(), each.end()));
}

std::string trials_json(const std::vector<trial>& trials) {
  std::string out = "[";
  for (const auto& one : trials)
    out += fmt::format(R"({}{{"rate":{:.1f},"rps":{:.1f},"p99_us":{:.1f},"errors_share":{:.6f},)"
                       R"("carried":{},"why_not":{}}})",
                       out.size() == 1 ? "" : ",", one.rate, one.calls_per_second, one.p99_us,
                       one.errors_share, one.carried, quoted(one.why_not));
  return out + "]";
}

void add_errors(std::string& out, const error_counts& errors) {
  if (errors.total() == 0)
    return;
  out += fmt::format("errors     {}:", errors.total());
  for (std::size_t i = 0; i < error_class_names.size(); ++i)
    if (errors.by_class[i] > 0)
      out += fmt::format(" {} {}", errors.by_class[i], error_class_names[i]);
  out += '\n';
  for (std::size_t i = 0; i < error_class_names.size(); ++i)
    if (errors.by_class[i] > 0)
      out += fmt::format("           first {}: {}\n", error_class_names[i], errors.first[i]);
}

void add_processes(std::string& out, const report_input& of) {
  const auto calls = of.found.seen.calls;
  for (std::size_t i = 0; i < of.run.watched.size(); ++i)
    out += fmt::format("process    {}: {:.1f} us of CPU per call, {:.0f} % of a core, {:.1f} MiB\n",
                       of.run.watched[i], per_call(of.found.watched_cpu_us[i], calls),
                       of.found.watched_cpu_us[i] / of.found.seconds / 1e4,
                       static_cast<double>(of.found.watched_rss_bytes[i]) / (1024 * 1024));
  out += fmt::format("generator  {:.1f} us of CPU per call, {:.0f} % of a core, {}\n",
                     per_call(of.found.own_cpu_us, calls),
                     of.found.own_cpu_us / of.found.seconds / 1e4, of.found.reactor);
}

void add_times(std::string& out, std::string_view name, const histogram& times) {
  out += fmt::format("{:<10} p50 {}, p90 {}, p99 {}, p99.9 {}, max {}\n", name,
                     time_text(times.quantile_us(0.5)), time_text(times.quantile_us(0.9)),
                     time_text(times.quantile_us(0.99)), time_text(times.quantile_us(0.999)),
                     time_text(times.max_us()));
}

} // namespace

std::string time_text(double microseconds) {
  if (microseconds < 1000)
    return fmt::format("{:.1f} us", microseconds);
  if (microseconds < 1e6)
    return fmt::format("{:.2f} ms", microseconds / 1000);
  return fmt::format("{:.2f} s", microseconds / 1e6);
}

std::string load_text(const report_input& of) {
  std::string out =
      fmt::format("{} connection{}", of.run.connections, of.run.connections == 1 ? "" : "s");
  if (of.run.in_flight > 1)
    out += fmt::format(" of {} calls", of.run.in_flight);
  out += of.found.rate > 0 ? fmt::format(", open loop of {:.0f} calls/s", of.found.rate)
                           : std::string(", closed loop");
  if (of.found.rate > 0 && of.run.spacing == arrivals::poisson)
    out += " (Poisson)";
  const auto& stages = of.run.stages;
  if (stages.size() > 1 || (!stages.empty() && stages[0].from_rate != stages[0].to_rate))
    out += fmt::format("{} in stages {}", of.found.rate > 0 ? " on average," : "",
                       stages_text(stages));
  return out + fmt::format(", {:g} s", of.found.seconds);
}

std::string text_report(const report_input& of) {
  const auto& seen = of.found.seen;
  std::string out = fmt::format("{}\n{}\n\n", of.run.to.to_string(), load_text(of));
  for (const auto& one : of.trials)
    out += fmt::format("tried      {:.0f} calls/s: {}\n", one.rate,
                       one.carried ? fmt::format("carried, p99 {}", time_text(one.p99_us))
                                   : "not carried, " + one.why_not);
  if (!of.trials.empty())
    out +=
        fmt::format("capacity   {:.0f} calls/s; the rest is of that run\n", best_rate(of.trials));
  out += fmt::format("calls      {} right, {:.1f} per second\n", seen.calls,
                     of.found.calls_per_second());
  add_times(out, "latency", seen.latency);
  if (of.found.rate > 0) {
    add_times(out, "from send", seen.service);
    if (seen.backlog > 0)
      out +=
          fmt::format("backlog    {} calls never left; the latency has their wait\n", seen.backlog);
  }
  if (seen.refusal.count() > 0)
    out += fmt::format("refused    {} (429 or 503), p50 {}\n", seen.refusal.count(),
                       time_text(seen.refusal.quantile_us(0.5)));
  add_errors(out, seen.errors);
  if (seen.operations.size() > 1)
    for (std::size_t i = 0; i < seen.operations.size(); ++i)
      out += fmt::format("  {:<24} {:>10} calls, {} errors, p50 {}, p99 {}\n",
                         of.run.work.operations[i].name, seen.operations[i].calls,
                         seen.operations[i].errors,
                         time_text(seen.operations[i].latency.quantile_us(0.5)),
                         time_text(seen.operations[i].latency.quantile_us(0.99)));
  const auto& each = seen.subscribers.notifications;
  if (!each.empty())
    out += fmt::format("subscribers {}: {} notifications, {} to {} each; {} streams, {} ended\n",
                       each.size(), std::accumulate(each.begin(), each.end(), std::uint64_t{0}),
                       *std::min_element(each.begin(), each.end()),
                       *std::max_element(each.begin(), each.end()), seen.subscribers.opened,
                       seen.subscribers.ended);
  out += fmt::format("bytes      {:.1f} KiB/s in, {:.1f} KiB/s out\n",
                     static_cast<double>(seen.bytes_in) / 1024 / of.found.seconds,
                     static_cast<double>(seen.bytes_out) / 1024 / of.found.seconds);
  if (seen.reconnects > 0)
    out += fmt::format("reconnects {}\n", seen.reconnects);
  add_processes(out, of);
  return out;
}

std::string json_report(const report_input& of) {
  const auto& seen = of.found.seen;
  std::string out = fmt::format(
      R"({{"target":{},"load":{},"reactor":"{}","calls":{},"seconds":{:.3f},"rps":{:.1f},)"
      R"("rate":{:.1f},"due":{},{},"mean_us":{:.1f},)",
      quoted(of.run.to.to_string()), quoted(load_text(of)), of.found.reactor, seen.calls,
      of.found.seconds, of.found.calls_per_second(), of.found.rate, seen.latency.count(),
      quantiles_json(seen.latency), seen.latency.mean_us());
  out += fmt::format(R"("from_send":{{{}}},"bytes_in":{},"bytes_out":{},"errors":{},)"
                     R"("errors_by_kind":{},"first_error":{},"refused":{},"refusal":{{{}}},)",
                     quantiles_json(seen.service), seen.bytes_in, seen.bytes_out,
                     seen.errors.total(), errors_json(seen.errors), quoted(seen.errors.example()),
                     seen.refusal.count(), quantiles_json(seen.refusal));
  out += fmt::format(R"("backlog":{},"reconnects":{},"sessions":{},"notifications":{},)",
                     seen.backlog, seen.reconnects, seen.sessions, seen.notifications);
  out += fmt::format(R"("own_cpu_us":{:.0f},"own_cpu_us_per_call":{:.2f},)"
                     R"("watched_cpu_us":[{:.0f}],"watched_rss_bytes":[{}],)",
                     of.found.own_cpu_us, per_call(of.found.own_cpu_us, seen.calls),
                     fmt::join(of.found.watched_cpu_us, ","),
                     fmt::join(of.found.watched_rss_bytes, ","));
  out += fmt::format(R"("cpu_us_per_call":{:.2f},"rss_mib":{:.2f},)",
                     per_call(sum_of(of.found.watched_cpu_us), seen.calls),
                     mebibytes(of.found.watched_rss_bytes));
  if (!of.trials.empty())
    out += fmt::format(R"("capacity_rps":{:.1f},"trials":{},)", best_rate(of.trials),
                       trials_json(of.trials));
  out += fmt::format(R"("subscribers":{},"operations":{},"percentiles":{},"timeline":{}}})",
                     subscribers_json(seen.subscribers), operations_json(of),
                     percentiles_json(seen.latency), seconds_json(seen.seconds));
  return out;
}

} // namespace nexus::load
