#pragma once

#include "cli/options.hpp"
#include "cli/program.hpp"

namespace nexus::cli {

/// `nexus search`: ranks the tools of a file for the queries of another. What is wrong with a line
/// ends the command and is told with file and line. @returns 1 for that
[[nodiscard]] int rank_catalogue(const command_line& line, const surroundings& world);

} // namespace nexus::cli
