#include "engine/tool_search.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "engine/embeddings.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

const catalog::route* route_of(const catalog::list_view& tools, const catalog::snapshot& snapshot,
                               std::string_view server, std::string_view name) {
  const auto* const part = snapshot.server(server);
  return part == nullptr ? nullptr : tools.find_target(part->slot, name);
}

} // namespace

std::vector<search::document> documents_of(const std::string& server,
                                           const catalog::item_list& tools) {
  std::vector<search::document> out;
  json::scanner scanner;
  std::string text;
  for (const auto& tool : tools.items()) {
    text = tools.definition(tool);
    json::ensure_padding(text);
    auto made = search::read_document(scanner, text);
    if (!made)
      continue; // it was scanned before; what is too deep for a search is left out
    made->server = server;
    made->id = server + '/' + tool.name;
    made->name = tool.name;
    out.push_back(std::move(*made));
  }
  return out;
}

std::string matches_json(const search::hit& of) {
  std::string out = "[";
  for (const auto& match : of.matched) {
    out += out.size() == 1 ? "" : ",";
    json::object_writer members(out);
    members.string("word", match.word);
    auto& where = members.key("in");
    where += '[';
    for (const auto field : match.where) {
      where += where.back() == '[' ? "" : ",";
      json::append_string(where, search::name_of(field));
    }
    where += ']';
    members.end();
  }
  return out + ']';
}

void tool_search::install(search::index_ptr index) {
  selections_.clear();
  index_ = std::move(index);
  embedded_.lay(index_, table_);
}

void tool_search::install(std::shared_ptr<const search::embedding_table> table) {
  table_ = std::move(table);
  embedded_.lay(index_, table_);
}

bool tool_search::prepare(std::string_view query, std::function<void()> done) {
  // Without an embedding of any tool there is nothing to compare a query's to.
  return queries_ != nullptr && !embedded_.empty() && !queries_->find(query) &&
         queries_->ask(query, std::move(done));
}

const search::selection* tool_search::selection_of(view_scope scope,
                                                   const catalog::list_view& tools,
                                                   const catalog::snapshot& snapshot,
                                                   std::optional<std::uint32_t> only_slot) {
  // All tools of the index are there to be seen: the usual case, and the fastest.
  if (scope == view_scope{} && !only_slot && index_->size() == tools.size())
    return nullptr;
  const auto known = std::ranges::find_if(selections_, [&](const kept_selection& kept) {
    return kept.scope == scope && kept.only_slot == only_slot &&
           kept.fingerprint == tools.fingerprint();
  });
  if (known != selections_.end()) {
    std::rotate(known, known + 1, selections_.end());
    return &selections_.back().tools;
  }
  if (selections_.size() >= limits::search_selections_kept)
    selections_.erase(selections_.begin());
  selections_.push_back(
      {scope, only_slot, tools.fingerprint(), index_->select([&](const search::tool_ref& tool) {
         const auto* const leads = route_of(tools, snapshot, tool.server, tool.name);
         return leads != nullptr && (!only_slot || leads->slot == *only_slot);
       })});
  return &selections_.back().tools;
}

std::vector<search::hit> tool_search::rank(std::string_view query, const search::request& how,
                                           std::string& degraded) {
  const auto known = queries_ != nullptr ? queries_->find(query) : nullptr;
  if (known && !embedded_.empty())
    return search::find_blended(searcher_, *index_, query, how, embedded_, *known,
                                queries_->provider().weight);
  if (queries_ != nullptr)
    degraded = embedded_.empty()             ? "the model has not read the tools yet"
               : queries_->problem().empty() ? "the model was not asked"
                                             : "the model does not answer: " + queries_->problem();
  return searcher_.find(*index_, query, how);
}

found_tools tool_search::find(view_scope scope, const catalog::exposure& shown,
                              const catalog::snapshot& snapshot, const tool_question& asked) {
  const auto& tools = shown.reachable();
  search::request how;
  how.top_k = std::min(asked.top_k, limits::search_results_max);
  search::selection wanted; // nobody else asks for it
  if (asked.wanted != nullptr) {
    wanted = index_->select([&](const search::tool_ref& tool) {
      const auto* const leads = route_of(tools, snapshot, tool.server, tool.name);
      return leads != nullptr && (!asked.only_slot || leads->slot == *asked.only_slot) &&
             (*asked.wanted)(*leads);
    });
    how.visible = &wanted;
  } else {
    how.visible = selection_of(scope, tools, snapshot, asked.only_slot);
  }
  found_tools out;
  // What is found by a selector is found once, and must not depend on what others have asked.
  auto hits = asked.wanted != nullptr ? searcher_.find(*index_, asked.query, how)
                                      : rank(asked.query, how, out.degraded);
  for (auto& hit : hits)
    if (const auto* const leads = route_of(tools, snapshot, hit.server, hit.name))
      out.tools.push_back({leads, std::move(hit)});
  return out;
}

} // namespace nexus::engine
