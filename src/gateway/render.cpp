#include "gateway/render.hpp"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "gateway/client_capabilities.hpp"
#include "mcp/error_table.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

#ifndef NEXUS_VERSION
#define NEXUS_VERSION "0.0.0"
#endif

namespace nexus::gateway {
namespace {

using mcp::meta_key;
using mcp::param_key;
using mcp::result_key;

constexpr std::string_view answer_head = R"({"jsonrpc":"2.0","id":)";
constexpr std::string_view reserved_prefix = "io.modelcontextprotocol/";

/// The envelope of the gateway as a client: the members of _meta, up to the capabilities.
constexpr std::string_view modern_envelope =
    R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"nexus","title":"Nexus MCP gateway","version":")" NEXUS_VERSION
    R"("},"io.modelcontextprotocol/clientCapabilities":)";

/// The members of _meta that speak of one hop only: who answers, and the envelope of a request.
bool is_hop_local(std::string_view key) noexcept {
  if (!key.starts_with(reserved_prefix))
    return false;
  key.remove_prefix(reserved_prefix.size());
  return key == "serverInfo" || key == "subscriptionId" || key == "protocolVersion" ||
         key == "clientInfo" || key == "clientCapabilities" || key == "logLevel";
}

/// Appends the members of a result's _meta that travel on, with commas between them. Keys are
/// compared unescaped: some writers escape '/'. @returns whether there are others
bool append_foreign_members(std::string& out, json::slice meta) {
  bool any_hop_local = false;
  bool first = true;
  for (json::member_walk m(meta); m.next();) {
    if (is_hop_local(m.key())) {
      any_hop_local = true;
      continue;
    }
    if (!std::exchange(first, false))
      out += ',';
    out += m.span();
  }
  return any_hop_local;
}

std::size_t offset_in(std::string_view whole, std::string_view part) {
  return static_cast<std::size_t>(part.data() - whole.data());
}

/// Copies an object while members of it are left out, each with one of the commas beside it.
/// Members are named in the order in which they stand.
class thinned_object {
 public:
  thinned_object(pieces& out, std::string_view whole) : out_(out), whole_(whole) { out_.add("{"); }

  void leave_out(std::string_view span) {
    keep_until(offset_in(whole_, span));
    at_ = offset_in(whole_, span) + span.size();
  }
  void replace_value(std::string_view value, std::string_view text) {
    out_.add(rest().substr(0, offset_in(rest(), value)));
    out_.add(text);
    any_kept_ = true;
    at_ = offset_in(whole_, value) + value.size();
  }
  void finish() { out_.add(rest()); }

 private:
  static bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  /// What follows, without the comma that only separated it from what was left out before it.
  std::string_view rest() const noexcept {
    const auto text = whole_.substr(at_);
    auto after = text;
    while (!after.empty() && is_space(after.front()))
      after.remove_prefix(1);
    const bool separates = at_ > 1 && !any_kept_ && after.starts_with(',');
    return separates ? after.substr(1) : text;
  }
  void keep_until(std::size_t end) {
    auto text = rest().substr(0, rest().size() - (whole_.size() - end));
    while (!text.empty() && (is_space(text.back()) || text.back() == ','))
      text.remove_suffix(1);
    if (text.empty())
      return;
    out_.add(text);
    any_kept_ = true;
  }

  pieces& out_;
  std::string_view whole_;
  std::size_t at_ = 1; ///< after the opening bracket
  bool any_kept_ = false;
};

/// The result without what only modern clients know.
void strip_for_legacy(pieces& out, std::string& scratch, const mcp::message& response) {
  const auto& result = response.result;
  std::array<std::pair<std::string_view, result_key>, 4> hop_local; // in the order of the text
  std::size_t count = 0;
  const auto note = [&](std::string_view span, result_key key) {
    std::size_t at = count++;
    for (; at > 0 && hop_local[at - 1].first.data() > span.data(); --at)
      hop_local[at] = hop_local[at - 1];
    hop_local[at] = {span, key};
  };
  for (const auto key : {result_key::result_type, result_key::ttl_ms, result_key::cache_scope})
    if (const auto found = result.at(key))
      note(found.span, key);
  const auto meta = result.at(result_key::meta);
  scratch = '{';
  if (meta.value.is(json::kind::object) && append_foreign_members(scratch, meta.value))
    note(meta.span, result_key::meta);
  thinned_object thinned(out, result.whole.raw);
  for (std::size_t i = 0; i < count; ++i) {
    if (hop_local[i].second == result_key::meta && scratch.size() > 1)
      thinned.replace_value(meta.value.raw, scratch += '}');
    else
      thinned.leave_out(hop_local[i].first);
  }
  thinned.finish();
}

