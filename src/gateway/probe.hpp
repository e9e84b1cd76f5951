#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "mcp/message.hpp"
#include "mcp/revision.hpp"

/// Judges what a server's answer to `server/discover` says about its era.
/// @source MCP 2026-07-28 "versioning"
namespace nexus::gateway {

enum class verdict : std::uint8_t {
  modern,       ///< speaks 2026-07-28
  retry_modern, ///< refused the version but names it as supported: ask once more
  legacy,       ///< continue with initialize
  unusable,     ///< speaks only revisions that the gateway does not
};

/// @param response the JSON-RPC answer to server/discover, a result or an error
/// @param retried true when retry_modern was followed already
[[nodiscard]] verdict judge_probe(const mcp::message& response, json::scanner& scanner,
                                  bool retried);

} // namespace nexus::gateway
