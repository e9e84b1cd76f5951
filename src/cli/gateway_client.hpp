#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/http_client.hpp"
#include "json/scan.hpp"

/// What a gateway can be asked: MCP 2026-07-28 requests, and the state of its servers.
namespace nexus::cli {

/// A row of GET /api/v1/servers.
struct server_row {
  std::string name, state, transport, revision, error;
  std::uint64_t pid = 0, tools = 0, restarts = 0;

  /// Nothing more happens to it for now.
  [[nodiscard]] bool settled() const { return state != "connecting" && state != "idle"; }
};

struct server_list {
  std::string json; ///< as it came
  std::vector<server_row> rows;

  [[nodiscard]] const server_row* find(std::string_view name) const;
};

struct tool_row {
  std::string json; ///< the definition as it came
  std::string name, description;
  bool available = true; ///< false: its server is down, the definition is the last one seen
};

/// A row of GET /api/v1/tools/search.
struct found_row {
  std::string server, tool, score, description;
};

struct found_list {
  std::string json; ///< as it came
  std::vector<found_row> rows;
  std::uint64_t indexed = 0, tools = 0; ///< differ for a moment after a change
  std::string degraded;                 ///< why no model was asked that should have been
};

/// What a request was answered: either a result or an error of JSON-RPC.
struct rpc_answer {
  /// JSON, an object; with json::padding_bytes of spare capacity. Empty when there is an error.
  std::string result;
  std::string error; ///< JSON: the error object; empty when there is a result
  std::int64_t error_code = 0;
  std::string error_message;
};

class gateway_client {
 public:
  /// @param on_progress told what notifications/progress say; empty: none are asked for
  gateway_client(http_client http, std::function<void(std::string_view)> on_progress);

  /// @errors unreachable, timed_out, bad_answer, refused
  [[nodiscard]] result<server_list> servers(time_point deadline);

  /// The best tools for a query. @param server empty for all
  /// @errors as servers()
  [[nodiscard]] result<found_list> search(std::string_view query, std::string_view server,
                                          std::size_t top, time_point deadline);

  /// All pages of a list. @param path `/mcp` or mcp_path()
  /// @errors as servers()
  [[nodiscard]] result<std::vector<tool_row>> tools(std::string_view path, time_point deadline);

  /// @param arguments JSON, an object
  /// @errors as servers()
  [[nodiscard]] result<rpc_answer> call(std::string_view path, std::string_view tool,
                                        std::string_view arguments, time_point deadline);

  /// What an address of the API answers: validated JSON, an object.
  /// @errors as servers()
  [[nodiscard]] result<std::string> get(std::string_view path, time_point deadline);
  [[nodiscard]] result<std::string> post(std::string_view path, std::string_view body,
                                         time_point deadline);

  [[nodiscard]] http_client& http() noexcept { return http_; }
  [[nodiscard]] const http_client& http() const noexcept { return http_; }

 private:
  /// @param params further members of params, each with a comma behind it
  [[nodiscard]] result<rpc_answer> request(std::string_view path, std::string_view method,
                                           std::string_view name, std::string_view params,
                                           time_point deadline);
  [[nodiscard]] result<std::string> read_api(result<http_answer> answer);
  [[nodiscard]] result<rpc_answer> read_answer(std::string_view message);
  /// One event: a notification, or the answer. @returns false once `out` is there
  bool take_event(std::string_view data, std::optional<result<rpc_answer>>& out);
  void take_progress(std::string_view params);
  [[nodiscard]] result<> add_tools(std::string_view page, std::vector<tool_row>& out);
  [[nodiscard]] tool_row read_tool(json::slice definition);

  http_client http_;
  std::function<void(std::string_view)> on_progress_;
  json::scanner scanner_;
};

/// What a path under /api/v1 gave: JSON, with json::padding_bytes of spare capacity.
/// @errors those of the answer; bad_answer; absent and refused with what the gateway says
[[nodiscard]] result<std::string> api_json(result<http_answer> answer);

/// Where one server stands alone.
[[nodiscard]] std::string mcp_path(std::string_view server);

} // namespace nexus::cli
