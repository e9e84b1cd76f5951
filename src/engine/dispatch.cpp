#include "engine/dispatch.hpp"

#include <fmt/format.h>

#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/tasks.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using mcp::errc;
using mcp::message_kind;
using mcp::param_key;

/// A legacy client may be gone: its request goes on all the same.
void tell(worker& on, exchange& x, const gateway::pieces& text, unsigned http_status) {
  if (x.client != nullptr)
    x.client->send_answer(x, text, http_status);
  on.release(x);
}

/// `{}` for legacy clients, with resultType and serverInfo for modern ones.
std::string empty_result(const exchange& x) {
  if (x.era == mcp::era::legacy)
    return "{}";
  return fmt::format(R"({{"resultType":"complete","_meta":{{{}}}}})",
                     gateway::server_info_member());
}

std::string instructions_member(const catalog::exposure& shown) {
  std::string out;
  if (!shown.instructions().empty()) {
    out = R"(,"instructions":)";
    json::append_string(out, shown.instructions());
  }
  return out;
}

void initialize(worker& on, exchange& x) {
  auto& shared = on.shared();
  const auto requested = x.request.params[param_key::protocol_version];
  if (!requested.is(json::kind::string))
    return refuse(on, x, errc::invalid_params, "initialize needs params.protocolVersion", {}, 400);
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  if (!shared.sessions.admit()) {
    on.metrics().refusals.add(metrics::refusal::sessions);
    return refuse(on, x, errc::internal_error, "too many sessions are open; try again later", {},
                  503);
  }
  auto opened = std::make_shared<session>();
  opened->id = make_session_id(on.id());
  opened->home = on.id();
  opened->revision = mcp::negotiate_legacy(json::unquote(requested));
  opened->scope = x.scope;
  opened->client_info = x.request.params[param_key::client_info].raw;
  opened->able = gateway::read_client_capabilities(x.request.params[param_key::capabilities].raw,
                                                   on.scanner(), shared.extensions);
  opened->able.tasks = false; // legacy revisions have others, under the same name
  opened->able_json = opened->able.to_json();
  opened->subscriber = shared.next_subscriber();
  opened->touch(on.now());
  for (const auto kind : catalog::list_kinds)
    opened->seen[index_of(kind)] = shown->list(kind).fingerprint();
  on.add_session(opened);
  x.caller = opened;
  x.opened_session = true;
  shared.plane->session_opened(opened);
  answer_result(on, x,
                fmt::format(R"({{"protocolVersion":"{}","capabilities":{},"serverInfo":{}{}}})",
                            mcp::to_string(opened->revision), shown->capabilities(),
                            gateway::implementation_json(), instructions_member(*shown)));
}

void discover(worker& on, exchange& x) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  answer_result(on, x,
                fmt::format(R"({{"resultType":"complete","supportedVersions":["{}"],)"
                            R"("capabilities":{}{},{},"_meta":{{{}}}}})",
                            mcp::to_string(mcp::newest_modern), shown->modern_capabilities(),
                            instructions_member(*shown), shown->hints(),
                            gateway::server_info_member()));
}

void set_log_level(worker& on, exchange& x) {
  const auto level = x.request.params[param_key::level];
  const auto known =
      level.is(json::kind::string) ? mcp::parse_log_level(json::unquote(level)) : std::nullopt;
  if (!known)
    return refuse(on, x, errc::invalid_params, "params.level is no log level");
  x.caller->log_level.store(*known, std::memory_order_relaxed);
  on.shared().plane->log_level_changed();
  answer_result(on, x, "{}");
}

void notification(worker& on, exchange& x) {
  const auto id = x.request.params[param_key::request_id];
  if (x.request.method == "notifications/cancelled" && id) {
    on.cancel_request(x.caller.get(), x.client, id.raw);
    // A session's requests may be under way on any worker.
    if (x.caller && on.shared().worker_count() > 1)
      on.shared().post_to_all([caller = x.caller, raw = std::string(id.raw)](worker& w) {
        w.cancel_request(caller.get(), nullptr, raw);
      });
  }
  if (x.request.method == "notifications/progress" && x.caller)
    on.take_progress(x.caller.get(), x.request);
  if (x.request.method == "notifications/roots/list_changed" && x.caller)
    on.roots_changed(*x.caller);
  on.release(x);
}

struct method_row {
  std::string_view name;
  bool legacy, modern;
  void (*serve)(worker&, exchange&);
};

void ping(worker& on, exchange& x) {
  answer_result(on, x, empty_result(x));
}

void listen(worker& on, exchange& x) {
  if (!x.request.params[param_key::notifications].is(json::kind::object))
    return refuse(on, x, errc::invalid_params,
                  "subscriptions/listen needs params.notifications, an object");
  if (admit_task_filter(on, x))
    x.client->listen(x);
}

