/// The meta-tools that call others: call-tool, call-tools.

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/argument_checker.hpp"
#include "engine/call_group.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/meta_tools.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

/// The call itself, without the tool that makes it: what stood in `args` becomes the arguments.
void unwrap(exchange& x, std::string_view tool, std::string_view args) {
  auto& text = x.unwrapped;
  text = R"("name":)";
  json::append_string(text, tool);
  const auto name_bytes = text.size();
  text += R"(,"arguments":)";
  const auto args_at = text.size();
  text += args;
  json::ensure_padding(text);
  const std::string_view whole = text;
  using mcp::param_key;
  x.request.params.set(param_key::name, {{whole.substr(7, name_bytes - 7), json::kind::string},
                                         whole.substr(0, name_bytes)});
  x.request.params.set(param_key::arguments,
                       {{whole.substr(args_at), json::kind::object}, whole.substr(name_bytes + 1)});
}

/// Whether the caller has shown that it knows the schema, as far as that is wanted.
/// @returns what to tell it otherwise
std::string proof_problem(worker& on, const catalog::exposure& shown,
                          const catalog::server_part& part, const catalog::route& tool,
                          std::string_view given) {
  const auto wanted = shown.surface().proof;
  if (wanted == config::schema_proof::off && given.empty())
    return {};
  const auto version = schema_version(tool.list->input_schema(*tool.target));
  if (given == version)
    return {};
  on.metrics().refusals.add(metrics::refusal::schema_proof);
  const auto name = fmt::format("'{}' of server '{}'", tool.own_name(), part.name);
  if (!given.empty())
    return fmt::format("Nothing was called: the schema of {} is another one by now than "
                       "schema_version {} names. Read it again with get-input-schema-for-tools.",
                       name, given.substr(0, limits::name_bytes_max));
  if (wanted == config::schema_proof::enforce)
    return fmt::format("Nothing was called: read the schema of {} with "
                       "get-input-schema-for-tools first, and pass its schema_version.",
                       name);
  log::warn("meta", "call_without_schema_version",
            {{"server", part.name}, {"tool", tool.own_name()}});
  return {};
}

} // namespace

bool arguments_fit(worker& on, exchange& x, const catalog::server_part& part,
                   const catalog::route& tool, json::slice arguments) {
  const auto* const schema = on.checker().schema_of(*tool.list, *tool.target);
  if (schema == nullptr)
    return true;
  const auto verdict = schema->check(arguments);
  if (verdict.what != schema::verdict::state::invalid)
    return true;
  on.metrics().refusals.add(metrics::refusal::arguments);
  std::string text = fmt::format("Nothing was called: the arguments do not fit the input schema of "
                                 "'{}' of server '{}'.\n",
                                 tool.own_name(), part.name);
  std::string structured = R"({"error":"invalid_arguments","violations":[)";
  for (const auto& wrong : verdict.violations) {
    text +=
        fmt::format("- {}: expected {}, found {}\n",
                    wrong.path.empty() ? "the arguments" : wrong.path, wrong.expected, wrong.found);
    structured += structured.back() == '[' ? "" : ",";
    json::object_writer out(structured);
    out.string("path", wrong.path).string("expected", wrong.expected).string("found", wrong.found);
    out.end();
  }
  structured += ']';
  if (const auto example = schema->example()) {
    text += fmt::format("A minimal valid example: {}\n", *example);
    structured += fmt::format(R"(,"example":{})", *example);
  }
  answer_mistake(on, x, text, structured + '}');
  return false;
}

void call_one_tool(worker& on, exchange& x, json::slice arguments) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  const auto server = text_argument(arguments, "server_name");
  const auto tool = text_argument(arguments, "tool_name");
  if (server.empty() || tool.empty())
    return answer_mistake(on, x,
                          "call-tool needs server_name and tool_name, as list-tools shows them, "
                          "and args.");
  auto args = json::find_member(arguments, "args");
  if (args && !args.is(json::kind::object))
    return answer_mistake(on, x, "args must be an object: the tool's arguments by name.");
  const auto* const part = on.snapshot().server(server);
  const auto* found = part == nullptr ? nullptr : shown->reachable().find_own(part->slot, tool);
  if (found == nullptr) {
    const auto servers = visible_servers(on, x, *shown);
    const auto* const of = find_server(servers, server);
    if (of == nullptr)
      return answer_mistake(on, x, unknown_server_text(servers, server));
    auto* const up = of->part->catalogue ? nullptr : on.find_upstream(of->part->slot);
    if (up != nullptr && (!x.resolve_later || up->endpoint().state == server_state::connecting))
      return up->submit_unresolved(x);
    return answer_mistake(on, x, unknown_tool_text(*of, tool));
  }
  const auto problem =
      proof_problem(on, *shown, *part, *found, text_argument(arguments, "schema_version"));
  if (!problem.empty())
    return answer_mistake(on, x, problem);
  if (!args)
    args = {"{}", json::kind::object};
  if (shown->surface().check != config::argument_check::off &&
      !arguments_fit(on, x, *part, *found, args))
    return;
  on.shared().usage.count(server, found->target->name);
  unwrap(x, found->target->name, args.raw);
  forward_tool(on, x, *found);
}

void call_many_tools(worker& on, exchange& x, json::slice arguments) {
  const auto calls = json::find_member(arguments, "calls");
  if (!calls.is(json::kind::array))
    return answer_mistake(on, x,
                          "call-tools needs calls, an array of objects with server_name, tool_name "
                          "and args.");
  std::vector<json::slice> each;
  for (json::element_walk call(calls); call.next();)
    each.push_back(call.value());
  if (each.empty() || each.size() > limits::meta_calls_max)
    return answer_mistake(
        on, x, fmt::format("call-tools makes 1 to {} calls at once.", limits::meta_calls_max));
  for (const auto call : each)
    if (!call.is(json::kind::object))
      return answer_mistake(on, x, "Each of calls must be an object.");
  x.group = std::make_unique<call_group>(on, x);
  x.group->start(each);
}

} // namespace nexus::engine
