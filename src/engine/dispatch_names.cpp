/// Requests that name what they want: tools, prompts, and completions of their arguments.

#include <fmt/format.h>

#include "catalog/builtin_tools.hpp"
#include "catalog/names.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/meta_tools.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/parameter_headers.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using catalog::list_kind;
using mcp::errc;
using mcp::param_key;

constexpr std::size_t suggestions = 3;

/// A server whose lists are not known yet and whose prefix the name carries; null otherwise.
upstream* awaited_server(worker& on, const exchange& x, std::string_view name) {
  if (x.scope.one_server())
    return unlisted_server(on, x);
  for (const auto& part : on.snapshot().servers()) {
    if (part.catalogue)
      continue;
    const auto prefix = catalog::prefixed_name(part.name, "x");
    const bool plain = prefix.ends_with("__x");
    if (plain && name.starts_with(std::string_view(prefix).substr(0, prefix.size() - 1)))
      return on.find_upstream(part.slot);
  }
  if (on.snapshot().mode() != catalog::naming::bare)
    return nullptr;
  // A bare name may be of any server that has not been heard yet.
  for (const auto& part : on.snapshot().servers()) {
    auto* const up = part.catalogue ? nullptr : on.find_upstream(part.slot);
    if (up != nullptr && up->endpoint().state == server_state::connecting)
      return up;
  }
  return nullptr;
}

void refuse_unknown(worker& on, exchange& x, list_kind kind, const catalog::list_view& view,
                    std::string_view name) {
  const auto noun = words_of(kind).noun;
  const auto& reachable = on.view(x.scope)->reachable();
  if (const auto* const indirect = kind == list_kind::tools ? reachable.find(name) : nullptr)
    if (const auto* const part = on.snapshot().part(indirect->slot))
      return refuse(on, x, errc::invalid_params,
                    fmt::format("Unknown tool: {}; call-tool reaches it with server_name '{}' and "
                                "tool_name '{}'",
                                name, part->name, indirect->own_name()));
  std::string data;
  json::object_writer out(data);
  out.string(noun, name.substr(0, limits::name_bytes_max));
  auto& list = out.key("nearest");
  list += '[';
  std::string hint;
  for (const auto near : view.nearest(name, suggestions)) {
    if (list.back() != '[')
      list += ',';
    json::append_string(list, near);
    hint += hint.empty() ? "; did you mean " : " or ";
    hint += near;
  }
  list += ']';
  out.end();
  refuse(on, x, errc::invalid_params,
         fmt::format("Unknown {}: {}{}{}", noun, name.substr(0, limits::name_bytes_max), hint,
                     hint.empty() ? "" : "?"),
         data);
}

/// Where the entry with that public name leads. Nothing when the exchange was dealt with: it waits
/// for its server, or is refused.
const catalog::route* find_named(worker& on, exchange& x, list_kind kind, std::string_view name) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr) {
    refuse_unconfigured(on, x);
    return nullptr;
  }
  const auto& view = shown->list(kind);
  if (const auto* const found = view.find(name))
    return found;
  // Having waited for one, a call waits for another that still connects, within its deadline.
  auto* const awaited = awaited_server(on, x, name);
  if (awaited != nullptr &&
      (!x.resolve_later || awaited->endpoint().state == server_state::connecting))
    awaited->submit_unresolved(x);
  else
    refuse_unknown(on, x, kind, view, name);
  return nullptr;
}

/// Checks the headers that repeat arguments. @returns false when the exchange was refused
bool headers_agree(worker& on, exchange& x, const catalog::item& target) {
  const auto* const sent =
      x.era == mcp::era::modern && x.client != nullptr ? x.client->request_headers() : nullptr;
  if (sent == nullptr || target.headers.empty())
    return true;
  const auto problem = gateway::parameter_header_problem(
      target.headers, x.request.params[param_key::arguments], *sent);
  if (problem.empty())
    return true;
  on.metrics().refusals.add(metrics::refusal::header_mismatch);
  refuse(on, x, errc::header_mismatch, problem, {}, 400);
  return false;
}

/// Adds the arguments that the model does not give. Fixed ones hold whatever it gives.
void complete_arguments(exchange& x, const config::vmcp_item& change) {
  const auto given = x.request.params[param_key::arguments];
  const auto object_of = [](const std::string& text) {
    return json::slice{text, text.empty() ? json::kind::absent : json::kind::object};
  };
  const auto fixed = object_of(change.fixed);
  std::string text = R"("arguments":{)";
  const auto add = [&text](std::string_view key, std::string_view value) {
    text += text.back() == '{' ? "" : ",";
    json::append_string(text, key);
    text.append(1, ':').append(value);
  };
  for (json::member_walk m(given); m.next();)
    if (!json::find_member(fixed, m.key()))
      add(m.key(), m.value().raw);
  for (json::member_walk m(object_of(change.defaults)); m.next();)
    if (!json::find_member(fixed, m.key()) && !json::find_member(given, m.key()))
      add(m.key(), m.value().raw);
  for (json::member_walk m(fixed); m.next();)
    add(m.key(), m.value().raw);
  text += '}';
  json::ensure_padding(text);
  x.completed = std::move(text); // what was given may stand in the text before
  const std::string_view whole = x.completed;
  constexpr std::size_t key_bytes = 12;
  x.request.params.set(param_key::arguments,
                       {{whole.substr(key_bytes), json::kind::object}, whole});
}

