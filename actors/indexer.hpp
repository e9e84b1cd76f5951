#pragma once

#include <map>
#include <memory>
#include <string>

#include "actors/messages.hpp"
#include "engine/embeddings.hpp"
#include "engine/process.hpp"
#include "search/index.hpp"

namespace nexus::actors {

/// Owns the search index. Receives the lists of all servers from the registry, posts an index to
/// every worker. Detached: indexing thousands of tools takes longer than a worker may be away.
/// Bounded by the number of servers; of several orders that wait, each costs only what changed.
struct indexer_state {
  static constexpr const char* name = "indexer";
  engine::process* process = nullptr;
  search::index_builder builder;
  std::map<std::string, catalog::item_list_ptr> known;
  /// Of each server, when there is a provider of embeddings.
  std::map<std::string, engine::embedding_documents> embedded;
};

indexer_actor::behavior_type indexer_behavior(indexer_actor::stateful_pointer<indexer_state> self,
                                              engine::process* process);

} // namespace nexus::actors
