#pragma once

#include <deque>
#include <map>

#include "actors/messages.hpp"
#include "engine/process.hpp"

namespace nexus::actors {

/// Owns the merged catalogue. Receives server_order from lifecycle and server_changed from servers;
/// posts snapshots and endpoints to every worker, a server's snapshot always before the endpoint
/// that makes its calls run. Bounded by one reminder: bursts become one snapshot. What servers tell
/// goes to the archivist too, see registry_keeping.hpp.
/// Tells the indexer, which it spawns, what is to be searched.
struct registry_state {
  static constexpr const char* name = "registry";
  struct part {
    std::shared_ptr<const catalog::server_catalogue> catalogue;
    engine::endpoint_ptr endpoint;
    /// As the server told it, which may be more than `catalogue` shows.
    std::shared_ptr<const catalog::server_catalogue> told;
    std::shared_ptr<const std::vector<seal::digest>> digests; ///< of the tools in `catalogue`
    std::shared_ptr<const catalog::hidden_tools> hidden;      ///< from the address of all servers
    std::shared_ptr<const catalog::merged_tools> merged;      ///< whose calls may go elsewhere
    double latency_ms = 0;                             ///< of its calls of late; 0: not known
    std::uint64_t measured_calls = 0, measured_ns = 0; ///< that `latency_ms` has regarded
    std::deque<server_changed> waiting; ///< the first one is being looked at by the archivist
    bool asked_for = false;             ///< what it told earlier, of the archivist
    bool available = true;
    bool unusable = false; ///< as configured it can never be connected
  };
  engine::process* process = nullptr;
  archivist_actor archivist; ///< null: nothing is kept
  bool loading = false;      ///< the first snapshot waits for the archivist
  time_point load_deadline{};
  server_order order;
  std::shared_ptr<const config::duplicate_rules> duplicates; ///< those of the order
  std::map<std::uint32_t, part> parts;
  std::vector<engine::endpoint_ptr> unpublished; ///< wait for the snapshot that they need
  std::vector<server_actor> dropped;             ///< wait for the snapshot that does not show them
  std::shared_ptr<const catalog::snapshot> published; ///< the newest
  std::uint64_t generation = 0;
  bool publishing = false;
  indexer_actor indexer;                                      ///< ends with the registry
  std::vector<std::pair<std::string, std::string>> most_used; ///< shown directly by `auto`

  ~registry_state() {
    if (indexer)
      caf::anon_send_exit(indexer, caf::exit_reason::user_shutdown);
  }
};

registry_actor::behavior_type
registry_behavior(registry_actor::stateful_pointer<registry_state> self, engine::process* process,
                  const archivist_actor& archivist);

} // namespace nexus::actors
