#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "catalog/snapshot.hpp"
#include "engine/session.hpp"
#include "search/embedding.hpp"
#include "search/searcher.hpp"

namespace nexus::engine {

class query_embeddings;

/// A tool that was found, and where it leads.
struct found_tool {
  const catalog::route* where = nullptr;
  search::hit why;
};

struct found_tools {
  std::vector<found_tool> tools; ///< best first
  /// Why words alone decided although a model was to be asked; empty when it was, or there is none.
  std::string degraded;
};

struct tool_question {
  std::string_view query;
  std::size_t top_k = limits::meta_search_default;
  std::optional<std::uint32_t> only_slot = std::nullopt; ///< of one server
  /// Null: all tools. What it does not want takes no part in anything, and words alone decide.
  const std::function<bool(const catalog::route&)>* wanted = nullptr;
};

/// What the tools of a server are searched by.
[[nodiscard]] std::vector<search::document> documents_of(const std::string& server,
                                                         const catalog::item_list& tools);
/// Why a tool was found, as a JSON array of {"word", "in"}.
[[nodiscard]] std::string matches_json(const search::hit& of);

/// Searches the tools that an address leads to. The index may be older or newer than the snapshot:
/// what one of them lacks is not found. @thread its worker
class tool_search {
 public:
  void install(search::index_ptr index);
  void install(std::shared_ptr<const search::embedding_table> table);
  /// A model is asked too. @param queries outlives this; null: none is
  void use(query_embeddings* queries) noexcept { queries_ = queries; }
  /// Tools that are indexed; those of the newest snapshot follow it soon.
  [[nodiscard]] std::size_t size() const noexcept { return index_->size(); }
  /// Has the model asked about a query, if there is one, it can be, and was not before. `done` is
  /// called later, once. @returns false when there is nothing to be waited for
  [[nodiscard]] bool prepare(std::string_view query, std::function<void()> done);
  /// The best tools for a query. What a model says is regarded as far as it is known by now.
  /// @lifetime of the result: the snapshot's and the index's
  [[nodiscard]] found_tools find(view_scope scope, const catalog::exposure& shown,
                                 const catalog::snapshot& snapshot, const tool_question& asked);

 private:
  struct kept_selection {
    view_scope scope;
    std::optional<std::uint32_t> only_slot;
    std::uint64_t fingerprint = 0; ///< of the list that it was made for
    search::selection tools;
  };
  [[nodiscard]] const search::selection* selection_of(view_scope scope,
                                                      const catalog::list_view& tools,
                                                      const catalog::snapshot& snapshot,
                                                      std::optional<std::uint32_t> only_slot);
  [[nodiscard]] std::vector<search::hit> rank(std::string_view query, const search::request& how,
                                              std::string& degraded);

  search::index_ptr index_ = std::make_shared<const search::index>();
  search::searcher searcher_;
  query_embeddings* queries_ = nullptr;
  std::shared_ptr<const search::embedding_table> table_;
  search::embedded_index embedded_;
  std::vector<kept_selection> selections_; ///< the newest last
};

} // namespace nexus::engine
