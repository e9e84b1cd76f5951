#include "bench/e2e/echo_answer.hpp"

#include "bench/e2e/json_scan.hpp"

#include <fmt/format.h>
#include <iterator>

namespace nexus::bench {
namespace {

constexpr std::string_view version_key = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view newest_legacy = "\"2025-11-25\"";
constexpr std::string_view modern_members =
    R"(,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":)"
    R"({"name":"echo","version":"1"}})";

std::string make_tools(int count) {
  std::string out = R"("tools":[)";
  for (int i = 0; i < count; ++i) {
    const auto name = i == 0 ? std::string{"echo"} : fmt::format("tool_{}", i);
    fmt::format_to(std::back_inserter(out),
                   R"({}{{"name":"{}","title":"Echo {}","description":"Returns its arguments, as )"
                   R"(text and as structured content. Tool {} of the mock server.","inputSchema":)"
                   R"({{"type":"object","properties":{{"text":{{"type":"string","description":)"
                   R"("what to return"}},"count":{{"type":"integer"}}}}}}}})",
                   i == 0 ? "" : ",", name, i, i);
  }
  out += ']';
  return out;
}

void put_result(std::string& body, std::string_view id, std::string_view members, bool modern) {
  body = R"({"jsonrpc":"2.0","id":)";
  body += id;
  body += R"(,"result":{)";
  body += members;
  if (modern) {
    // Without members of its own the result starts with the common ones.
    body += members.empty() ? modern_members.substr(1) : modern_members;
  }
  body += "}}";
}

void put_error(std::string& body, std::string_view id, int code, std::string_view text) {
  body = fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":"{}"}}}})", id,
                     code, text);
}

// The version that initialize asked for when it is a legacy one, else the newest of those.
std::string_view negotiated(std::string_view params) {
  const auto asked = json_member(params, "protocolVersion");
  for (const std::string_view known :
       {newest_legacy, std::string_view{"\"2025-06-18\""}, std::string_view{"\"2025-03-26\""},
        std::string_view{"\"2024-11-05\""}})
    if (asked == known)
      return known;
  return newest_legacy;
}

constexpr std::string_view discovered =
    R"("supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,)"
    R"("cacheScope":"public")";

} // namespace

echo_answerer::echo_answerer(const echo_settings& settings)
    : speaks_(settings.speaks), tools_legacy_(make_tools(settings.tools_count)),
      tools_modern_(tools_legacy_ + R"(,"ttlMs":3600000,"cacheScope":"public")") {}

echo_answerer::kind echo_answerer::answer(std::string_view message, std::string& body) const {
  object_scan scan{message};
  std::string_view name;
  std::string_view value;
  std::string_view id;
  std::string_view method;
  std::string_view params;
  while (scan.next(name, value)) {
    if (name == "id")
      id = value;
    else if (name == "method")
      method = unquoted(value);
    else if (name == "params")
      params = value;
  }
  if (method.empty())
    return id.empty() ? kind::malformed : kind::accepted;
  if (id.empty())
    return kind::accepted;
  const bool modern = !json_member(json_member(params, "_meta"), version_key).empty();
  const bool serves_era = speaks_ == echo_era::both || modern == (speaks_ == echo_era::modern);
  if (method == "tools/call") {
    answer_call(id, params, modern, body);
  } else if (!serves_era && (method == "server/discover" || method == "initialize")) {
    put_error(body, id, -32601, "method not found in this era");
  } else if (method == "tools/list") {
    put_result(body, id, modern ? tools_modern_ : tools_legacy_, modern);
  } else if (method == "server/discover") {
    put_result(body, id, discovered, true);
  } else if (method == "ping") {
    put_result(body, id, {}, modern);
  } else if (method == "initialize") {
    put_result(body, id,
               fmt::format(R"("protocolVersion":{},"capabilities":{{"tools":{{}}}},)"
                           R"("serverInfo":{{"name":"echo","version":"1"}})",
                           negotiated(params)),
               false);
    return kind::initialized;
  } else {
    put_error(body, id, -32601, "method not found");
  }
  return kind::answered;
}

void echo_answerer::answer_call(std::string_view id, std::string_view params, bool modern,
                                std::string& body) const {
  auto arguments = json_member(params, "arguments");
  if (arguments.empty())
    arguments = "{}";
  body = R"({"jsonrpc":"2.0","id":)";
  body += id;
  body += R"(,"result":{"content":[{"type":"text","text":")";
  append_escaped(body, arguments);
  body += R"("}],"structuredContent":)";
  body += arguments;
  if (modern)
    body += modern_members;
  body += "}}";
}

} // namespace nexus::bench
