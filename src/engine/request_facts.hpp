#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/classify.hpp"
#include "gateway/host_check.hpp"
#include "http/message.hpp"

namespace nexus::engine {

/// What the head of an HTTP request says, whatever its address and body. Heads repeat themselves,
/// and what they say does so too.
struct request_facts {
  enum class body_kind : std::uint8_t { json, other, coded };

  bool admitted = false; ///< by Host and Origin
  bool accepts_json = true;
  bool accepts_events = false; ///< in so many words: not by the absence of Accept
  body_kind body = body_kind::other;
  std::optional<std::string_view> origin; ///< of what is admitted
  std::optional<std::string_view> session_id;
  gateway::protocol_headers protocol;

  /// The views point into `fields`.
  [[nodiscard]] static request_facts of(const http::header_fields& fields,
                                        const gateway::host_check& hosts);
};

} // namespace nexus::engine
