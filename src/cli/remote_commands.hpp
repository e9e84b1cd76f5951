#pragma once

#include "cli/options.hpp"
#include "cli/program.hpp"

/// The commands that talk to a gateway: servers, tools, call.
namespace nexus::cli {

/// Runs the command against a running gateway, or with -c against one of its own.
[[nodiscard]] int run_remote_command(const command_line& line, const surroundings& world);

} // namespace nexus::cli
