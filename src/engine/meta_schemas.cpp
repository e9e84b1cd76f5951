/// The meta-tool that tells how tools are called: get-input-schema-for-tools.

#include <fmt/format.h>

#include "base/limits.hpp"
#include "engine/argument_checker.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/meta_tools.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

void append_tool_schema(std::string& structured, std::string_view server,
                        const catalog::route& tool, std::string_view version) {
  structured += structured.back() == '[' ? "" : ",";
  json::object_writer out(structured);
  out.string("server_name", server).string("tool_name", tool.own_name());
  out.string("description", description_of(tool));
  out.raw("input_schema", tool.list->input_schema(*tool.target).raw);
  const json::slice definition{tool.list->definition(*tool.target), json::kind::object};
  const auto result = json::find_member(definition, "outputSchema");
  if (result.is(json::kind::object))
    out.raw("output_schema", result.raw);
  const auto notes = json::find_member(definition, "annotations");
  if (notes.is(json::kind::object))
    out.raw("annotations", notes.raw);
  out.string("schema_version", version);
  out.end();
}

void append_unknown(std::string& out, std::string_view server, std::string_view tool,
                    const std::vector<std::string_view>& nearest) {
  out += out.back() == '[' ? "" : ",";
  json::object_writer members(out);
  members.string("server_name", server);
  if (!tool.empty())
    members.string("tool_name", tool);
  auto& list = members.key("nearest");
  list += '[';
  for (const auto name : nearest) {
    list += list.back() == '[' ? "" : ",";
    json::append_string(list, name);
  }
  list += ']';
  members.end();
}

/// The schemas of one server's tools, as one element of `servers` asks for them.
struct schema_answer {
  std::string text, tools = "[", unknown = "[";
  std::size_t asked = 0, found = 0;

  void add(std::string_view server, const catalog::route& tool) {
    const auto schema = tool.list->input_schema(*tool.target);
    const auto version = schema_version(schema);
    ++found;
    text +=
        fmt::format("# Server name: {}, Tool name: {} (schema_version: {})\n````json\n{}\n````\n",
                    server, tool.own_name(), version, schema.raw);
    append_tool_schema(tools, server, tool, version);
  }
};

} // namespace

void tell_schemas(worker& on, exchange& x, json::slice arguments) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  const auto asked = json::find_member(arguments, "servers");
  if (!asked.is(json::kind::array))
    return answer_mistake(on, x,
                          "get-input-schema-for-tools needs servers, an array of objects with "
                          "server_name and tool_names.");
  const auto servers = visible_servers(on, x, *shown);
  schema_answer out;
  for (json::element_walk element(asked); element.next();) {
    const auto server = text_argument(element.value(), "server_name");
    const auto* const of = find_server(servers, server);
    if (of == nullptr) {
      ++out.asked;
      out.text += unknown_server_text(servers, server) + '\n';
      append_unknown(out.unknown, server, {}, nearest_servers(servers, server));
      continue;
    }
    if (!of->part->catalogue && !x.resolve_later)
      if (auto* const up = on.find_upstream(of->part->slot))
        return up->submit_unresolved(x);
    for (json::element_walk name(json::find_member(element.value(), "tool_names")); name.next();) {
      if (++out.asked > limits::meta_schemas_max)
        return answer_mistake(
            on, x,
            fmt::format("At most {} schemas may be asked for at once.", limits::meta_schemas_max));
      const auto tool = name.value().is(json::kind::string) ? json::unquote(name.value()) : "";
      const auto* const found = shown->reachable().find_own(of->part->slot, tool);
      if (found != nullptr) {
        out.add(server, *found);
        continue;
      }
      out.text += unknown_tool_text(*of, tool) + '\n';
      append_unknown(out.unknown, server, tool, nearest_tools(*of, tool));
    }
  }
  if (out.asked == 0)
    return answer_mistake(on, x,
                          "Name at least one server_name with tool_names: list-tools shows them.");
  answer_tool(on, x, out.text,
              fmt::format(R"({{"tools":{}],"unknown":{}]}})", out.tools, out.unknown),
              out.found == 0);
}

} // namespace nexus::engine
