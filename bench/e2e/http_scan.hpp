#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nexus::bench {

enum class scan_state {
  incomplete, ///< more bytes are needed
  complete,
  invalid,
};

/// One HTTP/1.1 message at the start of a buffer. Views point into that buffer, or into `decoded`
/// when the body came in chunks.
struct http_message {
  std::size_t total_bytes = 0;  ///< head and body; how much to consume
  std::size_t wanted_bytes = 0; ///< when incomplete: no use to look again below this size
  int status = 0;               ///< of an answer
  bool keep_alive = true;
  std::string_view method; ///< of a request
  std::string_view body;
  std::string decoded;
};

/// Reads one answer. A body needs Content-Length or chunks: one that ends with the connection is
/// invalid here, since everything that is measured keeps its connections.
scan_state scan_response(std::string_view data, http_message& message);

/// Reads one request, likewise.
scan_state scan_request(std::string_view data, http_message& message);

} // namespace nexus::bench
