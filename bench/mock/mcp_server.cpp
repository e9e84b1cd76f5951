#include "bench/mock/mcp_server.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <optional>

#include "json/write.hpp"

namespace nexus::mock {
namespace {

constexpr std::uint32_t page_tools = 1'000;
constexpr std::string_view kept = R"("ttlMs":3600000,"cacheScope":"public")";

std::string tool_name(std::uint32_t number) {
  return number == 1 ? "echo" : fmt::format("tool_{}", number);
}

/// The tool of that name; nothing when there is none.
std::optional<std::uint32_t> tool_of(std::string_view name, std::uint32_t tools) {
  if (name == "echo")
    return 1;
  constexpr std::string_view prefix = "tool_";
  if (!name.starts_with(prefix))
    return std::nullopt;
  std::uint32_t number = 0;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  return number > 1 && number <= tools && tool_name(number) == name ? std::optional(number)
                                                                    : std::nullopt;
}

void append_tool(std::string& out, std::uint32_t server, std::uint32_t number) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"name":"{}","title":"Echo {}","description":"Returns its arguments, as text )"
                 R"(and as structured content. Tool {} of mock server {}.","inputSchema":)"
                 R"({{"type":"object","properties":{{"text":{{"type":"string","description":)"
                 R"("what to return"}},"count":{{"type":"integer"}}}}}}}})",
                 tool_name(number), number, number, server);
}

} // namespace

mcp_server::mcp_server(const options& settings, std::uint32_t number)
    : settings_(settings), number_(number) {}

bool mcp_server::serves(mcp::era era) const noexcept {
  return settings_.era == served_era::both ||
         (settings_.era == served_era::modern) == (era == mcp::era::modern);
}

reply mcp_server::answer(std::string_view padded_text) {
  reply out;
  message_.clear();
  if (const auto parsed = mcp::parse_message(padded_text, scanner_, message_); !parsed) {
    out.what = reply::kind::malformed;
    out.body = fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":)",
                           message_.id ? message_.id.raw : "null",
                           mcp::json_rpc_code(mcp::errc::invalid_request));
    json::append_string(out.body, parsed.error().message);
    out.body += "}}";
    return out;
  }
  out.modern = message_.meta.has(mcp::meta_key::protocol_version);
  if (message_.kind != mcp::message_kind::request)
    return out;
  out.what = reply::kind::answered;
  answer_request(out);
  return out;
}

void mcp_server::answer_request(reply& out) {
  const auto& method = message_.method;
  const auto era = out.modern ? mcp::era::modern : mcp::era::legacy;
  if (!serves(era))
    put_error(out, mcp::errc::method_not_found,
              fmt::format("{}: mock server {} does not speak this era", method, number_));
  else if (method == "tools/call")
    call(out);
  else if (method == "tools/list")
    list(out);
  else if (method == "ping")
    put_result(out, "");
  else if (method == "initialize" && !out.modern)
    initialize(out);
  else if (method == "server/discover" && out.modern)
    discover(out);
  else
    put_error(out, mcp::errc::method_not_found, fmt::format("{}: unknown method", method));
}

void mcp_server::call(reply& out) {
  const auto name = message_.params[mcp::param_key::name];
  if (!name.is(json::kind::string) || !tool_of(json::unquote(name), settings_.tools))
    return put_error(out, mcp::errc::invalid_params,
                     fmt::format("mock server {} has no such tool", number_));
  const auto given = message_.params[mcp::param_key::arguments];
  const auto arguments = given ? given.raw : std::string_view("{}");
  const auto fate = settings_.calls.of_call(number_, ++calls_);
  out.delay = fate.delay;
  out.dropped = fate.end == ending::dropped;
  if (fate.end == ending::protocol_error)
    return put_error(out, mcp::errc::internal_error,
                     fmt::format("mock server {} fails call {}", number_, calls_));
  std::string members = R"("content":[{"type":"text","text":)";
  json::append_string(members, arguments);
  members += '}';
  if (fate.padding_bytes > 0)
    members += R"(,{"type":"text","text":")" + std::string(fate.padding_bytes, 'x') + R"("})";
  members += R"(],"structuredContent":)";
  members += arguments;
  if (fate.end == ending::tool_error)
    members += R"(,"isError":true)";
  put_result(out, members);
}

void mcp_server::list(reply& out) {
  std::uint32_t first = 0;
  if (const auto cursor = message_.params[mcp::param_key::cursor]; cursor) {
    const auto text = cursor.is(json::kind::string) ? json::unquote(cursor) : std::string();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), first);
    if (read.ec != std::errc{} || first >= settings_.tools || first % page_tools != 0)
      return put_error(out, mcp::errc::invalid_params, "the cursor is not one of ours");
  }
  const auto last = std::min(first + page_tools, settings_.tools);
  std::string members = R"("tools":[)";
  for (auto number = first + 1; number <= last; ++number) {
    members += number == first + 1 ? "" : ",";
    append_tool(members, number_, number);
  }
  members += ']';
  if (last < settings_.tools)
    members += fmt::format(R"(,"nextCursor":"{}")", last);
  if (out.modern)
    members += "," + std::string(kept);
  put_result(out, members);
}

void mcp_server::initialize(reply& out) {
  out.what = reply::kind::initialized;
  const auto asked = message_.params[mcp::param_key::protocol_version];
  const auto revision =
      mcp::negotiate_legacy(asked.is(json::kind::string) ? json::unquote(asked) : std::string());
  put_result(out, fmt::format(R"("protocolVersion":"{}","capabilities":{{"tools":{{}}}},)"
                              R"("serverInfo":{{"name":"mock_{}","version":"1"}})",
                              mcp::to_string(revision), number_));
}

void mcp_server::discover(reply& out) {
  put_result(out, fmt::format(R"("supportedVersions":["{}"],"capabilities":{{"tools":{{}}}},{})",
                              mcp::to_string(mcp::newest_modern), kept));
}

void mcp_server::put_result(reply& out, std::string_view members) {
  out.body = R"({"jsonrpc":"2.0","id":)";
  out.body += message_.id.raw;
  out.body += R"(,"result":{)";
  out.body += members;
  if (out.modern)
    fmt::format_to(std::back_inserter(out.body),
                   R"({}"resultType":"complete","_meta":{{"io.modelcontextprotocol/serverInfo":)"
                   R"({{"name":"mock_{}","version":"1"}}}})",
                   members.empty() ? "" : ",", number_);
  out.body += "}}";
}

void mcp_server::put_error(reply& out, mcp::errc code, std::string_view text) {
  out.body = fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":)",
                         message_.id.raw, mcp::json_rpc_code(code));
  json::append_string(out.body, text);
  out.body += "}}";
}

} // namespace nexus::mock