/// Every request method that is served, the frequent ones first.
constexpr method_row methods[] = {
    {"tools/call", true, true, call_tool},
    {"tools/list", true, true, list_tools},
    {"resources/read", true, true, read_resource},
    {"prompts/get", true, true, get_prompt},
    {"completion/complete", true, true, complete},
    {"initialize", true, false, initialize},
    {"ping", true, false, ping},
    {"server/discover", false, true, discover},
    {"resources/list", true, true, list_resources},
    {"resources/templates/list", true, true, list_templates},
    {"prompts/list", true, true, list_prompts},
    {"resources/subscribe", true, false, subscribe},
    {"resources/unsubscribe", true, false, unsubscribe},
    {"logging/setLevel", true, false, set_log_level},
    {"subscriptions/listen", false, true, listen},
    {"tasks/get", false, true, follow_task},
    {"tasks/update", false, true, follow_task},
    {"tasks/cancel", false, true, follow_task},
};

} // namespace

void answer(worker& on, exchange& x, const gateway::pieces& text) {
  on.metrics().requests.add(metrics::request_result::ok);
  tell(on, x, text, 200);
}

void answer_result(worker& on, exchange& x, std::string_view result) {
  gateway::pieces text;
  text.add(R"({"jsonrpc":"2.0","id":)");
  text.add(x.id());
  text.add(R"(,"result":)");
  text.add(result);
  text.add("}");
  answer(on, x, text);
}

void refuse(worker& on, exchange& x, errc code, std::string_view message, std::string_view data,
            unsigned http_status) {
  on.metrics().requests.add(metrics::request_result::invalid);
  const auto body = gateway::error_response(x.id(), mcp::json_rpc_code(code), message, data);
  gateway::pieces text;
  text.add(body);
  tell(on, x, text, http_status);
}

void answer_error(worker& on, exchange& x, std::string_view failure) {
  on.metrics().requests.add(metrics::request_result::failed);
  gateway::pieces text;
  text.add(R"({"jsonrpc":"2.0","id":)");
  text.add(x.id());
  text.add(R"(,"error":)");
  text.add(failure);
  text.add("}");
  tell(on, x, text, 200);
}

void refuse_unconfigured(worker& on, exchange& x) {
  refuse(on, x, errc::internal_error, "this server is not configured any more");
}

/// Takes a place within the limits of the exchange's virtual MCP. @returns false when it was
/// refused
bool enter_vmcp(worker& on, exchange& x) {
  const auto* const endpoint = on.vmcps().find(x.scope.number);
  if (endpoint == nullptr) {
    refuse_unconfigured(on, x);
    return false;
  }
  const auto& limits = *endpoint->definition;
  auto& runtime = *endpoint->runtime;
  const bool counts = x.request.method == "tools/call";
  if (x.within)
    return true;
  const auto no = [&](std::string_view why, unsigned status) {
    on.metrics().refusals.add(metrics::refusal::virtual_mcp);
    refuse(on, x, errc::internal_error, why, {}, status);
    return false;
  };
  if (counts && limits.calls_per_minute > 0 &&
      !runtime.admit_rate(on.now(), limits.calls_per_minute))
    return no(fmt::format("virtual MCP '{}' admits {} calls a minute; try again later", runtime.id,
                          limits.calls_per_minute),
              429);
  if (runtime.in_flight.fetch_add(1, std::memory_order_relaxed) >= limits.concurrency) {
    runtime.in_flight.fetch_sub(1, std::memory_order_relaxed);
    return no(fmt::format("virtual MCP '{}' admits {} calls at the same time; try again later",
                          runtime.id, limits.concurrency),
              503);
  }
  x.within = endpoint->runtime;
  return true;
}

void forward(worker& on, exchange& x, std::uint32_t slot) {
  auto* const up = on.find_upstream(slot);
  if (up == nullptr)
    return refuse(on, x, errc::internal_error, "its server is being removed");
  if (on.exchanges_in_use() > on.shared().limits.calls_in_flight / on.shared().worker_count()) {
    on.metrics().refusals.add(metrics::refusal::calls);
    return refuse(on, x, errc::internal_error, "too many calls are in flight; try again later", {},
                  503);
  }
  if (x.scope.shows == view_scope::what::virtual_mcp && !enter_vmcp(on, x))
    return;
  x.resolve_later = false;
  x.slot = slot;
  up->submit(x);
}

void dispatch(worker& on, exchange& x) {
  if (x.request.kind == message_kind::notification)
    return notification(on, x);
  const bool modern = x.era == mcp::era::modern;
  for (const auto& row : methods)
    if (row.name == x.request.method && (modern ? row.modern : row.legacy))
      return row.serve(on, x);
  refuse(on, x, errc::method_not_found, fmt::format("Method not found: {}", x.request.method), {},
         modern ? 404 : 200);
}

} // namespace nexus::engine
