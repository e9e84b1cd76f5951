#pragma once

#include "cli/options.hpp"
#include "cli/program.hpp"

/// The commands that read configurations and start nothing.
namespace nexus::cli {

/// `nexus check`. @returns 1 when the file has errors
[[nodiscard]] int check_file(const command_line& line, const surroundings& world);

/// `nexus import`. @returns 1 when the file has errors or the output cannot be written
[[nodiscard]] int import_file(const command_line& line, const surroundings& world);

} // namespace nexus::cli
