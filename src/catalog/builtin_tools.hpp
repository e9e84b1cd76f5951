#pragma once

#include <cstdint>
#include <string_view>

#include "catalog/snapshot.hpp"

/// The tools that the gateway itself has: those that find and call all others, and those that
/// manage virtual MCPs.
namespace nexus::catalog {

/// Where routes to them lead. No server has this slot.
inline constexpr std::uint32_t builtin_slot = 0xFFFF'FFFF;

enum class builtin : std::uint8_t {
  list_tools,
  server_information,
  input_schemas,
  call_tool,
  search_tools,
  call_tools,
  // Those that manage virtual MCPs, where the configuration allows it
  list_vmcps,
  create_vmcp,
  update_vmcp,
  delete_vmcp,
};
[[nodiscard]] constexpr bool manages_vmcps(builtin which) noexcept {
  return which >= builtin::list_vmcps;
}

/// All of them, as the tools of a server that is always there.
[[nodiscard]] const server_part& builtin_part();
/// @pre `which` is of builtin_part()
[[nodiscard]] builtin builtin_of(const item& which) noexcept;
/// How to use them, for models.
[[nodiscard]] std::string_view builtin_instructions() noexcept;

} // namespace nexus::catalog
