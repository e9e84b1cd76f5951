/// Any bytes as a client's request: three lines of headers, each with a first byte that says
/// whether it is there, then the body. Whatever is accepted is of an era and keeps what the era
/// promises; whatever is refused says why, in an answer that is JSON.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "gateway/classify.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "mcp/message.hpp"
#include "json/scan.hpp"

namespace {

using namespace nexus;

/// Takes a line; nothing unless it begins with '+'.
std::optional<std::string_view> take_header(std::string_view& from) {
  const auto end = std::min(from.find('\n'), from.size());
  const auto line = from.substr(0, end);
  from.remove_prefix(std::min(end + 1, from.size()));
  if (!line.starts_with('+'))
    return std::nullopt;
  return line.substr(1);
}

void check_refusal(const gateway::refusal& why, const mcp::message& message,
                   json::scanner& scanner) {
  NEXUS_ASSERT(!why.message.empty());
  NEXUS_ASSERT(why.http_status == 200 || (why.http_status >= 400 && why.http_status < 500));
  auto answer =
      gateway::error_response(message.id.raw, mcp::json_rpc_code(why.code), why.message, why.data);
  json::ensure_padding(answer);
  mcp::message parsed;
  NEXUS_ASSERT(mcp::parse_message(answer, scanner, parsed).has_value());
  NEXUS_ASSERT(parsed.kind == mcp::message_kind::error_response);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  gateway::protocol_headers headers;
  headers.present = !input.starts_with('.'); // over stdio there are none
  headers.protocol_version = take_header(input);
  headers.method = take_header(input);
  headers.name = take_header(input);
  if (headers.name)
    if (const auto decoded = gateway::decode_header_value(*headers.name))
      NEXUS_ASSERT(gateway::decode_header_value(gateway::encode_header_value(*decoded)) == decoded);
  std::string body(input);
  json::ensure_padding(body);
  json::scanner scanner;
  mcp::message message;
  if (!mcp::parse_message(body, scanner, message))
    return 0;
  const auto found = gateway::classify(message, headers);
  if (!found) {
    check_refusal(found.error(), message, scanner);
    return 0;
  }
  NEXUS_ASSERT(found->era == mcp::era_of(found->revision));
  if (found->era == mcp::era::modern && message.kind == mcp::message_kind::request)
    NEXUS_ASSERT(message.meta.has(mcp::meta_key::protocol_version));
  const auto again = gateway::classify(message, headers);
  NEXUS_ASSERT(again && again->era == found->era && again->revision == found->revision);
  return 0;
}