/// The result as a modern client wants it: a resultType, hints, and our serverInfo in _meta. Only a
/// _meta that is there already is written anew.
void add_for_modern(pieces& out, std::string& scratch, const mcp::message& response,
                    caching hints) {
  const auto& result = response.result;
  const std::string_view whole = result.whole.raw;
  const auto meta = result[result_key::meta];
  out.add("{");
  if (!result.has(result_key::result_type))
    out.add(R"("resultType":"complete",)");
  if (hints == caching::required && !result.has(result_key::ttl_ms))
    out.add(R"("ttlMs":0,)");
  if (hints == caching::required && !result.has(result_key::cache_scope))
    out.add(R"("cacheScope":"private",)");
  if (!meta) {
    out.add(R"("_meta":{)");
    out.add(server_info_member());
    out.add(result.empty() ? "}" : "},");
    return out.add(whole.substr(1));
  }
  scratch = '{';
  scratch += server_info_member();
  scratch += ',';
  append_foreign_members(scratch, meta);
  if (scratch.back() == ',')
    scratch.pop_back();
  scratch += '}';
  const auto at = offset_in(whole, meta.raw);
  out.add(whole.substr(1, at - 1));
  out.add(scratch);
  out.add(whole.substr(at + meta.raw.size()));
}

/// `"_meta":{...}` of a request, with a comma before it when it is not the first member; nothing
/// when it would be empty.
void append_meta(std::string& out, const mcp::message& request, const downstream_call& call,
                 bool after_another) {
  bool first = true;
  const auto member = [&](std::string_view span) {
    if (first)
      out += after_another ? R"(,"_meta":{)" : R"("_meta":{)";
    else
      out += ',';
    first = false;
    out += span;
  };
  if (call.server == mcp::era::modern) {
    member(modern_envelope);
    out += call.capabilities;
    if (const auto level = request.meta.at(meta_key::log_level))
      member(level.span);
    else if (call.log_level != mcp::log_level::off)
      member(fmt::format(R"("io.modelcontextprotocol/logLevel":"{}")",
                         mcp::log_level_names[static_cast<std::size_t>(call.log_level)]));
  }
  if (request.meta.has(meta_key::progress_token)) {
    member(R"("progressToken":)");
    json::append_int(out, call.id);
  }
  for (const auto key : {meta_key::traceparent, meta_key::tracestate, meta_key::baggage})
    if (const auto found = request.meta.at(key))
      member(found.span);
    else if (call.server == mcp::era::modern && !call.trace.of(key).empty())
      member(call.trace.member(key));
  for (const auto& other : request.meta.others())
    member(other.span);
  if (!first)
    out += '}';
}

} // namespace

std::string_view implementation_json() noexcept {
  return R"({"name":"nexus","title":"Nexus MCP gateway","version":")" NEXUS_VERSION R"("})";
}

std::string_view server_info_member() noexcept {
  return R"("io.modelcontextprotocol/serverInfo":{"name":"nexus","title":"Nexus MCP gateway",)"
         R"("version":")" NEXUS_VERSION R"("})";
}

void render_result(pieces& out, std::string& scratch, std::string_view id,
                   const mcp::message& response, mcp::era client, caching hints) {
  const auto& result = response.result;
  const std::string_view whole = result.whole.raw;
  out.add(answer_head);
  out.add(id);
  out.add(R"(,"result":)");
  const bool modern_members = result.has(result_key::result_type) ||
                              result.has(result_key::ttl_ms) || result.has(result_key::cache_scope);
  // Without its slash, which may stand there escaped.
  const bool reserved_meta =
      result[result_key::meta].raw.find(reserved_prefix.substr(0, reserved_prefix.size() - 1)) !=
      std::string_view::npos;
  if (!result.whole.is(json::kind::object)) {
    out.add(whole);
  } else if (client == mcp::era::modern) {
    add_for_modern(out, scratch, response, hints);
  } else if (modern_members || reserved_meta) {
    strip_for_legacy(out, scratch, response);
  } else {
    out.add(whole);
  }
  out.add("}");
}

