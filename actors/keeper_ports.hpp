#pragma once

#include "actors/keeper.hpp"

/// The keeper's part that has to do with ports of virtual MCPs.
namespace nexus::actors::port_keeping {

void begin(keeper_state& s);

/// Opens the port that a definition asks a client of the API for. Nothing (number 0) when it wants
/// none, or has it already. @param now the virtual MCP as it is; null: it is to be made
/// @errors the port, or all of them, is somebody else's: the message says so
[[nodiscard]] result<engine::opened_port>
claim(keeper_state& s, const config::vmcp_definition& definition, const keeper_state::kept* now);
/// The number that `claim` will lead to.
[[nodiscard]] std::uint16_t number_after(const config::vmcp_definition& definition,
                                         const engine::opened_port& claimed,
                                         const keeper_state::kept* now) noexcept;
/// What was claimed is not needed after all.
void abandon(keeper_state& s, engine::opened_port& claimed);
/// A virtual MCP gets what was claimed for its definition, and gives up what that does not want.
void settle(keeper_state& s, keeper_state::kept& one, engine::opened_port claimed);
/// As claim() and settle() for one that nobody waits for: a failure is logged, and kept for those
/// who look at it and for retry(). @param before the port that it had in a process before
void seek(keeper_state& s, keeper_state::kept& one, std::uint16_t before = 0);
/// It has closed.
void leave(keeper_state& s, keeper_state::kept& one);
/// Tries again what was somebody else's.
void retry(keeper_state& s);

} // namespace nexus::actors::port_keeping
