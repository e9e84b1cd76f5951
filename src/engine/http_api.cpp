/// http_connection's answers to programs that are no MCP clients: /api/v1/...

#include <charconv>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "catalog/tags.hpp"
#include "engine/argument_checker.hpp"
#include "engine/http_connection.hpp"
#include "engine/meta_tools.hpp"
#include "engine/openapi.hpp"
#include "engine/tool_search.hpp"
#include "engine/upstream.hpp"
#include "http/query.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

constexpr std::string_view json_type = "application/json";

std::string texts_json(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) {
    out += out.size() == 1 ? "" : ",";
    json::append_string(out, text);
  }
  return out + ']';
}

} // namespace

void http_connection::refuse_api(unsigned status, std::string_view message,
                                 std::string_view extra_fields) {
  std::string body = R"({"error":)";
  json::append_string(body, message);
  respond(status, json_type, body + "}\n", extra_fields);
}

void http_connection::serve_api() {
  if (serve_registry())
    return;
  const auto& request = parser_.message();
  const auto path = request.path;
  const bool reads = request.verb == http::method::get || request.verb == http::method::head;
  if (path == "/api/v1/openapi.json" && reads)
    return respond(200, json_type, openapi_document());
  if (path == "/api/v1/servers" && reads)
    return respond(200, json_type, servers_json());
  if (path == "/api/v1/tools/search" && reads)
    return serve_tool_search();
  if (path == "/api/v1/vmcps" || path.starts_with("/api/v1/vmcps/"))
    return serve_vmcps();
  if (path == "/api/v1/openapi.json" || path == "/api/v1/servers" || path == "/api/v1/tools/search")
    return refuse_api(405, "only GET is served here", "Allow: GET\r\n");
  refuse_api(404, "no such address");
}

void http_connection::serve_tool_search() {
  const http::query_parameters asked(parser_.message().query);
  const auto text = asked.find("q");
  if (!text || text->empty())
    return refuse_api(400, "the query parameter q is missing: what the tools are needed for");
  tool_request request{std::string(*text)};
  if (const auto given = asked.find("limit")) {
    const auto [end, problem] =
        std::from_chars(given->data(), given->data() + given->size(), request.limit);
    if (problem != std::errc{} || end != given->data() + given->size() || request.limit == 0 ||
        request.limit > limits::search_results_max)
      return refuse_api(400,
                        fmt::format("limit is a number from 1 to {}", limits::search_results_max));
  }
  if (const auto server = asked.find("server"))
    request.server = *server;
  const auto schema = asked.find("schema").value_or("");
  request.with_schema = schema == "true" || schema == "1";
  const bool waits =
      worker_.search().prepare(request.text, [&on = worker_, connection = id_, request] {
        auto* const here = on.find_connection(connection);
        if (here != nullptr && here->state_ == state::answering)
          here->answer_tool_search(request);
      });
  if (!waits)
    answer_tool_search(request);
}

void http_connection::answer_tool_search(const tool_request& asked) {
  const auto& snapshot = worker_.snapshot();
  std::optional<std::uint32_t> slot;
  if (!asked.server.empty()) {
    const auto* const part = snapshot.server(asked.server);
    if (part == nullptr)
      return refuse_api(404, fmt::format("there is no server '{}'", asked.server));
    slot = part->slot;
  }
  const auto found =
      worker_.search().find({}, snapshot.everything(), snapshot, {asked.text, asked.limit, slot});
  std::string out = R"({"results":[)";
  for (const auto& hit : found.tools) {
    const auto& part = *snapshot.part(hit.where->slot);
    const auto& tool = *hit.where->target;
    out += out.back() == '[' ? "" : ",";
    json::object_writer row(out);
    row.string("server", part.name).string("tool", tool.name);
    row.raw("score", fmt::format("{:.6g}", hit.why.score)).raw("matched", matches_json(hit.why));
    if (hit.why.likeness)
      row.raw("likeness", fmt::format("{:.3f}", *hit.why.likeness));
    row.string("description", short_description(description_of(*hit.where)));
    row.boolean("available", part.available);
    if (const auto tags = catalog::tags_of(part, *hit.where->list, tool); !tags.empty())
      row.raw("tags", texts_json(tags));
    if (asked.with_schema) {
      const auto input = hit.where->list->input_schema(tool);
      row.raw("inputSchema", input.raw).string("schemaVersion", schema_version(input));
    }
    row.end();
  }
  out += ']';
  if (!found.degraded.empty()) {
    worker_.metrics().degraded_searches.add();
    out += R"(,"degraded":)";
    json::append_string(out, found.degraded);
  }
  respond(200, json_type,
          out +
              fmt::format(R"(,"indexedTools":{},"tools":{}}})", worker_.search().size(),
                          snapshot.tools_count()) +
              "\n");
}

std::string http_connection::servers_json() const {
  std::string out = "[";
  for (const auto& part : worker_.snapshot().servers()) {
    auto* const up = worker_.find_upstream(part.slot);
    if (up == nullptr)
      continue;
    const auto& endpoint = up->endpoint();
    if (out.size() > 1)
      out += ',';
    json::object_writer row(out);
    row.string("name", part.name);
    const bool unusable = endpoint.settings && !endpoint.settings->unusable_reason.empty();
    row.string("state", unusable ? "unusable" : to_string(endpoint.state));
    if (endpoint.settings) {
      const auto kind = endpoint.settings->kind;
      row.string("transport", kind == config::transport::stdio                     ? "stdio"
                              : kind == config::transport::sse || endpoint.channel ? "sse"
                                                                                   : "http");
    }
    if (endpoint.state == server_state::ready) {
      row.string("era", mcp::to_string(endpoint.era));
      row.string("revision", mcp::to_string(endpoint.revision));
      if (endpoint.pid != 0)
        row.integer("pid", endpoint.pid);
      if (!endpoint.server_info.empty())
        row.raw("serverInfo", endpoint.server_info);
    }
    row.integer("tools",
                part.catalogue ? static_cast<std::int64_t>(part.catalogue->tools().size()) : 0);
    if (part.tags != nullptr && !part.tags->of_all.empty())
      row.raw("tags", texts_json(part.tags->of_all));
    row.integer("restarts", static_cast<std::int64_t>(endpoint.restarts));
    if (!endpoint.reason.empty())
      row.string("error", endpoint.reason);
    row.end();
  }
  return out + "]";
}

} // namespace nexus::engine
