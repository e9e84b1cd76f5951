#pragma once

#include <string>

#include "config/config.hpp"
#include "engine/control.hpp"
#include "engine/http_pool.hpp"

namespace nexus::engine {

/// Where an HTTP server is and what every request to it carries.
struct http_target {
  http_pool_options pool;
  std::string path;        ///< request target
  std::string origin;      ///< scheme://host:port as configured
  std::string head_fields; ///< Host and the configured headers, each ended by CRLF
};

/// @errors config mistakes that validation did not catch: net::errc::resolve_failed
[[nodiscard]] result<http_target> make_http_target(const config::server& settings,
                                                   std::size_t response_bytes_max);

/// The head of a POST up to the value of Content-Length, for one endpoint.
[[nodiscard]] std::string post_prefix(const http_target& target, const server_endpoint& endpoint);

/// The head of a GET of a legacy server's events, without the empty line at its end.
[[nodiscard]] std::string get_head(const http_target& target, const server_endpoint& endpoint);

} // namespace nexus::engine
