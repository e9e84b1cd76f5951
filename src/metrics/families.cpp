#include "metrics/families.hpp"

#include <limits>

namespace nexus::metrics {

void histogram_totals::add(const latency_histogram& part) {
  for (std::size_t i = 0; i < buckets.size(); ++i)
    buckets[i] += part.bucket(i);
  sum_ns += part.sum_ns();
}

void histogram_totals::add(const histogram_totals& part) {
  for (std::size_t i = 0; i < buckets.size(); ++i)
    buckets[i] += part.buckets[i];
  sum_ns += part.sum_ns;
}

void histogram_totals::since(const histogram_totals& before) {
  for (std::size_t i = 0; i < buckets.size(); ++i)
    buckets[i] -= before.buckets[i];
  sum_ns -= before.sum_ns;
}

void family_writer::counter(const char* name, const char* help) {
  begin(name, help, prometheus::MetricType::Counter);
}

void family_writer::gauge(const char* name, const char* help) {
  begin(name, help, prometheus::MetricType::Gauge);
}

void family_writer::histogram(const char* name, const char* help) {
  begin(name, help, prometheus::MetricType::Histogram);
}

void family_writer::value(double number, label_list labels) {
  prometheus::ClientMetric& metric = add(std::move(labels));
  if (families_.back().type == prometheus::MetricType::Counter)
    metric.counter.value = number;
  else
    metric.gauge.value = number;
}

void family_writer::value(const histogram_totals& totals, label_list labels) {
  prometheus::ClientMetric::Histogram& out = add(std::move(labels)).histogram;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < totals.buckets.size(); ++i) {
    count += totals.buckets[i];
    const bool bounded = i < latency_histogram::bounds_us.size();
    out.bucket.push_back({count, bounded ? latency_histogram::bounds_us[i] / 1e6
                                         : std::numeric_limits<double>::infinity()});
  }
  out.sample_count = count;
  out.sample_sum = static_cast<double>(totals.sum_ns) / 1e9;
}

void family_writer::begin(const char* name, const char* help, prometheus::MetricType type) {
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
}

prometheus::ClientMetric& family_writer::add(label_list labels) {
  prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
  for (auto& [name, text] : labels)
    metric.label.push_back({name, std::move(text)});
  return metric;
}

} // namespace nexus::metrics
