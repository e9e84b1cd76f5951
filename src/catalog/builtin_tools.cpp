#include "catalog/builtin_tools.hpp"

#include "base/assert.hpp"

namespace nexus::catalog {
namespace {

/// In the order of `builtin`. Names and inputs of the first six are those of the Nexus-MCP
/// extension, with more optional ones.
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
"results":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"tool_name":{"type":"string"},"description":{"type":"string"},"score":{"type":"number"},"matched":{"type":"array","items":{"type":"object"}},"likeness":{"type":"number"},"input_schema":{"type":"object"},"schema_version":{"type":"string"}},"required":["server_name","tool_name","score"]}},"degraded":{"type":"string"}},"required":["results"]},
"annotations":{"readOnlyHint":true,"openWorldHint":false}},
{"name":"call-tools","title":"Call several tools",
"description":"Calls several tools at the same time, and answers when all have ended. Only for calls that do not need each other's results.",
"inputSchema":{"type":"object","properties":{
"calls":{"type":"array","minItems":1,"items":{"type":"object","properties":{
"server_name":{"type":"string"},"tool_name":{"type":"string"},"args":{"type":"object","additionalProperties":true},"schema_version":{"type":"string"}},"required":["server_name","tool_name"]}}},"required":["calls"]},
"outputSchema":{"type":"object","properties":{
"results":{"type":"array","items":{"type":"object","properties":{"server_name":{"type":"string"},"tool_name":{"type":"string"},"result":{"type":"object"},"error":{"type":"object"}},"required":["server_name","tool_name"]}}},"required":["results"]},
"annotations":{"readOnlyHint":false,"openWorldHint":true}},
{"name":"list-virtual-mcps","title":"List virtual MCPs",
"description":"Lists the virtual MCPs of this gateway: small collections of its tools, each at an address of its own. Tells states, addresses and generations.",
"inputSchema":{"type":"object","properties":{
"id":{"type":"string","description":"Only this one, with its number of tools."}}},
"outputSchema":{"type":"object","properties":{
"vmcps":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"state":{"type":"string"},"generation":{"type":"integer"},"source":{"type":"string"},"address":{"type":"string"},"port":{"type":"integer"},"portProblem":{"type":"string"},"url":{"type":"string"},"created":{"type":"string"},"expires":{"type":"string"},"tools":{"type":"integer"},"inFlight":{"type":"integer"},"definition":{"type":"object"}},"required":["id","state","generation","source","address","inFlight","definition"]}}},"required":["vmcps"]},
"annotations":{"readOnlyHint":true,"openWorldHint":false}},
{"name":"create-virtual-mcp","title":"Create a virtual MCP",
"description":"Makes a virtual MCP: chosen tools, prompts and resources of this gateway at an address of their own, for a task or a team. The answer has its address. Find servers and tools first; what no server has cannot be chosen.",
"inputSchema":{"type":"object","properties":{
"id":{"type":"string","description":"Its name in its address: a-z, 0-9 and -."},
"definition":{"type":"object","description":"What it shows, and how.","properties":{
"title":{"type":"string"},"description":{"type":"string"},"instructions":{"type":"string","description":"For the models that use it."},
"select":{"type":"array","description":"Tools that fit all keys of any of these.","items":{"type":"object","properties":{
"servers":{"type":"array","items":{"type":"string"},"description":"Patterns of names; * matches any text."},"tools":{"type":"array","items":{"type":"string"},"description":"Patterns of names."},"tags":{"type":"array","items":{"type":"string"},"description":"Patterns of tags."},
"readOnly":{"type":"boolean"},"destructive":{"type":"boolean"},"idempotent":{"type":"boolean"},"openWorld":{"type":"boolean"},
"query":{"type":"string","description":"A task in plain words: the best tools for it, found once."},"limit":{"type":"integer","minimum":1,"description":"Tools that the query finds; 10 by default."}}}},
"exclude":{"type":"array","description":"Less the tools that fit any of these selectors.","items":{"type":"object"}},
"tools":{"type":"array","description":"Tools one by one, in another form if need be.","items":{"type":"object","properties":{
"server":{"type":"string"},"tool":{"type":"string"},"name":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},"fixed":{"type":"object","description":"Arguments that always hold; models do not see them."},"defaults":{"type":"object","description":"Arguments that hold where a call has none; models do not see them."}},"required":["server","tool"]}},
"prompts":{"type":"array","description":"Patterns of prompts' names, or objects with server, prompt, name, title, description, fixed, defaults.","items":{"type":["string","object"]}},
"resources":{"type":"array","description":"Patterns of URIs, or objects with uri, name, title, description.","items":{"type":["string","object"]}},
"names":{"type":"string","enum":["bare","prefixed"]},
"exposure":{"type":"string","enum":["tools","meta","hybrid","auto"]},
"port":{"type":["integer","string"],"description":"A port of its own: its number, or auto for any that is free."},
"ttl":{"type":"string","description":"How long it lives: 30m, 8h."},"idle":{"type":"string","description":"How long after its last use it ends."},
"limits":{"type":"object","properties":{"concurrency":{"type":"integer"},"callsPerMinute":{"type":"integer"}}}}}},"required":["id","definition"]},
"outputSchema":{"type":"object","properties":{"id":{"type":"string"},"state":{"type":"string"},"generation":{"type":"integer"},"address":{"type":"string"},"port":{"type":"integer"},"url":{"type":"string"},"definition":{"type":"object"}},"required":["id","state","generation","address","definition"]},
"annotations":{"readOnlyHint":false,"destructiveHint":false,"idempotentHint":false,"openWorldHint":false}},
{"name":"update-virtual-mcp","title":"Change a virtual MCP",
"description":"Replaces the definition of a virtual MCP that was made by create-virtual-mcp or the gateway's API. Its clients hear of it at once.",
"inputSchema":{"type":"object","properties":{
"id":{"type":"string","description":"As listed by list-virtual-mcps."},
"definition":{"type":"object","description":"The whole new definition, as create-virtual-mcp takes it."},
"generation":{"type":"integer","minimum":1,"description":"Change it only if it is still of this generation, as list-virtual-mcps tells it."}},"required":["id","definition"]},
"outputSchema":{"type":"object","properties":{"id":{"type":"string"},"state":{"type":"string"},"generation":{"type":"integer"},"address":{"type":"string"},"port":{"type":"integer"},"url":{"type":"string"},"definition":{"type":"object"}},"required":["id","state","generation","address","definition"]},
"annotations":{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":false}},
{"name":"delete-virtual-mcp","title":"Delete a virtual MCP",
"description":"Ends a virtual MCP that was made by create-virtual-mcp or the gateway's API: calls under way finish, then its address is gone.",
"inputSchema":{"type":"object","properties":{
"id":{"type":"string","description":"As listed by list-virtual-mcps."},
"generation":{"type":"integer","minimum":1,"description":"Delete it only if it is still of this generation."}},"required":["id"]},
"outputSchema":{"type":"object","properties":{"id":{"type":"string"},"state":{"type":"string"},"generation":{"type":"integer"},"address":{"type":"string"},"definition":{"type":"object"}},"required":["id","state","generation","address","definition"]},
"annotations":{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":false}}
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
