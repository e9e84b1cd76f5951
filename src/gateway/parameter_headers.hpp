#pragma once

#include <string>
#include <vector>

#include "catalog/parameter_headers.hpp"
#include "http/message.hpp"
#include "json/scan.hpp"

/// The Mcp-Param-* headers: arguments of a tools/call that its HTTP request repeats.
/// @source MCP 2026-07-28 "transports", custom headers from tool parameters
namespace nexus::gateway {

/// Why a modern client's request is refused: a header is missing, wrongly encoded, sent twice, or
/// says something else than the argument. Empty when nothing is wrong. Integers compare by value.
/// What is null, absent or no scalar has no header.
/// @param arguments validated, or absent
[[nodiscard]] std::string
parameter_header_problem(const std::vector<catalog::parameter_header>& expected,
                         json::slice arguments, const http::header_fields& sent);

/// Appends `CRLF Mcp-Param-X: value` for each argument that has a value.
void append_parameter_headers(std::string& out,
                              const std::vector<catalog::parameter_header>& expected,
                              json::slice arguments);

} // namespace nexus::gateway
