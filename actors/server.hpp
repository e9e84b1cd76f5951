#pragma once

#include "actors/messages.hpp"
#include "engine/process.hpp"

namespace nexus::actors {

/// Owns one downstream server's life: when its link is opened, its era once learnt, its back-off.
/// Receives what the link (on its home worker) reports, sends server_changed to the registry.
/// Fails by reconnecting with bounded intensity; it ends only when the configuration drops it.
/// Bounded by one link at a time, and one reminder.
struct server_state {
  static constexpr const char* name = "server";
  engine::process* process = nullptr;
  registry_actor registry;
  lifecycle_actor lifecycle;
  std::uint32_t slot = 0;
  std::shared_ptr<const config::server> settings;
  engine::branch_ptr as; ///< null: the server's own connection
  std::uint64_t link = 0;
  engine::server_state at = engine::server_state::idle;
  bool known_legacy = false;
  bool retired = false;
  std::uint64_t restarts = 0;
  std::vector<time_point> recent_restarts;
  milliseconds delay = limits::restart_delay_min;
  time_point up_since{};
};

struct server_setup {
  engine::process* process = nullptr;
  registry_actor registry;
  lifecycle_actor lifecycle;
  std::uint32_t slot = 0;
  std::uint64_t first_link = 0; ///< links are numbered upwards from here
  std::shared_ptr<const config::server> settings;
  engine::branch_ptr as; ///< null: the server's own connection
};

server_actor::behavior_type server_behavior(server_actor::stateful_pointer<server_state> self,
                                            const server_setup& setup);

} // namespace nexus::actors