void render_error(pieces& out, std::string& scratch, std::string_view id,
                  const mcp::message& response, const error_context& context) {
  using mcp::errc;
  const auto& failure = response.error;
  const auto code = failure[mcp::error_key::code];
  const auto data = failure[mcp::error_key::data];
  const auto is = [&](errc wanted) {
    const auto number = json::to_int64(code);
    return number && *number == mcp::json_rpc_code(wanted);
  };
  // A modern server's invalid_params may mean anything; naming the resource makes it this.
  const bool names_resource =
      data.is(json::kind::object) && data.raw.find("\"uri\"") != std::string_view::npos;
  std::optional<errc> translated;
  if (context.client == mcp::era::modern && is(errc::resource_not_found))
    translated = errc::invalid_params;
  if (context.client == mcp::era::legacy && context.server == mcp::era::modern &&
      !context.uri.empty() && names_resource && is(errc::invalid_params))
    translated = errc::resource_not_found;
  out.add(answer_head);
  out.add(id);
  out.add(R"(,"error":)");
  if (!translated) {
    out.add(failure.whole.raw);
  } else {
    const auto text = failure[mcp::error_key::message];
    scratch.clear();
    json::object_writer members(scratch);
    members.integer("code", mcp::json_rpc_code(*translated));
    members.raw("message", text.is(json::kind::string) ? text.raw : R"("Resource not found")");
    if (data)
      members.raw("data", data.raw);
    else if (!context.uri.empty())
      members.raw("data", fmt::format(R"({{"uri":{}}})", context.uri));
    members.end();
    out.add(scratch);
  }
  out.add("}");
}

caching caching_of(std::string_view method) noexcept {
  return method == "resources/read" ? caching::required : caching::none;
}

std::string error_response(std::string_view id, int code, std::string_view message,
                           std::string_view data) {
  std::string out(answer_head);
  out += id.empty() ? "null" : id;
  out += R"(,"error":{"code":)";
  json::append_int(out, code);
  out += R"(,"message":)";
  json::append_string(out, message);
  if (!data.empty()) {
    out += R"(,"data":)";
    out += data;
  }
  out += "}}";
  return out;
}

std::string result_response(std::string_view id, std::string_view result) {
  std::string out(answer_head);
  out += id;
  out += R"(,"result":)";
  out += result;
  out += '}';
  return out;
}

bool render_progress(std::string& out, const mcp::message& notification,
                     std::string_view client_token) {
  const auto token = notification.params.at(param_key::progress_token);
  if (!token || !notification.params.whole.is(json::kind::object))
    return false;
  const std::string_view params = notification.params.whole.raw;
  const auto offset = static_cast<std::size_t>(token.value.raw.data() - params.data());
  out = R"({"jsonrpc":"2.0","method":"notifications/progress","params":)";
  out += params.substr(0, offset);
  out += client_token;
  out += params.substr(offset + token.value.raw.size());
  out += '}';
  return true;
}

void append_request(std::string& out, const mcp::message& request, const downstream_call& call) {
  out += answer_head;
  json::append_int(out, call.id);
  out += R"(,"method":")";
  out += call.method;
  out += R"(","params":{)";
  bool first = true;
  const auto member = [&](std::string_view span) {
    if (!first)
      out += ',';
    first = false;
    out += span;
  };
  if (request.params.has(param_key::name)) {
    member(R"("name":)");
    json::append_string(out, call.target_name);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(param_key::count); ++i) {
    const auto key = static_cast<param_key>(i);
    if (key == param_key::name || key == param_key::meta || key == param_key::request_state)
      continue;
    if (key == param_key::input_responses &&
        (call.server == mcp::era::legacy || !call.input_responses.empty()))
      continue;
    if (key == param_key::ref && !call.target_ref.empty()) {
      member(R"("ref":)");
      out += call.target_ref;
      continue;
    }
    if (key == param_key::task_id && !call.target_task.empty()) {
      member(R"("taskId":)");
      json::append_string(out, call.target_task);
      continue;
    }
    if (const auto found = request.params.at(key))
      member(found.span);
  }
  for (const auto& other : request.params.others())
    member(other.span);
  if (call.server == mcp::era::modern && !call.input_responses.empty()) {
    member(R"("inputResponses":)");
    out += call.input_responses;
  }
  if (call.server == mcp::era::modern && !call.request_state.empty()) {
    member(R"("requestState":)");
    out += call.request_state;
  }
  append_meta(out, request, call, !first);
  out += "}}";
}

void append_own_request(std::string& out, std::string_view method, std::int64_t id,
                        std::string_view params, mcp::era server, std::string_view capabilities) {
  NEXUS_ASSERT(params.size() >= 2);
  out += answer_head;
  json::append_int(out, id);
  out += R"(,"method":")";
  out += method;
  out += R"(","params":)";
  out += params.substr(0, params.size() - 1);
  if (server == mcp::era::modern) {
    out += params.size() > 2 ? R"(,"_meta":{)" : R"("_meta":{)";
    out += modern_envelope;
    out += capabilities;
    out += '}';
  }
  out += "}}";
}

void append_own_notification(std::string& out, std::string_view method, std::string_view params) {
  out += R"({"jsonrpc":"2.0","method":")";
  out += method;
  out += '"';
  if (!params.empty()) {
    out += R"(,"params":)";
    out += params;
  }
  out += '}';
}

} // namespace nexus::gateway
