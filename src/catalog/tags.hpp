#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/snapshot.hpp"

/// Words that tools are chosen by.
namespace nexus::catalog {

/// What the configuration gives the server and the tool, then what the tool says of itself:
/// `_meta.tags`, and `tags` in `_meta.fastmcp` and `_meta._fastmcp`, as servers of FastMCP have
/// them. Each once, limits::tags_per_tool_max at most. Nothing is kept: they are read from the
/// definition.
/// @param list that the tool is of
[[nodiscard]] std::vector<std::string> tags_of(const server_part& part, const item_list& list,
                                               const item& tool);

/// Whether a tag of the server's own tool matches one of the glob patterns.
[[nodiscard]] bool has_tag(const server_part& part, const item& tool,
                           const std::vector<std::string>& patterns);

} // namespace nexus::catalog
