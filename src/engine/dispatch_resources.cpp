/// Requests about a resource: its URI says which server has it.

#include <fmt/format.h>

#include "engine/dispatch.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/resource_hub.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using mcp::errc;
using mcp::param_key;

/// A server that is being connected and might list the resource; null when there is none.
upstream* awaited_server(worker& on, const exchange& x) {
  if (x.scope.one_server())
    return unlisted_server(on, x);
  for (const auto& part : on.snapshot().servers()) {
    auto* const up = part.catalogue ? nullptr : on.find_upstream(part.slot);
    if (up != nullptr && up->endpoint().state == server_state::connecting)
      return up;
  }
  return nullptr;
}

void refuse_unknown(worker& on, exchange& x, std::string_view uri) {
  std::string data;
  json::object_writer out(data);
  out.string("uri", uri);
  out.end();
  refuse(on, x, x.era == mcp::era::modern ? errc::invalid_params : errc::resource_not_found,
         fmt::format("Resource not found: {}", uri), data);
}

/// Another worker may have learnt of the resource from an answer that the client has already seen.
/// What that worker posted is here after one more turn.
void ask_again(worker& on, exchange& x) {
  x.asked_again = true;
  on.shared().post(on.id(), [&x, sequence = x.sequence](worker& here) {
    if (x.sequence == sequence && x.at == exchange::stage::local)
      dispatch(here, x);
  });
}

/// The server to ask about a resource. Nothing when the exchange was dealt with: it waits, or is
/// refused.
std::optional<std::uint32_t> find_owner(worker& on, exchange& x, std::string_view uri) {
  if (uri.empty() || uri.size() > limits::resource_uri_bytes_max) {
    refuse(on, x, errc::invalid_params,
           fmt::format("a uri has 1 to {} bytes", limits::resource_uri_bytes_max));
    return std::nullopt;
  }
  if (const auto owner = on.owner_of_resource(x.scope, uri))
    return owner;
  if (on.view(x.scope) == nullptr) {
    refuse_unconfigured(on, x);
  } else if (auto* const awaited = x.resolve_later ? nullptr : awaited_server(on, x)) {
    awaited->submit_unresolved(x);
  } else if (!x.asked_again && on.shared().worker_count() > 1) {
    ask_again(on, x);
  } else {
    refuse_unknown(on, x, uri);
  }
  return std::nullopt;
}

/// What a server said to the subscription of a session, back on the worker of the request.
void subscribed(worker& on, exchange& x, const std::string& uri, const std::string& refusal) {
  if (refusal.empty())
    return answer_result(on, x, "{}");
  static_cast<void>(x.caller->subscriptions.remove(uri));
  answer_error(on, x, refusal);
}

} // namespace

void subscribe(worker& on, exchange& x) {
  const auto quoted = x.request.params[param_key::uri];
  if (!quoted.is(json::kind::string))
    return refuse(on, x, errc::invalid_params, "resources/subscribe needs params.uri, a string");
  std::string uri = json::unquote(quoted);
  const auto owner = find_owner(on, x, uri);
  if (!owner)
    return;
  const auto* const part = on.snapshot().part(*owner);
  if (part != nullptr && part->catalogue && !part->catalogue->offers.subscribe)
    return refuse(on, x, errc::method_not_found,
                  fmt::format("server '{}' offers no subscriptions", part->name));
  using outcome = session_subscriptions::outcome;
  switch (x.caller->subscriptions.add(uri, *owner)) {
  case outcome::known:
    return answer_result(on, x, "{}");
  case outcome::refused:
    return refuse(on, x, errc::internal_error, "too many subscriptions in this session");
  case outcome::added:
    break;
  }
  const auto subscriber = x.caller->subscriber;
  auto on_answer = [&x, back = on.id(), sequence = x.sequence, uri, &shared = on.shared(),
                    caller = x.caller](const std::string& refusal) {
    shared.post(back, [&x, sequence, uri, refusal, caller](worker& here) {
      if (x.sequence == sequence && x.at == exchange::stage::local)
        subscribed(here, x, uri, refusal);
      else if (!refusal.empty()) // the client did not wait
        static_cast<void>(caller->subscriptions.remove(uri));
    });
  };
  subscribe_at_home(on.shared(), *owner, std::move(uri), subscriber, std::move(on_answer));
}

void unsubscribe(worker& on, exchange& x) {
  const auto quoted = x.request.params[param_key::uri];
  if (!quoted.is(json::kind::string))
    return refuse(on, x, errc::invalid_params, "resources/unsubscribe needs params.uri, a string");
  auto uri = json::unquote(quoted);
  if (const auto slot = x.caller->subscriptions.remove(uri))
    unsubscribe_at_home(on.shared(), *slot, std::move(uri), x.caller->subscriber);
  answer_result(on, x, "{}");
}

void read_resource(worker& on, exchange& x) {
  const auto quoted = x.request.params[param_key::uri];
  if (!quoted.is(json::kind::string))
    return refuse(on, x, errc::invalid_params, "resources/read needs params.uri, a string");
  std::string unescaped;
  const auto uri = json::unquote(quoted, unescaped);
  const auto owner = find_owner(on, x, uri);
  if (!owner)
    return;
  x.target_name = uri;
  x.safe_to_repeat = true;
  forward(on, x, *owner);
}

void complete_resource(worker& on, exchange& x, json::slice uri) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  std::string unescaped;
  const auto text = json::unquote(uri, unescaped);
  // Most often the reference is the template itself.
  if (const auto* const found = shown->list(catalog::list_kind::templates).find(text))
    return forward_completion(on, x, found->slot);
  if (const auto owner = find_owner(on, x, text))
    forward_completion(on, x, *owner);
}

} // namespace nexus::engine
