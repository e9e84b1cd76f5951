#include "cli/program.hpp"

#include <charconv>
#include <iostream>

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/file_commands.hpp"
#include "cli/options.hpp"
#include "cli/remote_commands.hpp"
#include "cli/search_command.hpp"
#include "cli/settings.hpp"

namespace nexus::cli {
namespace {

using start = int (gateway_port::*)(config::gateway, const serve_options&);

/// serve and stdio: stdout belongs to the gateway, whatever is found goes to stderr.
int start_gateway(serve_options options, start how, const surroundings& world) {
  config::loaded loaded = load_settings(options, world.env);
  print_findings(loaded.findings, world.io.err, world.io.err_colour());
  if (!loaded.value)
    return exit_failed;
  world.io.err.flush();
  if (options.config_path.empty())
    options.config_path = default_config_path;
  return (world.gateway.*how)(std::move(*loaded.value), options);
}

int serve_stdio(serve_options options, const surroundings& world) {
  const auto named = world.env.variables.find("MCP_SERVER_LIST");
  if (options.config_path.empty() && named != world.env.variables.end())
    options.config_path = named->second;
  options.quiet = true;
  // Such a client is a single model's, which is what the meta-tools are for.
  options.usual_exposure = config::exposure_mode::meta;
  return start_gateway(std::move(options), &gateway_port::stdio, world);
}

int dispatch(const command_line& line, const surroundings& world) {
  switch (line.what) {
  case command::serve:
    return start_gateway(line.gateway, &gateway_port::serve, world);
  case command::stdio:
    return serve_stdio(line.gateway, world);
  case command::check:
    return check_file(line, world);
  case command::import:
    return import_file(line, world);
  case command::search:
    return rank_catalogue(line, world);
  case command::servers:
  case command::tools:
  case command::call:
  case command::vmcp:
  case command::duplicates:
  case command::pins:
    break;
  }
  return run_remote_command(line, world);
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool wants_colour(const config::environment& env) {
  const auto value = [&env](const char* name) {
    const auto found = env.variables.find(name);
    return found == env.variables.end() ? std::string() : found->second;
  };
  // no-color.org: set and not empty.
  return value("NO_COLOR").empty() && value("TERM") != "dumb";
}

} // namespace

int run_program(std::span<const std::string> arguments, const surroundings& world) {
  const parsed_line parsed = parse_command_line(arguments, world.io);
  int code = parsed.value ? dispatch(*parsed.value, world) : parsed.exit_code;
  world.io.out.flush();
  // A full disk must not look like success.
  if (!world.io.out && code == exit_ok) {
    print_error(world.io, "the output cannot be written");
    code = exit_failed;
  }
  return code;
}

int run(int argc, char** argv, gateway_port& gateway) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  const config::environment env = config::environment::of_process();
  console io{std::cin, std::cout, std::cerr};
  io.out_terminal = ::isatty(STDOUT_FILENO) != 0;
  io.err_terminal = ::isatty(STDERR_FILENO) != 0;
  io.colour = wants_colour(env);
  io.columns = io.out_terminal ? terminal_columns() : 0;
  const system_clock_source time;
  return run_program(arguments, {io, env, time, gateway});
}

} // namespace nexus::cli
