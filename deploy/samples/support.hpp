#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

/// What the sample servers share: tools, and the MCP messages around them. A small server needs no
/// more than this; where the bytes come from is in http_server.hpp and in each sample's main().
namespace nexus::samples {

/// Keeps the order of members, so that answers read as they are written here.
using json = nlohmann::ordered_json;

/// Thrown by a tool that cannot do what it was asked. The model sees the text and may try again,
/// so it says what would be right.
struct tool_failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Thrown when a message is wrong in itself; becomes a JSON-RPC error.
struct protocol_failure : std::runtime_error {
  protocol_failure(int error_code, const std::string& message, json error_data = nullptr)
      : std::runtime_error(message), code(error_code), data(std::move(error_data)) {}
  int code;
  json data;
};

/// JSON-RPC's error codes, and those that MCP 2026-07-28 adds.
enum error_code : int {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  header_mismatch = -32020,
  unsupported_version = -32022,
};

/// One tool. `run` gets arguments that match the input schema's types and returns an object that
/// matches the output schema.
struct tool {
  std::string name, title, description;
  json input_schema, output_schema;
  json annotations;
  std::function<json(const json& arguments)> run;
};

/// An input schema of named properties. `required` lists the names that must be given.
json object_schema(json properties, std::vector<std::string> required);
/// An output schema of named properties that are all there.
json output_schema(json properties);
/// Hints for clients: the tool changes nothing and speaks to nobody outside.
json read_only();

/// Who the server is, and what it can do.
struct server {
  std::string name, title, version, instructions;
  std::vector<tool> tools;

  [[nodiscard]] json implementation() const; ///< `serverInfo`
  [[nodiscard]] json list_tools() const;     ///< the result of tools/list
  /// The result of tools/call. A tool that fails is a result too, with isError.
  /// Throws protocol_failure for an unknown tool or malformed parameters.
  [[nodiscard]] json call_tool(const json& params) const;
};

json make_result(const json& id, json result);
json make_error(const json& id, int code, const std::string& message, const json& data = nullptr);

/// The id to answer an unusable message with: its own when it can be read, else null.
json id_of(const json& message);

/// What a JSON-RPC message is.
enum class message_kind { request, notification, response };
/// Throws protocol_failure when it is none of these.
message_kind classify(const json& message);

/// The revisions with an initialize handshake that these servers speak, newest first.
const std::vector<std::string>& legacy_versions();
/// Answers one message of such a revision; notifications and responses get no answer.
std::optional<json> answer_legacy(const server& self, const json& message);

/// One line per event, on stderr: stdout belongs to the protocol.
void log_line(std::string_view text);

} // namespace nexus::samples
