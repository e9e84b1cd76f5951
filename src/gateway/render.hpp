#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/pieces.hpp"
#include "gateway/trace_context.hpp"
#include "mcp/message.hpp"
#include "mcp/revision.hpp"

/// Messages as they are written on either side. What is hop-local is replaced here and nowhere
/// else; everything else is spliced from the text that it came in.
namespace nexus::gateway {

/// Who the gateway says it is, on both sides: the `serverInfo` and `clientInfo` object.
[[nodiscard]] std::string_view implementation_json() noexcept;
/// `"io.modelcontextprotocol/serverInfo":{...}`, the member of a modern result's _meta.
[[nodiscard]] std::string_view server_info_member() noexcept;

// ---- Answers to clients ----------------------------------------------------------------------

/// Whether modern results of a method must say how long they may be kept.
enum class caching : std::uint8_t { none, required };
[[nodiscard]] caching caching_of(std::string_view method) noexcept;

/// A server's result as the answer to `id`, in the client's era. A modern client gets a resultType,
/// the gateway's serverInfo and, where required, cache hints that forbid keeping it when the server
/// gave none; a legacy one gets none of these.
/// `scratch` holds what had to be rebuilt and must outlive `out`.
void render_result(pieces& out, std::string& scratch, std::string_view id,
                   const mcp::message& response, mcp::era client, caching hints = caching::none);

/// What a server's error answers.
struct error_context {
  mcp::era client = mcp::era::legacy, server = mcp::era::legacy;
  /// params.uri of a resources/read, as it was written; empty for other methods.
  std::string_view uri;
};

/// A server's JSON-RPC error, passed on as it is, but for a resource that is not found: each era
/// has a code of its own for that. `scratch` as for render_result.
void render_error(pieces& out, std::string& scratch, std::string_view id,
                  const mcp::message& response, const error_context& context);

/// `{"jsonrpc":"2.0","id":...,"error":{...}}`; an empty id is written as null, `data` is left out
/// when empty.
[[nodiscard]] std::string error_response(std::string_view id, int code, std::string_view message,
                                         std::string_view data = {});
/// `{"jsonrpc":"2.0","id":...,"result":...}`
[[nodiscard]] std::string result_response(std::string_view id, std::string_view result);

/// A progress notification of a server with the client's own token in place of ours.
/// @returns false when it is no object with a progress
[[nodiscard]] bool render_progress(std::string& out, const mcp::message& notification,
                                   std::string_view client_token);

// ---- Requests to servers ---------------------------------------------------------------------

/// What a request carries beside the client's own members, or instead of them.
struct downstream_call {
  std::string_view method;
  std::string_view target_name; ///< replaces params.name when the request has one
  std::int64_t id = 0;
  mcp::era server = mcp::era::legacy;
  /// What a legacy session asked for with logging/setLevel; modern requests carry their own.
  mcp::log_level log_level = mcp::log_level::off;
  std::string_view target_ref = {}; ///< JSON, replaces params.ref unless it is empty
  /// The caller's capabilities, of a modern request's envelope.
  std::string_view capabilities = "{}";
  /// JSON, replaces params.inputResponses unless it is empty. Legacy servers get neither.
  std::string_view input_responses = {};
  /// JSON: the state that the server gave; empty: none. What the client sent is ours, and sealed.
  std::string_view request_state = {};
  /// Of the client's HTTP request: becomes members of a modern request's _meta.
  trace_context trace = {};
  std::string_view target_task = {}; ///< replaces params.taskId unless it is empty
};

/// The client's request as `server` wants it: our id and progress token, the tool's own name, the
/// envelope of the server's era; arguments, unknown params and unknown _meta members as they came.
void append_request(std::string& out, const mcp::message& request, const downstream_call& call);

/// A request or notification of the gateway itself. `params` is a JSON object without its closing
/// brace's predecessor needing care: "{}" or "{...}". The envelope is added for modern servers.
/// @param capabilities of that envelope, a JSON object
void append_own_request(std::string& out, std::string_view method, std::int64_t id,
                        std::string_view params, mcp::era server, std::string_view capabilities);
void append_own_notification(std::string& out, std::string_view method, std::string_view params);

} // namespace nexus::gateway
