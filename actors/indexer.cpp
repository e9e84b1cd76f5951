#include "actors/indexer.hpp"

#include "engine/tool_search.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

engine::embedding_documents to_embed(const std::vector<search::document>& tools) {
  auto out = std::make_shared<std::vector<engine::embedding_document>>();
  for (const auto& tool : tools) {
    auto text = search::embedding_text(tool);
    const auto digest = seal::sha256(text);
    out->push_back({tool.id, std::move(text), digest});
  }
  return out;
}

void on_order(indexer_state& s, const index_order& order) {
  bool changed = false;
  std::map<std::string, catalog::item_list_ptr> now;
  for (const auto& [server, tools] : order.servers) {
    const auto old = s.known.find(server);
    if (old == s.known.end() || old->second != tools) {
      const auto documents = engine::documents_of(server, *tools);
      s.builder.set_server(server, documents);
      if (s.process->embeddings)
        s.embedded[server] = to_embed(documents);
      changed = true;
    }
    now.emplace(server, tools);
  }
  for (const auto& [server, tools] : s.known)
    if (!now.contains(server)) {
      s.builder.remove_server(server);
      s.embedded.erase(server);
      changed = true;
    }
  s.known = std::move(now);
  if (!changed)
    return;
  s.process->post_to_all(
      [index = s.builder.build()](engine::worker& w) { w.search().install(index); });
  if (!s.process->embeddings)
    return;
  std::vector<engine::embedding_documents> all;
  for (const auto& [server, documents] : s.embedded)
    all.push_back(documents);
  s.process->post({0}, [all = std::move(all)](engine::worker& w) mutable {
    w.embeddings_of_tools().want(std::move(all));
  });
}

} // namespace

indexer_actor::behavior_type indexer_behavior(indexer_actor::stateful_pointer<indexer_state> self,
                                              engine::process* process) {
  self->state.process = process;
  return {[self](const index_order& order) { on_order(self->state, order); }};
}

} // namespace nexus::actors
