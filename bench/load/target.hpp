#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mcp/revision.hpp"
#include "net/reactor.hpp"

namespace nexus::load {

/// How bytes reach the server.
enum class transport {
  http,      ///< Streamable HTTP: each request is a POST, and its answer is the response
  sse,       ///< HTTP+SSE of 2024-11-05: answers come on an event stream
  websocket, ///< a message is a text message
  stdio,     ///< a child process, one message a line
};

/// Where the server is and what is spoken to it.
struct target {
  transport over = transport::http;
  mcp::revision revision = mcp::newest_legacy;
  bool blind = false; ///< plain POSTs: neither a handshake nor MCP's header fields
  bool tls = false;
  net::endpoint at;
  std::string authority; ///< for Host
  std::string path;
  std::vector<std::string> command; ///< of stdio

  /// A handshake opens a session first.
  [[nodiscard]] bool has_session() const noexcept {
    return !blind && mcp::era_of(revision) == mcp::era::legacy;
  }
  /// Each request carries everything itself.
  [[nodiscard]] bool stateless() const noexcept {
    return !blind && mcp::era_of(revision) == mcp::era::modern;
  }
  /// `http://host/mcp (2025-11-25)`, for reports.
  [[nodiscard]] std::string to_string() const;
};

/// Whether a text is a URL of a scheme that parse_url() takes.
[[nodiscard]] bool is_url(std::string_view text) noexcept;
/// Fills at, authority, path and tls from `http[s]://HOST[:PORT][/PATH]`, `ws[s]://...`;
/// `over` becomes http or websocket.
/// @errors invalid_argument, with the text
[[nodiscard]] result<> parse_url(std::string_view text, target& into);

} // namespace nexus::load
