#pragma once

#include "actors/messages.hpp"
#include "engine/process.hpp"
#include "engine/vmcps.hpp"

namespace nexus::actors {

/// Owns the life of one virtual MCP: created, ready, draining, closed. Receives its definition and
/// updates from the keeper; posts its states to every worker, and tells the keeper. Ends when it
/// has closed.
struct vmcp_state {
  static constexpr const char* name = "vmcp";
  engine::process* process = nullptr;
  keeper_actor keeper;
  std::shared_ptr<engine::vmcp_runtime> runtime;
  config::vmcp_definition_ptr definition;
  std::shared_ptr<const catalog::frozen_tools> found;
  std::uint64_t generation = 0;
  engine::vmcp_state at = engine::vmcp_state::created;
  unsigned waits = 0;   ///< for servers that connect
  time_point made{};    ///< its time to live counts from here
  time_point started{}; ///< in this process: idleness counts from here at the earliest
  time_point drain_until{};
};

/// @param made when its time to live began, which may be before this process
vmcp_actor::behavior_type vmcp_behavior(vmcp_actor::stateful_pointer<vmcp_state> self,
                                        engine::process* process, const keeper_actor& keeper,
                                        std::shared_ptr<engine::vmcp_runtime> runtime,
                                        time_point made);

} // namespace nexus::actors
