#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/builtin_tools.hpp"
#include "catalog/snapshot.hpp"
#include "json/scan.hpp"

/// The gateway's own tools: they find and call those of all servers. Every name is looked up in
/// what the caller's address leads to, and nowhere else.
namespace nexus::engine {

class exchange;
class worker;

/// Serves a call of one of them. Answers and releases the exchange, or keeps it for a server.
void call_builtin(worker& on, exchange& x, const catalog::item& which);

// ---- What their parts share

/// A server as models see it.
struct visible_server {
  const catalog::server_part* part = nullptr;
  std::vector<const catalog::route*> tools; ///< in the list's order
};
/// The servers of an address in their order; of a virtual MCP only those that it has something of.
[[nodiscard]] std::vector<visible_server> visible_servers(worker& on, const exchange& x,
                                                          const catalog::exposure& shown);
/// One of them by its exact name; null when there is none.
[[nodiscard]] const visible_server* find_server(const std::vector<visible_server>& all,
                                                std::string_view name);
/// What to say about a name that does not exist: the nearest ones, or how to find all.
[[nodiscard]] std::string unknown_server_text(const std::vector<visible_server>& all,
                                              std::string_view name);
[[nodiscard]] std::string unknown_tool_text(const visible_server& of, std::string_view name);
[[nodiscard]] std::vector<std::string_view> nearest_servers(const std::vector<visible_server>& all,
                                                            std::string_view name);
[[nodiscard]] std::vector<std::string_view> nearest_tools(const visible_server& of,
                                                          std::string_view name);

/// A call's answer: a text block, and what it says as JSON. @param structured may be empty
void answer_tool(worker& on, exchange& x, std::string_view text, std::string_view structured,
                 bool is_error = false);
/// A mistake of the model's, which it can mend.
void answer_mistake(worker& on, exchange& x, std::string_view text,
                    std::string_view structured = {});
/// A string argument; empty when it is absent or none.
[[nodiscard]] std::string text_argument(json::slice arguments, std::string_view key);
/// An integer argument from 1 to `most`; `otherwise` when it is absent or none of these.
[[nodiscard]] std::size_t count_argument(json::slice arguments, std::string_view key,
                                         std::size_t otherwise, std::size_t most);
/// A tool's description as it was written; empty when it has none.
[[nodiscard]] std::string description_of(const catalog::route& tool);
/// In one line of limits::meta_description_bytes at most.
[[nodiscard]] std::string short_description(std::string_view description);

/// Whether arguments fit a tool's input schema. @returns false when they do not: the exchange is
/// answered
[[nodiscard]] bool arguments_fit(worker& on, exchange& x, const catalog::server_part& part,
                                 const catalog::route& tool, json::slice arguments);

// ---- The tools, by files
void list_all_tools(worker& on, exchange& x, json::slice arguments);
void tell_servers(worker& on, exchange& x, json::slice arguments);
void tell_schemas(worker& on, exchange& x, json::slice arguments);
void search_tools(worker& on, exchange& x, json::slice arguments);
void call_one_tool(worker& on, exchange& x, json::slice arguments);
void call_many_tools(worker& on, exchange& x, json::slice arguments);
/// @pre `which` is one that manages virtual MCPs
void manage_vmcps(worker& on, exchange& x, catalog::builtin which, json::slice arguments);

} // namespace nexus::engine
