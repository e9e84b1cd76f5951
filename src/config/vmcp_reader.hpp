#pragma once

#include <string>

#include "config/findings.hpp"
#include "config/vmcp.hpp"

namespace nexus::config::detail {

/// Reads a definition; what is wrong is reported, and keeps its default.
[[nodiscard]] vmcp_definition read_vmcp(const node& value, std::string id, findings& out);

} // namespace nexus::config::detail
