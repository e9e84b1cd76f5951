#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace nexus::config {

/// Keys of the file that a running gateway cannot follow: what they say is settled when it starts.
/// @returns those of which `wanted` says something else than `running`, as a file spells them
///          (`limits.bodyBytes`)
[[nodiscard]] std::vector<std::string> keys_that_need_a_restart(const gateway& running,
                                                                const gateway& wanted);

} // namespace nexus::config
