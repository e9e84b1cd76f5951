#pragma once

#include <span>
#include <string>

#include "base/clock.hpp"
#include "cli/cli.hpp"
#include "cli/console.hpp"
#include "config/config.hpp"

namespace nexus::cli {

/// What a command sees of the world beside its command line.
struct surroundings {
  console& io;
  const config::environment& env;
  const clock& time;
  gateway_port& gateway;
};

/// As run(), in a world of the caller's. @param arguments without the program's name
[[nodiscard]] int run_program(std::span<const std::string> arguments, const surroundings& world);

} // namespace nexus::cli
