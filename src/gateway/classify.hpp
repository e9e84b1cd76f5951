#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "mcp/error_table.hpp"
#include "mcp/message.hpp"
#include "mcp/revision.hpp"

/// Decides what a message from a client is: which era, and whether its envelope is sound.
namespace nexus::gateway {

/// The headers of an HTTP request that take part. Over stdio there are none: `present` is false.
struct protocol_headers {
  bool present = false;
  std::optional<std::string_view> protocol_version, method, name;
};

/// A message that is not served: what is answered, as JSON-RPC and as HTTP.
struct refusal {
  mcp::errc code = mcp::errc::invalid_request;
  unsigned http_status = 400;
  std::string message;
  std::string data; ///< JSON, or empty
};

struct classified {
  mcp::era era = mcp::era::legacy;
  /// Modern: the envelope's revision. Legacy: what the header claims, 2025-03-26 without one.
  mcp::revision revision = mcp::revision::r2025_03_26;
};

/// Classifies by the body; the headers only cross-check.
/// @source MCP 2026-07-28 "versioning" and "transports"; the order of the checks is the reference
/// server's
[[nodiscard]] std::expected<classified, refusal> classify(const mcp::message& message,
                                                          const protocol_headers& headers);

/// Mcp-Name as it compares with the body: decodes the `=?base64?...?=` form.
/// Empty optional when that form is malformed.
[[nodiscard]] std::optional<std::string> decode_header_value(std::string_view value);
/// The inverse: plain when the value may stand in a header as it is, else the base64 form.
[[nodiscard]] std::string encode_header_value(std::string_view value);

/// `{"supported":[...],"requested":...}`, the data of an unsupported version.
[[nodiscard]] std::string unsupported_version_data(std::string_view requested);

} // namespace nexus::gateway
