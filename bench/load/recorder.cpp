#include "bench/load/recorder.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace nexus::load {
namespace {

constexpr std::size_t example_bytes_max = 400;

} // namespace

void error_counts::add(error_class what, std::string_view text) {
  const auto at = static_cast<std::size_t>(what);
  ++by_class[at];
  if (first[at].empty())
    first[at] = text.substr(0, example_bytes_max);
}

void error_counts::merge(const error_counts& other) {
  for (std::size_t i = 0; i < by_class.size(); ++i) {
    by_class[i] += other.by_class[i];
    if (first[i].empty())
      first[i] = other.first[i];
  }
}

std::uint64_t error_counts::total() const noexcept {
  return std::accumulate(by_class.begin(), by_class.end(), std::uint64_t{0});
}

std::string error_counts::example() const {
  for (std::size_t i = 0; i < by_class.size(); ++i)
    if (by_class[i] > 0)
      return fmt::format("{}: {}", error_class_names[i], first[i]);
  return {};
}

recorder::recorder(std::size_t operation_count, std::int64_t window_seconds)
    : operations(operation_count), seconds(static_cast<std::size_t>(window_seconds)) {}

void recorder::merge(const recorder& other) {
  latency.merge(other.latency);
  service.merge(other.service);
  refusal.merge(other.refusal);
  errors.merge(other.errors);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    operations[i].calls += other.operations[i].calls;
    operations[i].errors += other.operations[i].errors;
    operations[i].latency.merge(other.operations[i].latency);
  }
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    seconds[i].calls += other.seconds[i].calls;
    seconds[i].errors += other.seconds[i].errors;
    seconds[i].latency.merge(other.seconds[i].latency);
  }
  subscribers.opened += other.subscribers.opened;
  subscribers.ended += other.subscribers.ended;
  subscribers.notifications.insert(subscribers.notifications.end(),
                                   other.subscribers.notifications.begin(),
                                   other.subscribers.notifications.end());
  calls += other.calls;
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  backlog += other.backlog;
  notifications += other.notifications;
  reconnects += other.reconnects;
  sessions += other.sessions;
}

} // namespace nexus::load
