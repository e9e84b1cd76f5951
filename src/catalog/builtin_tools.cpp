#include "catalog/builtin_tools.hpp"

#include "base/assert.hpp"

namespace nexus::catalog {
namespace {

/// In the order of `builtin`. Names and inputs are those of the Nexus-MCP extension, with more
/// optional ones.
constexpr std::string_view definitions = R"json([
{"name":"list-tools","title":"List tools",
"description":"Lists every tool that can be reached, by server: start here. Use the names exactly as they are listed. A query lists only the tools that fit it best.",
"inputSchema":{"type":"object","properties":{
"server_name":{"type":"string","description":"Only this server's tools."},
"query":{"type":"string","description":"What the tools are needed for, in plain words: only the best matches are listed."},
"limit":{"type":"integer","minimum":1,"description":"At most so many tools."},
"cursor":{"type":"string","description":"next_cursor of the answer before."}}},
"outputSchema":{"type":"object","properties":{
"servers":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"state":{"type":"string"},"version":{"type":"string"},"tools":{"type":"array","items":{"type":"object","properties":{"tool_name":{"type":"string"},"description":{"type":"string"}},"required":["tool_name","description"]}}},"required":["server_name","state","tools"]}},
"total_tools":{"type":"integer"},"next_cursor":{"type":"string"}},"required":["servers","total_tools"]},
"annotations":{"readOnlyHint":true,"openWorldHint":false}},
{"name":"get-server-information","title":"Server information",
"description":"Tells which servers can be reached, their versions and states, and how many tools each has.",
"inputSchema":{"type":"object","properties":{
"server_name":{"type":"string","description":"Only this server."}}},
"outputSchema":{"type":"object","properties":{
"servers":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"state":{"type":"string"},"version":{"type":"string"},"total_tools":{"type":"integer"},"instructions":{"type":"string"},"error":{"type":"string"}},"required":["server_name","state","total_tools"]}}},"required":["servers"]},
"annotations":{"readOnlyHint":true,"openWorldHint":false}},
{"name":"get-input-schema-for-tools","title":"Input schemas of tools",
"description":"Gives the input schemas of tools, which their arguments must fit. Read a tool's schema before you call it; several servers and tools may be asked for at once.",
"inputSchema":{"type":"object","properties":{
"servers":{"type":"array","description":"The tools, by server.","items":{"type":"object","properties":{
"server_name":{"type":"string","description":"As listed by list-tools."},
"tool_names":{"type":"array","items":{"type":"string"},"description":"As listed by list-tools."}},"required":["server_name","tool_names"]}}},"required":["servers"]},
"outputSchema":{"type":"object","properties":{
"tools":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"tool_name":{"type":"string"},"description":{"type":"string"},"input_schema":{"type":"object"},"schema_version":{"type":"string"}},"required":["server_name","tool_name","input_schema","schema_version"]}},
"unknown":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"tool_name":{"type":"string"},"nearest":{"type":"array","items":{"type":"string"}}},"required":["server_name","nearest"]}}},"required":["tools","unknown"]},
"annotations":{"readOnlyHint":true,"openWorldHint":false}},
{"name":"call-tool","title":"Call a tool",
"description":"Calls a tool of a server. The names must be those of list-tools, and the arguments must fit the schema of get-input-schema-for-tools.",
"inputSchema":{"type":"object","properties":{
"server_name":{"type":"string","description":"As listed by list-tools."},
"tool_name":{"type":"string","description":"As listed by list-tools."},
"args":{"type":"object","description":"The tool's arguments, as its input schema wants them.","additionalProperties":true},
"schema_version":{"type":"string","description":"schema_version of get-input-schema-for-tools: proves that the schema was read."}},"required":["server_name","tool_name"]},
"annotations":{"readOnlyHint":false,"openWorldHint":true}},
{"name":"search-tools","title":"Search tools",
"description":"Finds the tools that fit a task best, over all servers, best first. Cheaper than list-tools when there are many.",
"inputSchema":{"type":"object","properties":{
"query":{"type":"string","description":"The task, in plain words."},
"limit":{"type":"integer","minimum":1,"description":"At most so many tools; 10 by default."},
"server_name":{"type":"string","description":"Only this server's tools."},
"include_schemas":{"type":"boolean","description":"Give the input schemas too, so that call-tool can follow at once."}},"required":["query"]},
"outputSchema":{"type":"object","properties":{
"results":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"tool_name":{"type":"string"},"description":{"type":"string"},"score":{"type":"number"},"matched":{"type":"array","items":{"type":"object"}},"input_schema":{"type":"object"},"schema_version":{"type":"string"}},"required":["server_name","tool_name","score"]}}},"required":["results"]},
"annotations":{"readOnlyHint":true,"openWorldHint":false}},
{"name":"call-tools","title":"Call several tools",
"description":"Calls several tools at the same time, and answers when all have ended. Only for calls that do not need each other's results.",
"inputSchema":{"type":"object","properties":{
"calls":{"type":"array","minItems":1,"items":{"type":"object","properties":{
"server_name":{"type":"string"},"tool_name":{"type":"string"},"args":{"type":"object","additionalProperties":true},"schema_version":{"type":"string"}},"required":["server_name","tool_name"]}}},"required":["calls"]},
"outputSchema":{"type":"object","properties":{
"results":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"tool_name":{"type":"string"},"result":{"type":"object"},"error":{"type":"object"}},"required":["server_name","tool_name"]}}},"required":["results"]},
"annotations":{"readOnlyHint":false,"openWorldHint":true}}
])json";

constexpr std::string_view workflow =
    "This gateway leads to many tools by a few. Work in four steps. "
    "1. Discover: list-tools shows all servers and tools, search-tools the best for a task, "
    "get-server-information how the servers are. What is not listed does not exist. "
    "2. Choose: take server and tool names letter by letter as listed; never make one up, and "
    "never use this gateway's own name as server_name. "
    "3. Verify: read the input schemas with get-input-schema-for-tools before a first call, and "
    "build the arguments from nothing else. If a schema cannot serve the task, choose another "
    "tool. "
    "4. Execute: call-tool with server_name, tool_name, args, and schema_version as it was given; "
    "call-tools for calls that do not depend on each other. "
    "If nothing listed can do a task, say so.";

server_part make_part() {
  std::string text(definitions);
  std::erase(text, '\n'); // a message on stdio is one line
  json::ensure_padding(text);
  json::scanner scanner;
  list_builder built(list_kind::tools, {limits::list_ttl_default.count(), false});
  const auto whole = scanner.validate(text);
  NEXUS_ASSERT(whole.has_value());
  const auto added = built.add_page(*whole, scanner);
  NEXUS_ASSERT(added.has_value());
  auto catalogue = std::make_shared<server_catalogue>();
  catalogue->lists[index_of(list_kind::tools)] = built.finish();
  catalogue->offers.tools = true;
  return {builtin_slot, "nexus", std::move(catalogue), true, false};
}

} // namespace

const server_part& builtin_part() {
  static const server_part part = make_part();
  return part;
}

builtin builtin_of(const item& which) noexcept {
  const auto& all = builtin_part().catalogue->tools();
  const auto at = &which - all.data();
  NEXUS_ASSERT(at >= 0 && static_cast<std::size_t>(at) < all.size());
  return static_cast<builtin>(at);
}

std::string_view builtin_instructions() noexcept {
  return workflow;
}

} // namespace nexus::catalog
