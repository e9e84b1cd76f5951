#include "engine/dispatch.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/log.hpp"
#include "catalog/names.hpp"
#include "engine/exchange.hpp"
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

/// A list may be kept this long by a modern client; changes are told on its listening stream.
constexpr std::string_view cache_hints = R"("ttlMs":5000,"cacheScope":"public")";
constexpr std::string_view capabilities = R"({"tools":{"listChanged":true},"logging":{}})";
constexpr std::size_t suggestions = 3;

/// A legacy client may be gone: its request goes on all the same.
void tell(worker& on, exchange& x, const gateway::pieces& text, unsigned http_status) {
  if (x.client != nullptr)
    x.client->send_answer(x, text, http_status);
  on.release(x);
}

void answer(worker& on, exchange& x, const gateway::pieces& text, unsigned http_status) {
  on.metrics().requests.add(metrics::request_result::ok);
  tell(on, x, text, http_status);
}

void answer_result(worker& on, exchange& x, std::string_view result) {
  gateway::pieces text;
  text.add(R"({"jsonrpc":"2.0","id":)");
  text.add(x.id());
  text.add(R"(,"result":)");
  text.add(result);
  text.add("}");
  answer(on, x, text, 200);
}

void refuse(worker& on, exchange& x, errc code, std::string_view message,
            std::string_view data = {}, unsigned http_status = 200) {
  on.metrics().requests.add(metrics::request_result::invalid);
  const auto body = gateway::error_response(x.id(), mcp::json_rpc_code(code), message, data);
  gateway::pieces text;
  text.add(body);
  tell(on, x, text, http_status);
}

/// `{}` for legacy clients, with resultType and serverInfo for modern ones.
std::string empty_result(const exchange& x) {
  if (x.era == mcp::era::legacy)
    return "{}";
  return fmt::format(R"({{"resultType":"complete","_meta":{{{}}}}})",
                     gateway::server_info_member());
}

/// The instructions of a single-server address; the aggregate has none of its own.
std::string instructions_member(worker& on, const exchange& x) {
  if (!x.scope.one_server)
    return {};
  const auto* const up = on.find_upstream(x.scope.slot);
  if (up == nullptr || up->endpoint().instructions.empty())
    return {};
  std::string out = R"(,"instructions":)";
  json::append_string(out, up->endpoint().instructions);
  return out;
}

void initialize(worker& on, exchange& x) {
  auto& shared = on.shared();
  const auto requested = x.request.params[param_key::protocol_version];
  if (!requested.is(json::kind::string))
    return refuse(on, x, errc::invalid_params, "initialize needs params.protocolVersion", {}, 400);
  if (shared.sessions.load(std::memory_order_relaxed) >= shared.limits.sessions) {
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
  opened->capabilities = x.request.params[param_key::capabilities].raw;
  opened->touch(on.now());
  if (const auto* const view = on.view(x.scope))
    opened->seen_fingerprint = view->fingerprint();
  shared.sessions.fetch_add(1, std::memory_order_relaxed);
  on.add_session(opened);
  x.caller = opened;
  x.opened_session = true;
  shared.plane->session_opened(opened);
  answer_result(on, x,
                fmt::format(R"({{"protocolVersion":"{}","capabilities":{},"serverInfo":{}{}}})",
                            mcp::to_string(opened->revision), capabilities,
                            gateway::implementation_json(), instructions_member(on, x)));
}

void discover(worker& on, exchange& x) {
  answer_result(on, x,
                fmt::format(R"({{"resultType":"complete","supportedVersions":["{}"],)"
                            R"("capabilities":{}{},{},"_meta":{{{}}}}})",
                            mcp::to_string(mcp::newest_modern), capabilities,
                            instructions_member(on, x), cache_hints,
                            gateway::server_info_member()));
}

/// `<offset>-<fingerprint>`, so that a cursor into a list that has changed is noticed.
std::string make_cursor(std::size_t offset, const catalog::tool_view& view) {
  return fmt::format("{:x}-{:x}", offset, view.fingerprint());
}

std::optional<std::size_t> read_cursor(json::slice cursor, const catalog::tool_view& view) {
  if (!cursor)
    return 0;
  if (!cursor.is(json::kind::string))
    return std::nullopt;
  const auto text = json::unquote(cursor);
  std::size_t offset = 0;
  std::from_chars(text.data(), text.data() + text.size(), offset, 16);
  if (offset == 0 || offset >= view.size() || text != make_cursor(offset, view))
    return std::nullopt;
  return offset;
}

/// The server of a single-server address whose tools are not known yet; null otherwise.
upstream* unlisted_server(worker& on, const exchange& x) {
  if (!x.scope.one_server)
    return nullptr;
  for (const auto& part : on.snapshot().servers())
    if (part.slot == x.scope.slot && !part.catalogue)
      return on.find_upstream(part.slot);
  return nullptr;
}

void list_tools(worker& on, exchange& x) {
  const auto* const view = on.view(x.scope);
  if (view == nullptr)
    return refuse(on, x, errc::internal_error, "this server is not configured any more");
  if (auto* const up = unlisted_server(on, x); up != nullptr && !x.resolve_later)
    return up->submit_unresolved(x);
  const auto first = read_cursor(x.request.params[param_key::cursor], *view);
  if (!first)
    return refuse(on, x, errc::invalid_params,
                  "the cursor is unknown, or the list has changed: begin again without a cursor");
  const auto last = std::min(view->size(), *first + limits::list_page_tools);
  gateway::pieces text;
  std::string next;
  text.add(R"({"jsonrpc":"2.0","id":)");
  text.add(x.id());
  text.add(R"(,"result":{"tools":[)");
  text.add(view->page(*first, last));
  text.add("]");
  if (last < view->size()) {
    next = fmt::format(R"(,"nextCursor":"{}")", make_cursor(last, *view));
    text.add(next);
  }
  if (x.era == mcp::era::modern) {
    text.add(R"(,"resultType":"complete",)");
    text.add(cache_hints);
    text.add(R"(,"_meta":{)");
    text.add(gateway::server_info_member());
    text.add("}");
  } else if (x.caller) {
    x.caller->seen_fingerprint.store(view->fingerprint(), std::memory_order_relaxed);
  }
  text.add("}}");
  answer(on, x, text, 200);
}

/// A server whose tools are not known yet and whose prefix the name carries; null otherwise.
upstream* awaited_server(worker& on, const exchange& x, std::string_view name) {
  if (x.scope.one_server)
    return unlisted_server(on, x);
  for (const auto& part : on.snapshot().servers()) {
    if (part.catalogue)
      continue;
    const auto prefix = catalog::prefixed_name(part.name, "x");
    const bool plain = prefix.ends_with("__x");
    if (plain && name.starts_with(std::string_view(prefix).substr(0, prefix.size() - 1)))
      return on.find_upstream(part.slot);
  }
  return nullptr;
}

void refuse_unknown_tool(worker& on, exchange& x, const catalog::tool_view& view,
                         std::string_view name) {
  std::string data;
  json::object_writer out(data);
  out.string("tool", name.substr(0, limits::name_bytes_max));
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
         fmt::format("Unknown tool: {}{}{}", name.substr(0, limits::name_bytes_max), hint,
                     hint.empty() ? "" : "?"),
         data);
}