/// Whether the arguments of a call to the tool itself fit its schema, where that is to be checked.
bool arguments_accepted(worker& on, exchange& x, const catalog::route& to) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr || shown->surface().check != config::argument_check::all)
    return true;
  const auto* const part = on.snapshot().part(to.slot);
  if (part == nullptr || !part->catalogue)
    return true;
  const auto given = x.request.params[param_key::arguments];
  return arguments_fit(on, x, *part, to, given ? given : json::slice{"{}", json::kind::object});
}

/// tools/call and prompts/get: the entry called params.name.
void forward_named(worker& on, exchange& x, list_kind kind) {
  const auto quoted = x.request.params[param_key::name];
  if (!quoted.is(json::kind::string))
    return refuse(on, x, errc::invalid_params,
                  fmt::format("{} needs params.name, a string", x.request.method));
  const auto arguments = x.request.params[param_key::arguments];
  if (arguments && !arguments.is(json::kind::object))
    return refuse(on, x, errc::invalid_params, "params.arguments must be an object");
  std::string unescaped;
  const auto* const found = find_named(on, x, kind, json::unquote(quoted, unescaped));
  if (found == nullptr)
    return;
  if (found->slot == catalog::builtin_slot)
    return call_builtin(on, x, *found->target);
  if (headers_agree(on, x, *found->target) &&
      (kind != list_kind::tools || arguments_accepted(on, x, *found)))
    forward_tool(on, x, *found);
}

/// The members of a completion's reference.
class ref_visitor final : public json::visitor {
 public:
  json::slice type, name, uri;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == "type")
      type = found.value;
    if (found.key == "name")
      name = found.value;
    if (found.key == "uri")
      uri = found.value;
  }
};

/// Whether a virtual MCP gives an argument itself, so that models do not see it.
bool hides(const config::vmcp_item* change, std::string_view argument) {
  if (change == nullptr)
    return false;
  for (const auto* const text : {&change->fixed, &change->defaults})
    if (!text->empty() && json::find_member({*text, json::kind::object}, argument))
      return true;
  return false;
}

void complete_prompt(worker& on, exchange& x, std::string_view ref, json::slice name) {
  std::string unescaped;
  const auto* const found = find_named(on, x, list_kind::prompts, json::unquote(name, unescaped));
  if (found == nullptr)
    return;
  if (const auto argument = json::find_member(x.request.params[param_key::argument], "name");
      argument.is(json::kind::string) && hides(found->change, json::unquote(argument)))
    return refuse(on, x, errc::invalid_params,
                  fmt::format("the prompt has no argument {}", argument.raw));
  const auto before = static_cast<std::size_t>(name.raw.data() - ref.data());
  x.target_ref = ref.substr(0, before);
  json::append_string(x.target_ref, found->target->name);
  x.target_ref += ref.substr(before + name.raw.size());
  forward_completion(on, x, found->slot);
}

} // namespace

void forward_tool(worker& on, exchange& x, const catalog::route& to) {
  if (to.change != nullptr && (!to.change->fixed.empty() || !to.change->defaults.empty()))
    complete_arguments(x, *to.change);
  x.wraps_output = to.target->wraps_output;
  if (to.merged)
    return forward_merged(on, x, to.merged);
  aim(x, *to.target);
  forward(on, x, to.slot);
}

void aim(exchange& x, const catalog::item& target) {
  if (!target.headers.empty()) {
    x.parameter_fields.clear();
    gateway::append_parameter_headers(x.parameter_fields, target.headers,
                                      x.request.params[param_key::arguments]);
  }
  x.target_name = target.name;
  x.safe_to_repeat = target.read_only;
}

void forward_completion(worker& on, exchange& x, std::uint32_t slot) {
  const auto* const part = on.snapshot().part(slot);
  if (part != nullptr && part->catalogue && !part->catalogue->offers.completions)
    return refuse(on, x, errc::method_not_found,
                  fmt::format("server '{}' offers no completions", part->name));
  forward(on, x, slot);
}

void call_tool(worker& on, exchange& x) {
  forward_named(on, x, list_kind::tools);
}

void get_prompt(worker& on, exchange& x) {
  forward_named(on, x, list_kind::prompts);
}

void complete(worker& on, exchange& x) {
  const auto whole = x.request.params[param_key::ref];
  ref_visitor ref;
  if (!whole.is(json::kind::object) || !on.scanner().scan_object(whole.raw, ref) ||
      !ref.type.is(json::kind::string))
    return refuse(on, x, errc::invalid_params,
                  "completion/complete needs params.ref, an object with a type");
  if (ref.type.raw == R"("ref/prompt")" && ref.name.is(json::kind::string))
    return complete_prompt(on, x, whole.raw, ref.name);
  if (ref.type.raw == R"("ref/resource")" && ref.uri.is(json::kind::string))
    return complete_resource(on, x, ref.uri);
  refuse(on, x, errc::invalid_params,
         "params.ref is neither a ref/prompt with a name nor a ref/resource with a uri");
}

} // namespace nexus::engine
