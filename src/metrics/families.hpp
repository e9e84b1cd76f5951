#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "metrics/counters.hpp"

/// Builds what prometheus-cpp serializes. Private to this folder: it names <prometheus/...>.
namespace nexus::metrics {

using label_list = std::vector<std::pair<const char*, std::string>>;

/// A histogram summed over workers.
struct histogram_totals {
  std::array<std::uint64_t, latency_histogram::bounds_us.size() + 1> buckets{};
  std::uint64_t sum_ns = 0;

  void add(const latency_histogram& part);
  void add(const histogram_totals& part);
  void since(const histogram_totals& before);
};

/// Families in the order in which they are begun; values belong to the last one begun.
class family_writer {
 public:
  void counter(const char* name, const char* help);
  void gauge(const char* name, const char* help);
  void histogram(const char* name, const char* help);

  void value(double number, label_list labels = {});
  void value(const histogram_totals& totals, label_list labels = {});

  [[nodiscard]] std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

 private:
  void begin(const char* name, const char* help, prometheus::MetricType type);
  prometheus::ClientMetric& add(label_list labels);

  std::vector<prometheus::MetricFamily> families_;
};

} // namespace nexus::metrics
