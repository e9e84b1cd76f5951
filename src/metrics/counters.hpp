#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.hpp"

/// Numbers that one worker writes and the scrape reads. Each has a single writing thread, so an
/// increment is a relaxed load and a relaxed store: no lock, no locked instruction, no look-up.
namespace nexus::metrics {

/// @thread add: the owning worker; value: any
class counter {
 public:
  void add(std::uint64_t amount = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// One worker's share of a level. What begins on one worker may end on another, so a share may be
/// negative; only the sum over the workers means something.
/// @thread up, down: the owning worker; value: any
class gauge {
 public:
  void up(std::int64_t amount = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void down(std::int64_t amount = 1) noexcept { up(-amount); }
  [[nodiscard]] std::int64_t value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// How a call of a tool ended.
enum class call_result : std::uint8_t {
  ok,
  tool_error,      ///< the tool ran and said isError
  protocol_error,  ///< the server answered with a JSON-RPC error
  transport_error, ///< the server could not be reached, or died with the call
  timeout,         ///< the deadline passed
  cancelled,       ///< the client gave up
  refused,         ///< this gateway did not send it: no permit, queue full, server down
};
inline constexpr std::array<std::string_view, 7> call_result_names{
    "ok", "tool_error", "protocol_error", "transport_error", "timeout", "cancelled", "refused"};

/// How a JSON-RPC request of a client was answered, whatever its method.
enum class request_result : std::uint8_t {
  ok,      ///< a result
  invalid, ///< an error that the client caused: envelope, parameters, unknown name
  failed,  ///< an error that it did not cause
  refused, ///< turned away before it was looked at: limits, draining
};
inline constexpr std::array<std::string_view, 4> request_result_names{"ok", "invalid", "failed",
                                                                      "refused"};

/// Why a connection or request was turned away. Every refusal counts in exactly one of them.
enum class refusal : std::uint8_t {
  http_syntax,     ///< framing, headers, Content-Length with Transfer-Encoding, two Hosts
  http_limit,      ///< header count or size, target or body too long
  http_timeout,    ///< a request that did not arrive in time
  host,            ///< Host is not one of ours
  origin,          ///< Origin is not allowed
  media_type,      ///< Content-Type or Accept
  json_syntax,     ///< not JSON, or too deep
  envelope,        ///< not one JSON-RPC message: keys, id, version
  header_mismatch, ///< MCP headers contradict the body
  session,         ///< unknown or missing session
  connections,     ///< too many connections
  sessions,        ///< too many sessions
  calls,           ///< too many calls in flight
  queue,           ///< the queue of a server is full
  slow_reader,     ///< the peer did not read what was queued for it
  draining,        ///< the process is stopping
  arguments,       ///< they do not fit the tool's input schema
  virtual_mcp,     ///< a limit of a virtual MCP, or it is draining
  schema_proof,    ///< a call through call-tool without the schema's version, or with another one
};
inline constexpr std::array<std::string_view, 19> refusal_names{
    "http_syntax", "http_limit", "http_timeout",    "host",     "origin",      "media_type",
    "json_syntax", "envelope",   "header_mismatch", "session",  "connections", "sessions",
    "calls",       "queue",      "slow_reader",     "draining", "arguments",   "virtual_mcp",
    "schema_proof"};

/// What a client carried for the gateway and was refused: altered, expired, or of another use.
enum class sealed_text : std::uint8_t { cursor, request_state, task_id };
inline constexpr std::array<std::string_view, 3> sealed_text_names{"cursor", "request_state",
                                                                   "task_id"};

enum class http_method : std::uint8_t { post, get, del, other };
inline constexpr std::array<std::string_view, 4> http_method_names{"post", "get", "delete",
                                                                   "other"};

enum class status_class : std::uint8_t {
  informational,
  success,
  redirect,
  client_error,
  server_error
};
inline constexpr std::array<std::string_view, 5> status_class_names{"1xx", "2xx", "3xx", "4xx",
                                                                    "5xx"};
/// @pre 100 <= status < 600; anything else counts as a server error
[[nodiscard]] constexpr status_class class_of_status(unsigned status) noexcept {
  return status < 100 || status > 599 ? status_class::server_error
                                      : static_cast<status_class>(status / 100 - 1);
}

/// One counter per value of a closed enum.
template <class Enum, std::size_t Count>
class counters_by {
 public:
  void add(Enum which, std::uint64_t amount = 1) noexcept {
    counters_[static_cast<std::size_t>(which)].add(amount);
  }
  [[nodiscard]] std::uint64_t value(Enum which) const noexcept {
    return counters_[static_cast<std::size_t>(which)].value();
  }
  [[nodiscard]] std::uint64_t value_at(std::size_t index) const noexcept {
    return counters_[index].value();
  }

 private:
  std::array<counter, Count> counters_;
};

using calls_by_result = counters_by<call_result, call_result_names.size()>;

/// Durations in log-spaced buckets from 50 microseconds to 60 seconds.
class latency_histogram {
 public:
  /// Upper bounds, inclusive. What exceeds the last one is only in the total.
  static constexpr std::array<std::uint32_t, 19> bounds_us{
      50,        100,       250,        500,        1'000,     2'500,   5'000,
      10'000,    25'000,    50'000,     100'000,    250'000,   500'000, 1'000'000,
      2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

  /// A negative duration counts as zero.
  void record(nanoseconds duration) noexcept {
    const auto elapsed =
        static_cast<std::uint64_t>(duration.count() < 0 ? nanoseconds::rep{0} : duration.count());
    std::size_t bucket = 0;
    while (bucket < bounds_us.size() && elapsed > std::uint64_t{bounds_us[bucket]} * 1'000)
      ++bucket;
    buckets_[bucket].add();
    sum_ns_.add(elapsed);
  }
  /// Not cumulative; the last bucket holds what exceeds every bound.
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const noexcept {
    return buckets_[index].value();
  }
  [[nodiscard]] std::uint64_t sum_ns() const noexcept { return sum_ns_.value(); }

 private:
  std::array<counter, bounds_us.size() + 1> buckets_;
  counter sum_ns_;
};

} // namespace nexus::metrics
