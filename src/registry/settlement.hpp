#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "catalog/snapshot.hpp"
#include "config/config.hpp"
#include "seal/digest.hpp"

/// What becomes of the tools that are the same on several servers.
namespace nexus::registry {

/// What is known of a server whose tools have been listed. @lifetime the caller's
struct listed_server {
  std::uint32_t slot = 0;
  std::string_view name;
  catalog::item_list_ptr tools;
  std::span<const seal::digest> digests; ///< tool_digest() of each tool
  bool available = true;
  double latency_ms = 0;                         ///< 0: not known
  const catalog::merged_tools* before = nullptr; ///< what it showed for others; may be null
};

/// What the address of all servers makes of one server's tools. Null: nothing.
struct settlement {
  std::shared_ptr<const catalog::hidden_tools> hidden;
  std::shared_ptr<const catalog::merged_tools> merged;
};

/// Hides and merges by the rules; a server without an entry keeps all of its tools as they are.
/// What is found is merged only where results have the same schema too, and of each server one tool
/// is called; groups that the configuration names are taken at its word.
/// @pre there are as many digests as tools
[[nodiscard]] std::map<std::uint32_t, settlement>
settle_duplicates(std::span<const listed_server> servers, const config::duplicate_rules& rules);

} // namespace nexus::registry
