#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "config/draft.hpp"
#include "config/gateway_section.hpp"

namespace nexus::config::detail {

/// A file read as far as that is possible without looking at the environment's variables.
struct file_content {
  node root;
  const node* inputs = nullptr; ///< within `root`
  bool bare = false;            ///< the file is the map of servers itself
  bool foreign = false;         ///< a client's settings: our keys in it may be its own
  gateway_section section;
  std::vector<server_draft> servers; ///< disabled ones included
};

/// Empty when the text is not read at all; `out` says why.
[[nodiscard]] std::unique_ptr<file_content> read_content(std::string_view text,
                                                         const environment& env, findings& out);

/// Resolves the servers that are switched on; of the others only their errors remain, as warnings.
[[nodiscard]] std::vector<server> resolve_servers(const file_content& content,
                                                  const environment& env, findings& out);

} // namespace nexus::config::detail
