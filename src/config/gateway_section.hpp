#pragma once

#include "config/interpolate.hpp"
#include "config/values.hpp"

namespace nexus::config::detail {

/// The gateway's own keys of the top level; wrong ones are reported and keep their default.
struct gateway_section {
  gateway value; ///< without servers
  unset_policy unset = unset_policy::error;
};

/// What an address shows of its tools: the keys that the gateway and virtual MCPs share.
[[nodiscard]] tool_surface read_surface(const node& holder, findings& out);

enum class unknown_keys : std::uint8_t { report, keep_silent };

[[nodiscard]] gateway_section read_gateway(const node& root, unknown_keys unknown, findings& out);

} // namespace nexus::config::detail
