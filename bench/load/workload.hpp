#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// What is asked of a server, from a file or from the command line.
namespace nexus::load {

/// One kind of request. `$ID`, `$N` and `$PAD` stand in `params` and `mcp_name` for the call's own
/// id, for the numbers 1 to `spread` in turn, and for as much text as one of `pad_bytes` says.
struct operation {
  std::string name; ///< in reports
  std::string method;
  std::string params;   ///< a JSON object, or empty
  std::string mcp_name; ///< what the header field Mcp-Name says; empty: no field
  std::string expect;   ///< stands in the text of a right result; may hold $ID
  std::string member;   ///< a right result has it; empty: any object
  double weight = 1;
  int spread = 1;
  std::vector<std::size_t> pad_bytes; ///< empty: one size without padding
};

/// A session pauses between an answer and its next request (closed loop only).
struct think_time {
  double mean_ms = 0;
  bool exponential = false;
};

/// Listeners that only count what they are sent.
struct subscriber_plan {
  int count = 0;
  std::vector<std::string> resources; ///< URIs to subscribe to, beside the list changes
};

struct workload {
  std::vector<operation> operations;
  think_time think;
  std::uint64_t calls_per_session = 0; ///< a new session after so many; 0: never
  subscriber_plan subscribers;
};

/// A call of `tool`; what it expects is $ID when the arguments hold that.
[[nodiscard]] operation make_call(std::string_view tool, std::string_view arguments);

/// Reads a workload file: JSON as bench/load/README.md has it.
/// @errors invalid_argument: names the file, the operation and the key
[[nodiscard]] result<workload> parse_workload(std::string text, std::string_view file_name);

} // namespace nexus::load
