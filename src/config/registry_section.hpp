#pragma once

#include "config/values.hpp"

/// The keys about what the gateway knows of all tools: which are the same, how they are found.
namespace nexus::config::detail {

/// Pins, duplicates and preferred servers of the top level; wrong ones keep their default.
void read_registry(const node& root, gateway& to, findings& out);

} // namespace nexus::config::detail
