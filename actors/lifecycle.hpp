#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "actors/messages.hpp"
#include "engine/process.hpp"

namespace nexus::actors {

class server_directory;

/// Owns what runs: which servers exist, by the configuration, and which sessions. Spawns their
/// actors; a server that is unchanged by a reload is not touched. Sends server_order to the
/// registry. Bounded by the configuration, limits.sessions and limits::branches_per_server_max.
struct lifecycle_state {
  static constexpr const char* name = "lifecycle";
  struct running {
    std::uint32_t slot = 0;
    std::shared_ptr<const config::server> settings;
    server_actor actor;
  };
  engine::process* process = nullptr;
  std::shared_ptr<server_directory> directory;
  registry_actor registry;
  std::map<std::string, running> servers;
  std::uint32_t next_slot = 0;
  std::deque<std::uint32_t> free_slots; ///< the longest free first
  std::uint64_t started = 0;            ///< servers so far
  struct open_session {
    engine::session_ptr session;
    session_actor actor;
  };
  std::unordered_map<std::string, open_session> sessions;
  struct running_branch {
    engine::branch_ptr as;
    std::uint32_t slot = 0;
    server_actor actor;
  };
  /// Sessions with servers beside the shared ones, by the server's slot and their key.
  std::map<std::pair<std::uint32_t, std::string>, running_branch> branches;
};

/// Which actor owns a slot: written by lifecycle, read by the bridge when a worker reports.
class server_directory {
 public:
  void set(std::uint32_t slot, server_actor actor);
  void erase(std::uint32_t slot);
  [[nodiscard]] server_actor find(std::uint32_t slot) const;
  [[nodiscard]] std::vector<server_actor> all() const;
  void clear();

 private:
  mutable std::mutex mutex_; // control path only
  std::unordered_map<std::uint32_t, server_actor> actors_;
};

lifecycle_actor::behavior_type
lifecycle_behavior(lifecycle_actor::stateful_pointer<lifecycle_state> self,
                   engine::process* process, const registry_actor& registry,
                   const std::shared_ptr<server_directory>& directory);

} // namespace nexus::actors
