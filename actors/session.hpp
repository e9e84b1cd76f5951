#pragma once

#include "actors/messages.hpp"
#include "engine/process.hpp"

namespace nexus::actors {

/// Owns the life of one legacy client's session: ends it when it has been idle for too long. What
/// the data path reads of it is in engine::session. Sends session_ended to lifecycle, once. A
/// session that fails takes nothing with it.
struct session_state {
  static constexpr const char* name = "session";
  engine::process* process = nullptr;
  engine::session_ptr session;
  lifecycle_actor lifecycle;
};

session_actor::behavior_type session_behavior(session_actor::stateful_pointer<session_state> self,
                                              engine::process* process,
                                              const engine::session_ptr& session,
                                              const lifecycle_actor& lifecycle);

} // namespace nexus::actors
