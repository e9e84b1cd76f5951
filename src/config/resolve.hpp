#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/draft.hpp"
#include "config/interpolate.hpp"

namespace nexus::config::detail {

/// The server that a draft describes in this environment. What is missing there makes this server
/// unusable, with a warning; what is wrong in the file is an error.
[[nodiscard]] server resolve(const server_draft& draft, const scope& within, findings& out);

/// The secrets under "sealingKeys", in the form that seal::key_ring takes.
[[nodiscard]] std::vector<std::string> resolve_sealing_keys(const node& root, const scope& within,
                                                            findings& out);

/// Where a gateway with this file keeps its state: what "state" says, else a file of its own below
/// $XDG_STATE_HOME or ~/.local/state. Empty when neither is there, nothing when it is "off".
[[nodiscard]] std::optional<std::string> resolve_state_file(const node& root, const scope& within,
                                                            std::string_view file_name,
                                                            findings& out);

/// Variables of a .env file: `NAME=value`, `export`, comments, single and double quotes.
[[nodiscard]] std::map<std::string, std::string> parse_env_file(std::string_view text);

} // namespace nexus::config::detail
