#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/snapshot.hpp"
#include "config/vmcp.hpp"

namespace nexus::catalog {

/// Servers and tools that the queries of a definition found when it was made, by selector; empty
/// for selectors without one.
using frozen_tools = std::vector<std::vector<std::pair<std::string, std::string>>>;

/// Whether the conditions of a selector but its query hold for a tool.
[[nodiscard]] bool selects(const config::vmcp_selector& selector, const server_part& part,
                           const item& tool);

/// What the address of a virtual MCP shows, of a generation of the catalogue that outlives it.
/// Tools that are not there (any more, or yet) are left out.
[[nodiscard]] std::shared_ptr<const exposure>
virtual_exposure(const snapshot& from, const config::vmcp_definition_ptr& definition,
                 const frozen_tools& found);

/// Whose a resource is that a virtual MCP lists itself, or by a template; nothing for any other.
[[nodiscard]] std::optional<std::uint32_t> listed_owner(const exposure& shown,
                                                        std::string_view uri);

} // namespace nexus::catalog
