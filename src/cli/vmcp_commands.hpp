#pragma once

#include "cli/program.hpp"
#include "cli/remote_session.hpp"

namespace nexus::cli {

/// Reads what `vmcp create` and `vmcp update` send into the line's arguments; nothing for the
/// others.
/// @returns false: said why
[[nodiscard]] bool take_definition(command_line& line, const surroundings& world);

/// vmcp: what a gateway's virtual MCPs are, and changes of them. @returns the exit code
[[nodiscard]] int run_vmcp_command(remote_session& session);

} // namespace nexus::cli
