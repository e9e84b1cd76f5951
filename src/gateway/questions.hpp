#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "gateway/client_capabilities.hpp"
#include "mcp/message.hpp"

/// What servers want to know in the middle of a call, in the forms of both eras: a request of its
/// own from a legacy server to a legacy client, a member of `inputRequests` between modern ones.
namespace nexus::gateway {

/// One thing that a server wants to know.
struct input_request {
  std::string key; ///< in inputRequests and inputResponses
  question_kind kind = question_kind::elicitation;
  std::string params; ///< JSON object, or empty; json::padding_bytes of capacity follow it
};

/// The members of an `inputRequests` object.
/// @errors mcp::errc::invalid_request: not an object, or a member that asks for nothing known
[[nodiscard]] result<std::vector<input_request>> read_input_requests(json::slice requests,
                                                                     json::scanner& scanner);

/// A result of type input_required: everything of the server's `response` but the state, in place
/// of which stands ours. @param state empty: the server gave none
void render_input_required(std::string& out, std::string_view id, const mcp::message& response,
                           std::string_view state);
/// The same, made for requests of a legacy server.
void render_input_required(std::string& out, std::string_view id,
                           const std::vector<input_request>& requests, std::string_view state);

/// The code of 2025-11-25 that says: send the user to these addresses, then call again.
inline constexpr std::int64_t url_elicitation_required = -32042;
/// The requests that the error's data stands for; empty when it is unreadable.
/// @param data of such an error
[[nodiscard]] std::vector<input_request> url_elicitations_in(json::slice data,
                                                             json::scanner& scanner);

/// The members of an `inputResponses` object, as key (unescaped) and value.
struct input_response {
  std::string key;
  json::slice value;
};
[[nodiscard]] std::vector<input_response> read_input_responses(json::slice responses,
                                                               json::scanner& scanner);

/// Whether `value` is a result of that kind.
/// @pre json::padding_bytes follow it
[[nodiscard]] bool is_result_of(question_kind kind, json::slice value, json::scanner& scanner);

/// Params of elicitation/create for the other era: without elicitationId for modern clients, with
/// `elicitation_id` for legacy ones when the mode is url.
/// @pre json::padding_bytes follow `params`
[[nodiscard]] std::string elicitation_for_modern(std::string_view params, json::scanner& scanner);
[[nodiscard]] std::string elicitation_for_legacy(std::string_view params,
                                                 std::string_view elicitation_id,
                                                 json::scanner& scanner);

/// Puts our progress token into a question's params, or takes the server's out when `ours` is
/// empty.
/// @param params an object or empty; json::padding_bytes of capacity follow it, before and after
/// @returns the server's token as JSON; empty, and params untouched, when there was none
[[nodiscard]] std::string replace_progress_token(std::string& params, std::string_view ours,
                                                 json::scanner& scanner);

} // namespace nexus::gateway
