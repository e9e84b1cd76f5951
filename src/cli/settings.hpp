#pragma once

#include <string>
#include <vector>

#include "cli/cli.hpp"
#include "cli/console.hpp"
#include "config/config.hpp"

namespace nexus::cli {

/// The file of a command without -c.
inline constexpr const char* default_config_path = "nexus.json";

/// Loads the file of `options` and lets the flags win over it. What is wrong with a flag stands
/// among the findings under the flag's name.
[[nodiscard]] config::loaded load_settings(const serve_options& options,
                                           const config::environment& env);

/// One finding a line.
void print_findings(const std::vector<config::diagnostic>& findings, std::ostream& out,
                    bool colour);

} // namespace nexus::cli
