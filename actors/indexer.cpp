#include "actors/indexer.hpp"

#include "engine/tool_search.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

void on_order(indexer_state& s, const index_order& order) {
  bool changed = false;
  std::map<std::string, catalog::item_list_ptr> now;
  for (const auto& [server, tools] : order.servers) {
    const auto old = s.known.find(server);
    if (old == s.known.end() || old->second != tools) {
      s.builder.set_server(server, engine::documents_of(server, *tools));
      changed = true;
    }
    now.emplace(server, tools);
  }
  for (const auto& [server, tools] : s.known)
    if (!now.contains(server)) {
      s.builder.remove_server(server);
      changed = true;
    }
  s.known = std::move(now);
  if (changed)
    s.process->post_to_all(
        [index = s.builder.build()](engine::worker& w) { w.search().install(index); });
}

} // namespace

indexer_actor::behavior_type indexer_behavior(indexer_actor::stateful_pointer<indexer_state> self,
                                              engine::process* process) {
  self->state.process = process;
  return {[self](const index_order& order) { on_order(self->state, order); }};
}

} // namespace nexus::actors