void call_tool(worker& on, exchange& x) {
  const auto quoted = x.request.params[param_key::name];
  if (!quoted.is(json::kind::string))
    return refuse(on, x, errc::invalid_params, "tools/call needs params.name, a string");
  const auto arguments = x.request.params[param_key::arguments];
  if (arguments && !arguments.is(json::kind::object))
    return refuse(on, x, errc::invalid_params, "params.arguments must be an object");
  const auto* const view = on.view(x.scope);
  if (view == nullptr)
    return refuse(on, x, errc::internal_error, "this server is not configured any more");
  std::string unescaped;
  const auto name = json::unquote(quoted, unescaped);
  const auto* const found = view->find(name);
  if (found == nullptr) {
    auto* const awaited = x.resolve_later ? nullptr : awaited_server(on, x, name);
    if (awaited != nullptr)
      return awaited->submit_unresolved(x);
    return refuse_unknown_tool(on, x, *view, name);
  }
  auto* const up = on.find_upstream(found->slot);
  if (up == nullptr)
    return refuse(on, x, errc::internal_error, "the server of this tool is being removed");
  if (on.exchanges_in_use() > on.shared().limits.calls_in_flight / on.shared().worker_count()) {
    on.metrics().refusals.add(metrics::refusal::calls);
    return refuse(on, x, errc::internal_error, "too many calls are in flight; try again later", {},
                  503);
  }
  x.resolve_later = false;
  x.slot = found->slot;
  x.target_name = found->target->name;
  x.safe_to_repeat = found->target->read_only;
  up->submit(x);
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
  x.client->listen(x);
}

/// Reads the filter of a subscriptions/listen.
class listen_filter final : public json::visitor {
 public:
  bool tools = false;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == "toolsListChanged")
      tools = found.value.raw == "true";
  }
};

/// Every request method that is served, the frequent ones first.
constexpr method_row methods[] = {
    {"tools/call", true, true, call_tool},         {"tools/list", true, true, list_tools},
    {"initialize", true, false, initialize},       {"ping", true, false, ping},
    {"server/discover", false, true, discover},    {"logging/setLevel", true, false, set_log_level},
    {"subscriptions/listen", false, true, listen},
};

} // namespace

bool wants_tool_changes(worker& on, const exchange& x) {
  listen_filter filter;
  const auto& asked = x.request.params[param_key::notifications].raw;
  return on.scanner().scan_object(asked, filter).has_value() && filter.tools;
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
