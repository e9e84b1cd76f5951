#include "cli/gateway_client.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "cli/json_reading.hpp"
#include "gateway/classify.hpp"
#include "http/message.hpp"
#include "mcp/revision.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::cli {
namespace {

/// The only request of its exchange.
constexpr std::string_view request_id = "1";

std::string envelope(bool wants_progress) {
  std::string out;
  json::object_writer meta(out);
  meta.string("io.modelcontextprotocol/protocolVersion", mcp::to_string(mcp::newest_modern))
      .raw("io.modelcontextprotocol/clientInfo",
           R"({"name":"nexus","version":")" NEXUS_VERSION R"("})")
      .raw("io.modelcontextprotocol/clientCapabilities", "{}");
  if (wants_progress)
    meta.raw("progressToken", request_id);
  meta.end();
  return out;
}

/// A copy that may be scanned.
std::string padded(std::string_view text) {
  std::string out;
  out.reserve(text.size() + json::padding_bytes);
  return out += text;
}

/// What the gateway says in plain text, on one line and not for ever.
std::string plain_reason(const http_answer& answer) {
  constexpr std::size_t bytes_max = 300;
  const std::string_view text = trim(std::string_view(answer.body).substr(0, bytes_max));
  return text.empty() ? std::string(http::reason_phrase(answer.status)) : std::string(text);
}

std::unexpected<error> not_a_gateway(std::string_view why) {
  return fail(errc::bad_answer, fmt::format("what answers is no Nexus gateway: {}", why));
}

bool is_json(const http_answer& answer) {
  return http::media_type_is(answer.content_type, "application/json");
}

} // namespace

const server_row* server_list::find(std::string_view name) const {
  for (const server_row& row : rows) {
    if (row.name == name)
      return &row;
  }
  return nullptr;
}

gateway_client::gateway_client(http_client http, std::function<void(std::string_view)> on_progress)
    : http_(std::move(http)), on_progress_(std::move(on_progress)) {}

result<server_list> gateway_client::servers(time_point deadline) {
  auto answer = http_.get("/api/v1/servers", deadline);
  if (!answer)
    return std::unexpected(std::move(answer.error()));
  if (answer->status == 403)
    return fail(errc::refused, plain_reason(*answer));
  if (answer->status != 200 || !is_json(*answer))
    return not_a_gateway(
        fmt::format("it answers {} {}", answer->status, http::reason_phrase(answer->status)));
  server_list out;
  out.json = std::move(answer->body);
  json::ensure_padding(out.json);
  const auto entries = json_elements(scanner_, out.json);
  if (!entries)
    return not_a_gateway(entries.error().message);
  for (const json::slice& entry : *entries) {
    const auto row = json_object::read(scanner_, entry.raw);
    if (!row)
      return not_a_gateway(row.error().message);
    out.rows.push_back({row->text("name"), row->text("state"), row->text("transport"),
                        row->text("revision"), row->text("error"), row->count("pid"),
                        row->count("tools"), row->count("restarts")});
  }
  return out;
}

result<found_list> gateway_client::search(std::string_view query, std::string_view server,
                                          std::size_t top, time_point deadline) {
  auto path = fmt::format("/api/v1/tools/search?q={}&limit={}", percent_encode(query), top);
  if (!server.empty())
    path += "&server=" + percent_encode(server);
  auto answer = api_json(http_.get(path, deadline));
  if (!answer)
    return std::unexpected(std::move(answer.error()));
  found_list out;
  out.json = std::move(*answer);
  const auto whole = json_object::read(scanner_, out.json);
  if (!whole)
    return not_a_gateway(whole.error().message);
  out.indexed = whole->count("indexedTools");
  out.tools = whole->count("tools");
  out.degraded = whole->text("degraded");
  for (json::element_walk row((*whole)["results"]); row.next();) {
    const auto text = [&](std::string_view key) {
      const auto value = json::find_member(row.value(), key);
      return value.is(json::kind::string) ? json::unquote(value) : std::string(value.raw);
    };
    out.rows.push_back({text("server"), text("tool"), text("score"), text("description")});
  }
  return out;
}

result<std::string> gateway_client::get(std::string_view path, time_point deadline) {
  return read_api(http_.get(path, deadline));
}

result<std::string> gateway_client::post(std::string_view path, std::string_view body,
                                         time_point deadline) {
  return read_api(http_.post(path, {}, body, {}, deadline));
}

result<std::string> gateway_client::read_api(result<http_answer> answer) {
  if (!answer)
    return std::unexpected(std::move(answer.error()));
  if (answer->status == 403)
    return fail(errc::refused, plain_reason(*answer));
  if (!is_json(*answer))
    return not_a_gateway(
        fmt::format("it answers {} {}", answer->status, http::reason_phrase(answer->status)));
  std::string text = std::move(answer->body);
  json::ensure_padding(text);
  const auto whole = json_object::read(scanner_, text);
  if (!whole)
    return not_a_gateway(whole.error().message);
  if (answer->status != 200)
    return fail(errc::refused, whole->text("error"));
  return text;
}

result<std::vector<tool_row>> gateway_client::tools(std::string_view path, time_point deadline) {
  std::vector<tool_row> out;
  std::string params;
  for (std::size_t page = 0; page < limits::list_pages_max; ++page) {
    const auto answer = request(path, "tools/list", {}, params, deadline);
    if (!answer)
      return std::unexpected(answer.error());
    if (answer->result.empty())
      return fail(errc::refused, answer->error_message);
    const auto members = json_object::read(scanner_, answer->result);
    if (!members || !(*members)["tools"].is(json::kind::array))
      return fail(errc::bad_answer, "the answer to tools/list has no tools");
    if (auto added = add_tools((*members)["tools"].raw, out); !added)
      return std::unexpected(std::move(added.error()));
    const json::slice cursor = (*members)["nextCursor"];
    if (!cursor.is(json::kind::string))
      return out;
    params = fmt::format("\"cursor\":{},", cursor.raw);
  }
  return fail(errc::bad_answer, "the list of tools has no end");
}

