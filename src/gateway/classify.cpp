#include "gateway/classify.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "json/write.hpp"

namespace nexus::gateway {
namespace {

using mcp::errc;
using mcp::meta_key;
using mcp::param_key;

std::unexpected<refusal> refuse(errc code, std::string message, std::string data = {}) {
  return std::unexpected(refusal{code, static_cast<unsigned>(mcp::http_status(code)),
                                 std::move(message), std::move(data)});
}

bool names_modern(std::optional<std::string_view> version) {
  if (!version)
    return false;
  const auto known = mcp::parse_revision(*version);
  return known && mcp::era_of(*known) == mcp::era::modern;
}

/// The first thing wrong with a modern envelope, or empty.
std::string_view envelope_problem(const mcp::message& m) {
  if (!m.meta[meta_key::protocol_version].is(json::kind::string))
    return "_meta[\"io.modelcontextprotocol/protocolVersion\"] must be a string";
  if (!m.meta[meta_key::client_capabilities].is(json::kind::object))
    return "_meta[\"io.modelcontextprotocol/clientCapabilities\"] must be an object";
  if (m.meta.has(meta_key::client_info) &&
      (!m.client_info[mcp::client_info_key::name].is(json::kind::string) ||
       !m.client_info[mcp::client_info_key::version].is(json::kind::string)))
    return "_meta[\"io.modelcontextprotocol/clientInfo\"] must be an object with a name and a "
           "version, both strings";
  const auto level = m.meta[meta_key::log_level];
  if (level && (!level.is(json::kind::string) || !mcp::parse_log_level(json::unquote(level))))
    return "_meta[\"io.modelcontextprotocol/logLevel\"] is no log level";
  const auto token = m.meta[meta_key::progress_token];
  if (token && !token.is(json::kind::string) && !json::to_int64(token))
    return "_meta.progressToken must be a string or an integer";
  return {};
}

/// The member of params that Mcp-Name mirrors, for the methods that have one.
std::optional<param_key> mirrored_param(std::string_view method) {
  if (method == "tools/call" || method == "prompts/get")
    return param_key::name;
  if (method == "resources/read")
    return param_key::uri;
  if (method == "tasks/get" || method == "tasks/update" || method == "tasks/cancel")
    return param_key::task_id;
  return std::nullopt;
}

std::expected<void, refusal> check_standard_headers(const mcp::message& m,
                                                    const protocol_headers& headers) {
  if (!headers.method)
    return refuse(errc::header_mismatch, "the Mcp-Method header is missing");
  if (*headers.method != m.method)
    return refuse(
        errc::header_mismatch,
        fmt::format("the Mcp-Method header says '{}', the body '{}'", *headers.method, m.method));
  const auto key = mirrored_param(m.method);
  if (!key || !m.params[*key].is(json::kind::string))
    return {};
  if (!headers.name)
    return refuse(errc::header_mismatch, "the Mcp-Name header is missing");
  const auto decoded = decode_header_value(*headers.name);
  if (!decoded)
    return refuse(errc::header_mismatch, "the Mcp-Name header is wrongly encoded");
  const std::string wanted = json::unquote(m.params[*key]);
  if (*decoded != wanted)
    return refuse(errc::header_mismatch,
                  fmt::format("the Mcp-Name header says '{}', the body '{}'", *decoded, wanted));
  return {};
}

std::expected<classified, refusal> classify_modern(const mcp::message& m,
                                                   const protocol_headers& headers) {
  if (const auto problem = envelope_problem(m); !problem.empty())
    return refuse(errc::invalid_params, std::string(problem));
  const std::string version = json::unquote(m.meta[meta_key::protocol_version]);
  if (headers.present && headers.protocol_version != version)
    return refuse(errc::header_mismatch,
                  headers.protocol_version
                      ? fmt::format("the MCP-Protocol-Version header says '{}', the body '{}'",
                                    *headers.protocol_version, version)
                      : "the MCP-Protocol-Version header is missing");
  if (headers.present && headers.method && *headers.method != m.method)
    return refuse(
        errc::header_mismatch,
        fmt::format("the Mcp-Method header says '{}', the body '{}'", *headers.method, m.method));
  const auto known = mcp::parse_revision(version);
  if (!known || mcp::era_of(*known) != mcp::era::modern)
    return refuse(errc::unsupported_version,
                  fmt::format("protocol version '{}' is not served", version),
                  unsupported_version_data(version));
  if (headers.present && m.kind == mcp::message_kind::request)
    if (auto checked = check_standard_headers(m, headers); !checked)
      return std::unexpected(std::move(checked.error()));
  return classified{mcp::era::modern, *known};
}

constexpr std::string_view encoded_prefix = "=?base64?", encoded_suffix = "?=";

bool is_encoded(std::string_view value) {
  return value.size() >= encoded_prefix.size() + encoded_suffix.size() &&
         value.starts_with(encoded_prefix) && value.ends_with(encoded_suffix);
}

} // namespace

std::expected<classified, refusal> classify(const mcp::message& m,
                                            const protocol_headers& headers) {
  const bool modern_header = names_modern(headers.protocol_version);
  const bool has_envelope = m.meta.has(meta_key::protocol_version);
  if (m.kind == mcp::message_kind::response || m.kind == mcp::message_kind::error_response)
    return classified{};
  if (m.kind == mcp::message_kind::notification) {
    if (has_envelope)
      return classify_modern(m, headers);
    if (modern_header)
      return classified{mcp::era::modern, mcp::newest_modern};
  } else if (m.method == "initialize") {
    if (has_envelope && envelope_problem(m).empty())
      return classify_modern(m, headers);
    if (modern_header)
      return refuse(errc::header_mismatch,
                    "initialize belongs to legacy revisions, the MCP-Protocol-Version header names "
                    "a modern one");
  } else if (has_envelope) {
    return classify_modern(m, headers);
  } else if (modern_header) {
    return refuse(errc::invalid_params,
                  "params._meta with io.modelcontextprotocol/protocolVersion and "
                  "clientCapabilities is missing");
  }
  classified legacy;
  if (headers.protocol_version) {
    const auto known = mcp::parse_revision(*headers.protocol_version);
    if (!known)
      return refuse(errc::unsupported_version,
                    fmt::format("protocol version '{}' is not served", *headers.protocol_version),
                    unsupported_version_data(*headers.protocol_version));
    legacy.revision = *known;
  }
  return legacy;
}

std::optional<std::string> decode_header_value(std::string_view value) {
  value = trim(value);
  if (!is_encoded(value))
    return std::string(value);
  const auto encoded = value.substr(encoded_prefix.size(),
                                    value.size() - encoded_prefix.size() - encoded_suffix.size());
  std::string out;
  if (!decode_base64(encoded, base64_form::standard, out))
    return std::nullopt;
  return out;
}

std::string encode_header_value(std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(),
                                 [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); });
  const bool edges = !value.empty() && trim(value) != value;
  if (plain && !edges && !is_encoded(value))
    return std::string(value);
  std::string out(encoded_prefix);
  append_base64(out, value, base64_form::standard);
  out += encoded_suffix;
  return out;
}

std::string unsupported_version_data(std::string_view requested) {
  std::string out = R"({"supported":[")";
  out += mcp::to_string(mcp::newest_modern);
  out += R"("],"requested":)";
  json::append_string(out, requested);
  out += '}';
  return out;
}

} // namespace nexus::gateway
