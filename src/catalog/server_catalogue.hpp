#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "catalog/item_list.hpp"

/// What one server has told of itself. It outlives the connection: a server that is down is still
/// spoken for.
namespace nexus::catalog {

/// The capabilities of a server, as far as a gateway passes them on.
struct offered {
  bool tools = false, prompts = false, resources = false;
  bool subscribe = false; ///< resources.subscribe
  bool completions = false, logging = false;
  bool tasks = false; ///< the extension, of a modern server
  /// Those of which only the declaration passes, a JSON object; empty: none.
  std::string extensions;

  [[nodiscard]] bool has(family of) const noexcept {
    return of == family::tools ? tools : of == family::prompts ? prompts : resources;
  }
  /// Of an extension that both have, this one's settings stay.
  void merge(const offered& other);
  /// Nothing is known yet, so anything may come.
  [[nodiscard]] static offered everything() {
    return {true, true, true, true, true, true, false, {}};
  }
  friend bool operator==(const offered&, const offered&) = default;
};

/// Adds to a JSON object the members of another that it lacks. An empty text has none.
/// @pre both are validated
void add_missing_members(std::string& to, std::string_view from);

/// Immutable. A list that changes is replaced alone; the others are shared with the catalogue
/// before.
struct server_catalogue {
  std::array<item_list_ptr, list_kinds.size()> lists; ///< by list_kind; none is null
  offered offers;
  std::string instructions;
  /// Of what the server tells beside its lists.
  cache_hints hints{limits::list_ttl_default.count(), false};

  server_catalogue();
  [[nodiscard]] const item_list& list(list_kind kind) const noexcept {
    return *lists[index_of(kind)];
  }
  [[nodiscard]] const std::vector<item>& tools() const noexcept {
    return list(list_kind::tools).items();
  }
  /// True when clients see no difference.
  [[nodiscard]] bool same_as(const server_catalogue& other) const noexcept;
};

} // namespace nexus::catalog
