#include "bench/e2e/call_template.hpp"

#include <fmt/core.h>
#include <utility>

namespace nexus::bench {
namespace {

constexpr std::string_view hole = "\x01NEXUS-ID\x01";
static_assert(hole.size() == id_digits);

constexpr std::string_view envelope =
    R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string make_post(const load_options& options, std::string_view fields, std::string_view body) {
  auto out = fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n"
                         "Accept: application/json, text/event-stream\r\n",
                         options.url.path, options.url.authority);
  for (const auto& header : options.headers)
    out += fmt::format("{}\r\n", header);
  out += fmt::format("{}Content-Length: {}\r\n\r\n{}", fields, body.size(), body);
  return out;
}

std::string session_fields(std::string_view session_id) {
  std::string out = "MCP-Protocol-Version: 2025-11-25\r\n";
  if (!session_id.empty())
    out += fmt::format("Mcp-Session-Id: {}\r\n", session_id);
  return out;
}

std::string call_fields(const load_options& options, std::string_view tool,
                        std::string_view session_id) {
  switch (options.speech) {
  case era::legacy:
    return session_fields(session_id);
  case era::modern:
    return fmt::format("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
                       "Mcp-Name: {}\r\n",
                       tool);
  case era::blind:
    break;
  }
  return {};
}

} // namespace

std::string_view call_template::placeholder() {
  return hole;
}

call_template::call_template(std::string text) : bytes_(std::move(text)) {
  for (auto at = bytes_.find(hole); at != std::string::npos; at = bytes_.find(hole, at + 1))
    holes_.push_back(at);
}

std::string_view call_template::with_id(std::uint64_t id) {
  char digits[id_digits];
  write_id(digits, id);
  for (const auto at : holes_)
    bytes_.replace(at, id_digits, digits, id_digits);
  return bytes_;
}

void write_id(char* out, std::uint64_t id) {
  for (std::size_t i = id_digits; i-- > 0; id /= 10)
    out[i] = static_cast<char>('0' + id % 10);
}

std::vector<call_template> make_calls(const load_options& options, std::string_view session_id) {
  const auto arguments = replaced(options.arguments, "$ID", hole);
  std::vector<call_template> out;
  out.reserve(static_cast<std::size_t>(options.spread_tools));
  for (int i = 1; i <= options.spread_tools; ++i) {
    const auto tool = replaced(options.tool, "{}", std::to_string(i));
    const auto body =
        fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"tools/call",)"
                    R"("params":{{"name":"{}","arguments":{}{}}}}})",
                    hole, tool, arguments, options.speech == era::modern ? envelope : "");
    out.emplace_back(make_post(options, call_fields(options, tool, session_id), body));
  }
  return out;
}

std::string make_initialize(const load_options& options, std::uint64_t id) {
  const auto body = fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"initialize",)"
                                R"("params":{{"protocolVersion":"2025-11-25","capabilities":{{}},)"
                                R"("clientInfo":{{"name":"load","version":"1"}}}}}})",
                                id);
  return make_post(options, "", body);
}

std::string make_initialized(const load_options& options, std::string_view session_id) {
  return make_post(options, session_fields(session_id),
                   R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
}

} // namespace nexus::bench
