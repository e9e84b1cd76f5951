#pragma once

#include <cstdint>

#include "net/reactor.hpp"

namespace nexus::load {

/// Wakes a reactor at a point in time to the microsecond. epoll's own waits count milliseconds,
/// which would blur the arrivals of an open loop. @thread its reactor's
class wake_timer final : private net::stream_handler {
 public:
  explicit wake_timer(net::reactor& on);
  /// At `at_ns` of the monotonic clock; replaces the time before.
  void arm(std::int64_t at_ns) noexcept;

 private:
  // The expirations only have to be read.
  void on_data(std::string_view /*bytes*/) override {}
  void on_end() override {}
  void on_error(const error& /*reason*/) override {}

  int fd_;
  std::int64_t armed_ns_ = 0;
  net::stream_ptr stream_;
};

} // namespace nexus::load
