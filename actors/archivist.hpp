#pragma once

#include <map>
#include <optional>
#include <string>

#include "actors/messages.hpp"
#include "engine/process.hpp"
#include "store/database.hpp"
#include "json/scan.hpp"

namespace nexus::actors {

struct archivist_setup {
  engine::process* process = nullptr;
  std::optional<std::string> file; ///< none: in memory
  bool lacks_file = false;         ///< there should be one, and nowhere is a place for it
};

/// Owns the file with what has to survive a restart. Answers load_catalogues and
/// examine_catalogue of the registry and load_vmcps of the keeper, runs store_work of anybody.
/// Detached: it waits for the disk, and looks through lists of thousands of tools. Fails by going
/// on in memory, with a warning. Bounded by the number of servers; what the API asks is bounded by
/// its connections.
struct archivist_state {
  static constexpr const char* name = "archivist";
  archivist_setup setup;
  std::optional<store::database> store; ///< opened by the first message, on the actor's own thread
  json::scanner scanner;
  /// What the file has of each server, lest it be written again: settings and lists.
  std::map<std::string, std::pair<std::string, std::shared_ptr<const catalog::server_catalogue>>>
      saved;
};

archivist_actor::behavior_type
archivist_behavior(archivist_actor::stateful_pointer<archivist_state> self,
                   const archivist_setup& setup);

} // namespace nexus::actors