result<> gateway_client::add_tools(std::string_view page, std::vector<tool_row>& out) {
  const auto entries = json_elements(scanner_, page);
  if (!entries)
    return fail(errc::bad_answer, entries.error().message);
  for (const json::slice& entry : *entries) {
    out.push_back(read_tool(entry));
  }
  return {};
}

tool_row gateway_client::read_tool(json::slice definition) {
  tool_row row;
  row.json = definition.raw;
  // A server's definition may be odd, with a key twice or very many; the others are listed still.
  const auto tool = json_object::read(scanner_, definition.raw);
  row.name = tool ? tool->text("name") : "(a definition that cannot be read)";
  if (!tool)
    return row;
  row.description = tool->text("description");
  if (row.description.empty())
    row.description = tool->text("title");
  const json::slice meta = (*tool)["_meta"];
  if (meta.is(json::kind::object)) {
    const auto marks = json_object::read(scanner_, meta.raw);
    row.available = !marks || !marks->is_true("dev.nexus/unavailable");
  }
  return row;
}

result<rpc_answer> gateway_client::call(std::string_view path, std::string_view tool,
                                        std::string_view arguments, time_point deadline) {
  std::string params = "\"name\":";
  json::append_string(params, tool);
  params += fmt::format(",\"arguments\":{},", arguments);
  return request(path, "tools/call", tool, params, deadline);
}

result<rpc_answer> gateway_client::request(std::string_view path, std::string_view method,
                                           std::string_view name, std::string_view params,
                                           time_point deadline) {
  const bool progress = static_cast<bool>(on_progress_) && method == "tools/call";
  const std::string body =
      fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{{{}"_meta":{}}}}})",
                  request_id, method, params, envelope(progress));
  std::string fields;
  http::append_field(fields, "MCP-Protocol-Version", mcp::to_string(mcp::newest_modern));
  http::append_field(fields, "Mcp-Method", method);
  if (!name.empty())
    http::append_field(fields, "Mcp-Name", gateway::encode_header_value(name));
  std::optional<result<rpc_answer>> streamed;
  auto answer = http_.post(
      path, fields, body, [&](std::string_view data) { return take_event(data, streamed); },
      deadline);
  if (!answer)
    return std::unexpected(std::move(answer.error()));
  if (streamed)
    return std::move(*streamed);
  if (is_json(*answer))
    return read_answer(answer->body);
  if (answer->status == 200)
    return fail(errc::bad_answer, "the stream ended without an answer");
  return fail(errc::refused,
              fmt::format("the gateway answers {}: {}", answer->status, plain_reason(*answer)));
}

result<rpc_answer> gateway_client::read_answer(std::string_view message) {
  const auto members = json_object::read(scanner_, message);
  if (!members)
    return not_a_gateway(members.error().message);
  rpc_answer out;
  if ((*members)["result"].is(json::kind::object)) {
    out.result = padded((*members)["result"].raw);
    return out;
  }
  const json::slice failure = (*members)["error"];
  if (!failure.is(json::kind::object))
    return not_a_gateway("its answer is neither a result nor an error");
  const auto described = json_object::read(scanner_, failure.raw);
  if (!described)
    return not_a_gateway(described.error().message);
  out.error = failure.raw;
  out.error_message = described->text("message");
  if ((*described)["code"].is(json::kind::number))
    out.error_code = json::to_int64((*described)["code"]).value_or(0);
  return out;
}

bool gateway_client::take_event(std::string_view data, std::optional<result<rpc_answer>>& out) {
  const auto members = json_object::read(scanner_, data);
  if (!members) {
    out = not_a_gateway(members.error().message);
    return false;
  }
  if (!(*members)["method"]) {
    out = read_answer(data);
    return false;
  }
  if (on_progress_ && members->text("method") == "notifications/progress")
    take_progress((*members)["params"].raw);
  return true;
}

void gateway_client::take_progress(std::string_view params) {
  const auto members = json_object::read(scanner_, params);
  if (!members || !(*members)["progress"].is(json::kind::number))
    return;
  std::string text((*members)["progress"].raw);
  if ((*members)["total"].is(json::kind::number))
    text += fmt::format("/{}", (*members)["total"].raw);
  if (const std::string message = members->text("message"); !message.empty())
    text += " " + message;
  on_progress_(text);
}

result<std::string> api_json(result<http_answer> answer) {
  if (!answer)
    return std::unexpected(std::move(answer.error()));
  if (answer->status == 403)
    return fail(errc::refused, plain_reason(*answer));
  if (!is_json(*answer))
    return not_a_gateway(
        fmt::format("it answers {} {}", answer->status, http::reason_phrase(answer->status)));
  json::ensure_padding(answer->body);
  if (answer->status >= 200 && answer->status < 300)
    return std::move(answer->body);
  json::scanner scanner;
  const auto whole = json_object::read(scanner, answer->body);
  if (!whole)
    return not_a_gateway(whole.error().message);
  return fail(answer->status == 404 ? errc::absent : errc::refused, whole->text("error"));
}

std::string mcp_path(std::string_view server) {
  return "/s/" + percent_encode(server) + "/mcp";
}

} // namespace nexus::cli
