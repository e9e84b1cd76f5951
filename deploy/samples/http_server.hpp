#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

/// A small HTTP/1.1 server for the samples: one thread per connection, loopback only.
/// It checks what every MCP server has to check before a body is looked at.
namespace nexus::samples {

struct http_request {
  std::string method;
  std::map<std::string, std::string> headers; ///< names in lower case
  std::string body;

  /// The value of a header, empty when it is absent. `name` is in lower case.
  [[nodiscard]] std::string header(const std::string& name) const;
};

struct http_response {
  unsigned status = 200;
  std::string body; ///< JSON, or nothing
  std::map<std::string, std::string> headers;
};

/// Called from several threads at once.
using http_handler = std::function<http_response(const http_request&)>;

/// Serves `/mcp` on 127.0.0.1 for ever; port 0 takes a free one. Says where on stderr, in the line
/// `listening on http://127.0.0.1:PORT/mcp`. Throws when the port is taken.
[[noreturn]] void serve_http(std::uint16_t port, const http_handler& handler);

/// The value of `--port`, 0 without it. Prints the usage and exits on anything else.
std::uint16_t port_from_arguments(int argc, char** argv);

} // namespace nexus::samples
