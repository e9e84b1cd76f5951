#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/histogram.hpp"

/// What one thread has seen, to be added up with that of the others.
namespace nexus::load {

/// What was wrong with an answer, or why there was none.
enum class error_class : std::uint8_t {
  transport, ///< the connection ended or could not be made
  timeout,   ///< no answer in time
  http,      ///< not HTTP, or a status that is neither 200 nor a refusal
  protocol,  ///< not JSON-RPC, or a response without the answer
  rpc,       ///< a JSON-RPC error
  tool,      ///< a result that says isError, or lacks what its method must have
  content,   ///< the expected text is not in the result
  stranger,  ///< an answer to another call's id, or with another call's content
};
inline constexpr std::array<std::string_view, 8> error_class_names{
    "transport", "timeout", "http", "protocol", "rpc", "tool", "content", "stranger"};

struct error_counts {
  std::array<std::uint64_t, error_class_names.size()> by_class{};
  std::array<std::string, error_class_names.size()> first; ///< what it looked like

  void add(error_class what, std::string_view text);
  void merge(const error_counts& other);
  [[nodiscard]] std::uint64_t total() const noexcept;
  /// The class and text of one of them, or nothing.
  [[nodiscard]] std::string example() const;
};

/// One second of the window.
struct second_record {
  std::uint64_t calls = 0;  ///< right answers that arrived in it
  std::uint64_t errors = 0; ///< seen in it
  coarse_histogram latency; ///< of calls due in it
};

struct operation_record {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;
  histogram latency;
};

struct subscriber_record {
  std::uint64_t opened = 0;                 ///< streams
  std::uint64_t ended = 0;                  ///< of those, by the server
  std::vector<std::uint64_t> notifications; ///< of each subscriber, in the whole run
};

struct recorder {
  recorder(std::size_t operations, std::int64_t window_seconds);

  histogram latency;   ///< from when a call was due, of those due in the window
  histogram service;   ///< from when it was sent
  histogram refusal;   ///< of 429 and 503 answers
  error_counts errors; ///< of the whole run: a wrong answer while warming up is wrong
  std::vector<operation_record> operations;
  std::vector<second_record> seconds;
  subscriber_record subscribers;
  std::uint64_t calls = 0;                   ///< right answers that arrived in the window
  std::uint64_t bytes_in = 0, bytes_out = 0; ///< in the window, of HTTP and JSON
  std::uint64_t backlog = 0;                 ///< open loop: calls due in the window that never left
  std::uint64_t notifications = 0;           ///< that came to callers
  std::uint64_t reconnects = 0;
  std::uint64_t sessions = 0; ///< opened

  void merge(const recorder& other);
};

} // namespace nexus::load
