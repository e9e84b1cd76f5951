#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/findings.hpp"

/// Finds the servers of a file, whichever client it was written for.
namespace nexus::config::detail {

/// Rules that differ between clients beyond the names of keys.
enum class server_dialect : std::uint8_t {
  common,
  seconds,  ///< Cline, Roo, Kilo: a bare `timeout` is in seconds
  opencode, ///< a bare `timeout` is in milliseconds, however small
  zed,      ///< servers may come from an extension and have no command
  codex,    ///< strings are literal; `headers` is not read
};

struct server_source {
  const member* entry = nullptr;
  server_dialect dialect = server_dialect::common;
  bool left_out = false; ///< by a list beside the servers (Gemini CLI: mcp.allowed, mcp.excluded)
};

struct layout {
  std::vector<server_source> servers; ///< in the order in which they are read
  const node* inputs = nullptr;       ///< VS Code's `inputs[]`
  /// The file is a client's settings, whose other keys are none of our business.
  bool client_settings = false;
  bool bare = false; ///< the whole file is the map of servers
};

/// @lifetime of the pointers: `root`
[[nodiscard]] layout find_servers(const node& root, const environment& env, findings& out);

} // namespace nexus::config::detail
