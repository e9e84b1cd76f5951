#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "catalog/server_catalogue.hpp"
#include "config/config.hpp"
#include "store/database.hpp"

namespace nexus::registry {

/// With `record` and `alert` the new definition is pinned; with `quarantine` the pin stays.
using config::pin_policy;

/// One that differs from its pin.
struct changed_item {
  std::string kind, name;
  std::string difference; ///< as describe_difference() has it
  bool is_new = false;    ///< this change was not seen before
};

struct pin_check {
  store::pin_update update; ///< to be written; both of its lists are empty when nothing changed
  std::vector<changed_item> changed;
  std::array<std::vector<std::string>, catalog::list_kinds.size()> withheld; ///< by list_kind
  std::size_t unchanged = 0, added = 0, gone = 0;

  [[nodiscard]] bool withholds() const noexcept;
};

/// What a pin calls an entry of a list. Resources have no pins: what is told of them describes
/// data, which is meant to change.
[[nodiscard]] std::string_view pin_kind(catalog::list_kind of) noexcept;

/// Compares what a server tells to its pins. Definitions that come and go keep their pins: one that
/// comes back is compared to what it was. The order of a list is no part of it.
/// @param pins the server's own, of all kinds
/// @cost some ten microseconds per definition
[[nodiscard]] pin_check check_pins(std::string_view server, const catalog::server_catalogue& told,
                                   const std::vector<store::pin>& pins, pin_policy policy,
                                   store::wall_ms now);

} // namespace nexus::registry
