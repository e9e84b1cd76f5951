#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "cli/cli.hpp"
#include "cli/console.hpp"

namespace nexus::cli {

enum class command : std::uint8_t {
  serve,
  stdio,
  check,
  import,
  search,
  servers,
  tools,
  call,
  vmcp,
  duplicates,
  pins
};
/// What `nexus vmcp` is to do.
enum class vmcp_action : std::uint8_t { list, show, create, update, remove, events };

/// A command line that is understood.
struct command_line {
  command what = command::serve;
  serve_options gateway;   ///< serve, stdio
  std::string config_path; ///< -c as given; empty without
  bool json = false;       ///< check and what asks a gateway: output for programs
  // import
  std::string import_path, output_path;
  bool force = false;
  // search
  std::string catalogue_path, queries_path;
  std::size_t top = 10;
  // servers, tools, call
  std::string address; ///< --address; empty: the environment's or the default
  std::optional<milliseconds> timeout;
  std::string server; ///< of tools: empty for all
  std::string query;  ///< of tools: empty for a list
  std::string tool, arguments;
  // vmcp
  vmcp_action action = vmcp_action::list;
  std::string id, definition_path;
  std::optional<std::uint64_t> generation; ///< of update: the one that it replaces; any without
  std::uint64_t after = 0;                 ///< of events: the last one that is known
  std::string pins_action;                 ///< of pins: "accept", or empty
};

/// Either a command, or the exit code of a command line that is answered already: help, version, a
/// usage error.
struct parsed_line {
  std::optional<command_line> value;
  int exit_code = exit_ok;
};

/// @param arguments without the program's name
[[nodiscard]] parsed_line parse_command_line(std::span<const std::string> arguments, console& io);

/// `30`, `1.5s`, `500ms`, `2m`: more than nothing and at most limits::tunable_time_max.
[[nodiscard]] std::optional<milliseconds> parse_duration(std::string_view text);

} // namespace nexus::cli
