#pragma once

#include "cli/remote_session.hpp"

/// The commands about what a gateway knows of all tools: duplicates, pins.
namespace nexus::cli {

[[nodiscard]] int show_duplicates(remote_session& session);
/// Shows pins and changes, or accepts what is held back. @pre the command is pins
[[nodiscard]] int run_pins(remote_session& session);

} // namespace nexus::cli
