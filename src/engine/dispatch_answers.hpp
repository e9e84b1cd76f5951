#pragma once

#include <cstdint>
#include <string_view>

#include "catalog/list_view.hpp"
#include "engine/session.hpp"
#include "gateway/pieces.hpp"
#include "mcp/error_table.hpp"
#include "json/scan.hpp"

/// What the parts of dispatch share. Internal to dispatch*.cpp.
namespace nexus::engine {

class exchange;
class upstream;
class worker;

/// Each of these gives the answer and releases the exchange.
void answer(worker& on, exchange& x, const gateway::pieces& text);
void answer_result(worker& on, exchange& x, std::string_view result);
void refuse(worker& on, exchange& x, mcp::errc code, std::string_view message,
            std::string_view data = {}, unsigned http_status = 200);
/// @param failure a server's error object
void answer_error(worker& on, exchange& x, std::string_view failure);
void refuse_unconfigured(worker& on, exchange& x);

/// Sends the request to a server, with the exchange's target set.
void forward(worker& on, exchange& x, std::uint32_t slot);
/// As forward, to a tool that was found. The exchange's name and arguments are the tool's own.
void forward_tool(worker& on, exchange& x, const catalog::route& to);
/// As forward_tool, to whichever of the tool's servers can take the call. In failover.cpp
void forward_merged(worker& on, exchange& x, const catalog::merged_tool_ptr& tool);
/// Sets the exchange's target to a tool as its server has it.
void aim(exchange& x, const catalog::item& target);
/// As forward, for a completion: refused when the server has none.
void forward_completion(worker& on, exchange& x, std::uint32_t slot);
/// The server of a single-server address whose lists are not known yet; null otherwise.
[[nodiscard]] upstream* unlisted_server(worker& on, const exchange& x);

// ---- Methods
void list_tools(worker& on, exchange& x);
void list_prompts(worker& on, exchange& x);
void list_resources(worker& on, exchange& x);
void list_templates(worker& on, exchange& x);
void call_tool(worker& on, exchange& x);
void get_prompt(worker& on, exchange& x);
void complete(worker& on, exchange& x);
/// @param uri of a ref/resource: a string
void complete_resource(worker& on, exchange& x, json::slice uri);
void read_resource(worker& on, exchange& x);
void subscribe(worker& on, exchange& x);
void unsubscribe(worker& on, exchange& x);
/// tasks/get, tasks/update, tasks/cancel
void follow_task(worker& on, exchange& x);

} // namespace nexus::engine
