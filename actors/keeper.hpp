#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "engine/process.hpp"

namespace nexus::actors {

/// Knows all virtual MCPs: those of the configuration and those made by the API. Spawns their
/// actors, answers the API, tells them when to look for their end. What the API makes, changes and
/// deletes is in the store before it is done and answered; at the start it is made again from
/// there. Bounded by limits::vmcps_max and limits::vmcp_events_kept.
struct keeper_state {
  static constexpr const char* name = "keeper";
  struct kept {
    vmcp_actor actor;
    std::shared_ptr<engine::vmcp_runtime> runtime;
    config::vmcp_definition_ptr definition; ///< the newest, which may not be published yet
    std::uint64_t generation = 1;
    engine::vmcp_state at = engine::vmcp_state::created;
    bool from_api = false;
    bool made_here = false; ///< by the API, in this process
    bool replaced = false;  ///< another one waits for its id
    std::chrono::system_clock::time_point created;
    engine::own_port_ptr port; ///< null: it has none
    /// Why it lacks the port that it wants, which is tried again; usually empty.
    std::string port_problem;
    std::uint16_t port_before = 0; ///< that it had in a process before; 0: none
    time_point port_patience{};    ///< until then it waits for that
  };
  engine::process* process = nullptr;
  std::unique_ptr<engine::vmcp_ports> ports;
  std::map<std::string, kept, std::less<>> all; ///< by id
  bool applied = false;                         ///< the configuration is known
  std::optional<kept_vmcps> stored;             ///< came before the configuration
  bool loaded = false;                          ///< the store has told what it has
  std::vector<ask_vmcps> early;                 ///< what the API asked before that
  std::set<std::string, std::less<>> saving;    ///< ids of those that are being created
  /// What the store has and could not be made: its generations. It stays there for a person to look
  /// at until the API makes another of that id.
  std::map<std::string, std::uint64_t, std::less<>> unusable;
  std::set<std::uint32_t> restoring; ///< numbers of those that are not published yet
  std::uint32_t numbers = 0;
  std::deque<engine::vmcp_event> events;
  std::uint64_t event_sequence = 0;
};

keeper_actor::behavior_type keeper_behavior(keeper_actor::stateful_pointer<keeper_state> self,
                                            engine::process* process,
                                            const archivist_actor& archivist);

} // namespace nexus::actors
