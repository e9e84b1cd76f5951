#pragma once

#include <system_error>

/// What a JSON-RPC error means on the wire. This table alone knows the numbers.
namespace nexus::mcp {

enum class errc {
  parse_error = 1,     ///< not JSON
  invalid_request,     ///< JSON, but no JSON-RPC message that MCP allows
  method_not_found,    ///< unknown here, or removed from the revision spoken
  invalid_params,      ///< params or _meta of the wrong shape
  internal_error,      ///< the gateway or a server behind it failed
  header_mismatch,     ///< an HTTP header is missing or contradicts the body
  missing_capability,  ///< needs a client capability that the request does not declare
  resource_not_found,  ///< legacy revisions only; modern ones say invalid_params
  unsupported_version, ///< the protocol revision is not served
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// The JSON-RPC `code` member. @source JSON-RPC 2.0 s5.1, MCP 2026-07-28 "error codes"
[[nodiscard]] int json_rpc_code(errc code) noexcept;
/// The HTTP status when the error is answered before a handler ran. @source MCP 2026-07-28
/// transports
[[nodiscard]] int http_status(errc code) noexcept;

} // namespace nexus::mcp

template <>
struct std::is_error_code_enum<nexus::mcp::errc> : std::true_type {};
