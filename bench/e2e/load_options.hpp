#pragma once

#include "bench/e2e/sockets.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace nexus::bench {

/// How the generator speaks to the server.
enum class era {
  blind,  ///< a plain POST of tools/call, no handshake and no MCP headers
  legacy, ///< 2025-11-25: initialize first, then calls with the session's id
  modern, ///< 2026-07-28: every call carries its envelope and headers
};

enum class session_scope {
  connection, ///< each connection opens a session of its own
  shared,     ///< the first connection opens one and all use it
};

struct load_options {
  http_url url;
  std::string tool = "echo"; ///< `{}` in it stands for 1..spread_tools
  std::string arguments = R"({"text":"how much wood $ID"})";
  std::vector<std::string> headers;
  std::vector<pid_t> watched;
  era speech = era::blind;
  session_scope session = session_scope::connection;
  int connections = 64;
  int spread_tools = 1;
  int idle_sessions = 0;
  double rate = 0; ///< calls per second; 0 is a closed loop
  double seconds = 5;
  double warmup_seconds = 1;
  double timeout_seconds = 10;
};

/// Reads the command line; prints what is wrong, or the usage, and exits when it cannot be used.
load_options parse_load_options(int argc, char** argv);

} // namespace nexus::bench
