#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/snapshot.hpp"
#include "engine/session.hpp"
#include "json/scan.hpp"

/// The tasks extension: what a client is given to follow a task by names the server that has it, so
/// that any replica with the same keys can route what it asks about it.
/// @source MCP extension io.modelcontextprotocol/tasks, SEP-2663
namespace nexus::engine {

class exchange;
class worker;

/// A task as a client names it, opened.
struct known_task {
  const catalog::server_part* server = nullptr; ///< lives as the worker's snapshot
  std::string id; ///< the server's own: who knows it may follow the task, so no log does
};

/// What a server says to a listen's tasks, on its way to the worker of the listen.
struct task_news {
  std::uint32_t slot = 0;
  std::uint64_t subscriber = 0;
  bool granted = false;         ///< the answer to the listen; else one task's status
  std::vector<std::string> ids; ///< the server's: which tasks it tells of, or the one told of
  std::string status;           ///< JSON members, each after a comma
  std::string meta;             ///< JSON members, each before a comma
};

/// @returns nothing for an id that is altered, expired, of a server that is gone, or of one that
/// the address does not show
[[nodiscard]] std::optional<known_task> find_task(worker& on, view_scope scope, json::slice given);

/// Whether a modern request's envelope declares the extension.
[[nodiscard]] bool declares_tasks(worker& on, const exchange& x);

/// Whether a listen that asks for tasks may. @returns false when it was refused
[[nodiscard]] bool admit_task_filter(worker& on, exchange& listen);

} // namespace nexus::engine
