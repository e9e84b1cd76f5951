#pragma once

#include <string>
#include <string_view>

#include "http/message.hpp"
#include "mcp/message.hpp"

/// W3C trace context across the two places that it travels in: HTTP headers, and members of _meta.
/// Where a request has both, _meta is believed. The gateway adds no span of its own.
/// @source W3C Trace Context, W3C Baggage, MCP 2026-07-28 "_meta"
namespace nexus::gateway {

/// Empty members are absent.
struct trace_context {
  std::string_view traceparent, tracestate, baggage;

  [[nodiscard]] std::string_view of(mcp::meta_key key) const noexcept {
    return key == mcp::meta_key::traceparent  ? traceparent
           : key == mcp::meta_key::tracestate ? tracestate
                                              : baggage;
  }
  /// As a member of _meta. @pre one of the three keys
  [[nodiscard]] std::string member(mcp::meta_key key) const;
};

/// What a request's headers say that its _meta does not; what has a wrong form is left out.
/// @lifetime of `headers`
[[nodiscard]] trace_context trace_beside_meta(const mcp::message& request,
                                              const http::header_fields& headers);

/// Appends `CRLF name: value` for each member of _meta that may stand in a header, or in its place
/// that of `beside`.
void append_trace_headers(std::string& out, const mcp::message& request,
                          const trace_context& beside);

} // namespace nexus::gateway
