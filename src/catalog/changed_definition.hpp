#pragma once

#include <string>
#include <string_view>

#include "catalog/item_list.hpp"
#include "config/vmcp.hpp"

namespace nexus::catalog {

/// Whether a virtual MCP's form of an item differs from the item itself in more than the name that
/// it has in a list, which the list puts in.
[[nodiscard]] bool changes_definition(list_kind kind, const config::vmcp_item& change) noexcept;

/// An item's definition as a virtual MCP shows it: with another title and description, without the
/// arguments that the model does not give, and of a resource with another name.
/// @pre the definition is a valid JSON object
[[nodiscard]] std::string changed_definition(list_kind kind, std::string_view definition,
                                             const config::vmcp_item& change);

} // namespace nexus::catalog
