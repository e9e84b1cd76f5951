#pragma once

#include <string>
#include <vector>

#include "catalog/snapshot.hpp"
#include "engine/control.hpp"

/// Virtual MCPs as JSON, for the API and for the tools that manage them.
namespace nexus::engine {

class process;

/// @param shown what it shows on this worker; null: not known
void append_vmcp_row(std::string& out, const process& shared, const vmcp_row& row,
                     const catalog::exposure* shown);
/// `{"vmcps": [...]}`
[[nodiscard]] std::string vmcp_list_json(const process& shared, const std::vector<vmcp_row>& rows);
/// `{"events": [...], "next": N}`
[[nodiscard]] std::string vmcp_events_json(const vmcp_answer& answer);

} // namespace nexus::engine
