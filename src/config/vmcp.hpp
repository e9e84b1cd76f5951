#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

/// What a virtual MCP consists of: written in a configuration or sent to the API, then immutable.
namespace nexus::config {

/// Chooses tools: those that all of its conditions hold for.
struct vmcp_selector {
  std::vector<std::string> servers, tools; ///< glob patterns over own names; empty: any
  std::vector<std::string> tags;           ///< glob patterns, one of which a tag has to match
  std::optional<bool> read_only, destructive, idempotent, open_world; ///< annotations; absent: any
  /// Only the best tools for a task, found once: when the virtual MCP is made.
  std::string query;
  std::size_t limit = 0; ///< hits of the query
};

/// A tool, prompt or resource that is shown in another form, or just named.
struct vmcp_item {
  std::string server;                   ///< empty for a resource: its URI says whose it is
  std::string own_name;                 ///< that the server has for it; the URI or its template
  std::string name, title, description; ///< empty: its own
  /// JSON objects: arguments that the model does not see. Fixed ones always hold; the others where
  /// the call has none. Empty for a resource.
  std::string fixed, defaults;
};

struct vmcp_definition {
  std::string id; ///< [a-z0-9-], in its address
  std::string title, description, instructions;
  std::vector<vmcp_selector> select;  ///< their union
  std::vector<vmcp_selector> exclude; ///< less theirs
  std::vector<vmcp_item> tools;       ///< stand first, in their order; added to what is selected
  std::vector<vmcp_item> prompts, resources; ///< likewise
  /// Glob patterns over public names, and over URIs and their templates.
  std::vector<std::string> prompt_patterns, resource_patterns;
  naming names = naming::bare;
  tool_surface surface;
  std::size_t concurrency = limits::vmcp_concurrency_default;
  std::size_t calls_per_minute = 0; ///< 0: any number
  std::size_t cache_bytes = limits::vmcp_cache_bytes_default;
  std::optional<milliseconds> ttl;   ///< after it was made
  std::optional<milliseconds> idle;  ///< after its last use
  std::optional<std::uint16_t> port; ///< of its own; 0: one of the gateway's range
  std::string text;                  ///< JSON, as it was given, with the id
  source_position position;
};
using vmcp_definition_ptr = std::shared_ptr<const vmcp_definition>;

/// Whether a text may be the id of a virtual MCP.
[[nodiscard]] bool is_vmcp_id(std::string_view id) noexcept;

/// Reads a definition that came by itself. Without an "id" in it the id stays empty.
/// @errors std::errc::invalid_argument: every mistake with its line and column
[[nodiscard]] result<vmcp_definition> parse_vmcp(std::string_view json);

} // namespace nexus::config
