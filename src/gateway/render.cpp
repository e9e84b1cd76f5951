#include "gateway/render.hpp"

#include <algorithm>
#include <vector>

#include "base/assert.hpp"
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
constexpr std::string_view reserved_prefix = "\"io.modelcontextprotocol/";

/// The envelope of the gateway as a client: the members of _meta, without braces.
constexpr std::string_view modern_envelope =
    R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"nexus","title":"Nexus MCP gateway","version":")" NEXUS_VERSION
    R"("},"io.modelcontextprotocol/clientCapabilities":{})";

/// Collects the spans of an object's members.
class span_collector final : public json::visitor {
 public:
  std::vector<std::string_view> spans;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override { spans.push_back(found.span); }
};

/// Removes a member and one of the commas beside it. @pre `span` lies within `text`
void cut_member(std::string& text, std::size_t offset, std::size_t bytes) {
  std::size_t begin = offset, end = offset + bytes;
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  std::size_t after = end;
  while (after < text.size() && space(text[after]))
    ++after;
  if (after < text.size() && text[after] == ',') {
    end = after + 1;
  } else {
    std::size_t before = begin;
    while (before > 0 && space(text[before - 1]))
      --before;
    if (before > 0 && text[before - 1] == ',')
      begin = before - 1;
  }
  text.erase(begin, end - begin);
}

/// A result's _meta without the members that belong to one hop, as an object's inside.
std::string foreign_meta(std::string_view meta, json::scanner& scanner) {
  std::string inside;
  span_collector members;
  if (!scanner.scan_object(meta, members))
    return inside;
  for (const auto span : members.spans) {
    if (span.starts_with(reserved_prefix))
      continue;
    if (!inside.empty())
      inside += ',';
    inside += span;
  }
  return inside;
}

/// Rebuilds a result whose members have to change. The slow path: pairs of different eras.
void rebuild_result(std::string& out, const mcp::message& response, mcp::era client,
                    json::scanner& scanner) {
  const auto& result = response.result;
  const std::string_view whole = result.whole.raw;
  out.assign(whole);
  struct cut {
    std::size_t offset, bytes;
  };
  std::vector<cut> cuts;
  const auto drop = [&](result_key key) {
    if (const auto found = result.at(key))
      cuts.push_back(
          {static_cast<std::size_t>(found.span.data() - whole.data()), found.span.size()});
  };
  std::string meta;
  if (result[result_key::meta].is(json::kind::object))
    meta = foreign_meta(result[result_key::meta].raw, scanner);
  drop(result_key::meta);
  if (client == mcp::era::legacy) {
    drop(result_key::result_type);
    drop(result_key::ttl_ms);
    drop(result_key::cache_scope);
  }
  std::sort(cuts.begin(), cuts.end(),
            [](const cut& a, const cut& b) { return a.offset > b.offset; });
  for (const auto& c : cuts)
    cut_member(out, c.offset, c.bytes);
  std::string head;
  if (client == mcp::era::modern) {
    if (!result.has(result_key::result_type))
      head = R"("resultType":"complete",)";
    head += R"("_meta":{)";
    head += server_info_member();
    if (!meta.empty())
      head += ',';
    head += meta;
    head += '}';
  } else if (!meta.empty()) {
    head = R"("_meta":{)" + meta + '}';
  }
  if (head.empty())
    return;
  const bool empty = out.find('"') == std::string::npos;
  out.insert(1, empty ? head : head + ',');
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
                   const mcp::message& response, mcp::era client, json::scanner& scanner) {
  const auto& result = response.result;
  const std::string_view whole = result.whole.raw;
  out.add(answer_head);
  out.add(id);
  out.add(R"(,"result":)");
  const bool object = result.whole.is(json::kind::object);
  const bool modern_members = result.has(result_key::result_type) ||
                              result.has(result_key::ttl_ms) || result.has(result_key::cache_scope);
  const bool reserved_meta =
      result.has(result_key::meta) &&
      result[result_key::meta].raw.find(reserved_prefix) != std::string_view::npos;
  if (!object || (client == mcp::era::legacy && !modern_members && !reserved_meta)) {
    out.add(whole);
  } else if (client == mcp::era::modern && !result.has(result_key::meta)) {
    out.add(result.has(result_key::result_type) ? R"({"_meta":{)"
                                                : R"({"resultType":"complete","_meta":{)");
    out.add(server_info_member());
    out.add(result.empty() ? "}" : "},");
    out.add(whole.substr(1));
  } else {
    rebuild_result(scratch, response, client, scanner);
    out.add(scratch);
  }
  out.add("}");
}

void render_error(pieces& out, std::string_view id, const mcp::message& response) {
  out.add(answer_head);
  out.add(id);
  out.add(R"(,"error":)");
  out.add(response.error.whole.raw);
  out.add("}");
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
  for (const auto key : {param_key::arguments, param_key::uri, param_key::cursor, param_key::level,
                         param_key::ref, param_key::argument})
    if (const auto found = request.params.at(key))
      member(found.span);
  for (const auto& other : request.params.others())
    member(other.span);

  bool first_meta = true;
  const auto meta_member = [&](std::string_view span) {
    if (first_meta)
      member(R"("_meta":{)");
    if (!first_meta)
      out += ',';
    first_meta = false;
    out += span;
  };
  if (call.server == mcp::era::modern) {
    meta_member(modern_envelope);
    if (const auto level = request.meta.at(meta_key::log_level))
      meta_member(level.span);
  }
  if (request.meta.has(meta_key::progress_token)) {
    meta_member(R"("progressToken":)");
    json::append_int(out, call.id);
  }
  for (const auto key : {meta_key::traceparent, meta_key::tracestate, meta_key::baggage})
    if (const auto found = request.meta.at(key))
      meta_member(found.span);
  for (const auto& other : request.meta.others())
    meta_member(other.span);
  if (!first_meta)
    out += '}';
  out += "}}";
}

void append_own_request(std::string& out, std::string_view method, std::int64_t id,
                        std::string_view params, mcp::era server) {
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
