#include "cli/remote_commands.hpp"

namespace nexus::cli {

int run_remote_command(const command_line& line, const surroundings& world) {
  static_cast<void>(line);
  print_error(world.io, "this command is not there");
  return exit_failed;
}

} // namespace nexus::cli
