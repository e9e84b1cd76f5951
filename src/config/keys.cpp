#include "config/keys.hpp"

#include <algorithm>
#include <array>

namespace nexus::config::detail {
namespace {

using enum server_field;
using enum key_origin;

constexpr server_key server_key_table[] = {
    {"type", type, ours},
    {"command", command, ours},
    {"args", args, ours},
    {"env", env, ours},
    {"envFile", env_file, ours},
    {"cwd", cwd, ours},
    {"url", url, ours},
    {"headers", headers, ours},
    {"tls", tls, ours},
    {"era", era, ours},
    {"sessions", sessions, ours},
    {"timeout", timeout, ours},
    {"timeoutMs", timeout_ms, ours},
    {"connectTimeout", connect_timeout, ours},
    {"handshakeTimeout", handshake_timeout, ours},
    {"concurrency", concurrency, ours},
    {"lazy", lazy, ours},
    {"include", include, ours},
    {"exclude", exclude, ours},
    {"description", description, ours},
    {"tags", tags, ours},
    {"toolTags", tool_tags, ours},
    {"disabled", disabled, ours},
    // Other spellings, each accepted from the clients that use it.
    {"transport", type, client},
    {"transportType", type, client},
    {"environment", env, client},
    {"httpUrl", http_url, client},
    {"serverUrl", server_url, client},
    {"http_headers", headers, client},
    {"env_http_headers", headers_from_variables, client},
    {"bearer_token_env_var", bearer_variable, client},
    {"env_vars", forwarded_variables, client},
    {"timeout_ms", timeout_ms, client},
    {"timeout_sec", timeout_s, client},
    {"tool_timeout_ms", timeout_ms, client},
    {"tool_timeout_sec", timeout_s, client},
    {"startup_timeout_ms", handshake_ms, client},
    {"startup_timeout_sec", handshake_s, client},
    {"includeTools", include, client},
    {"excludeTools", exclude, client},
    {"enabled_tools", include, client},
    {"disabled_tools", exclude, client},
    {"disabledTools", exclude, client},
    {"tools", tools, client},
    {"enabled", enabled, client},
    {"source", source, client},
    // Without a meaning for a gateway: approval, sign-in dialogs, decoration, editors' own.
    {"$schema", ignored, client},
    {"alwaysAllow", ignored, client},
    {"auth", ignored, client},
    {"autoApprove", ignored, client},
    {"default_tools_approval_mode", ignored, client},
    {"dev", ignored, client},
    {"displayName", ignored, client},
    {"gallery", ignored, client},
    {"icon", ignored, client},
    {"icons", ignored, client},
    {"id", ignored, client},
    {"name", ignored, client},
    {"oauth", ignored, client},
    {"oauth_resource", ignored, client},
    {"required", ignored, client},
    {"sandbox", ignored, client},
    {"sandboxEnabled", ignored, client},
    {"scopes", ignored, client},
    {"settings", ignored, client},
    {"supports_parallel_tool_calls", ignored, client},
    {"title", ignored, client},
    {"trust", ignored, client},
    {"version", ignored, client},
    {"watchPaths", ignored, client},
    {"authProviderType", unsupported, client},
    {"headersHelper", unsupported, client},
    {"http_headers_helper", unsupported, client},
    {"targetAudience", unsupported, client},
    {"targetServiceAccount", unsupported, client},
};

constexpr std::string_view root_key_table[] = {
    "$schema",
    "mcpServers",
    "listen",
    "workers",
    "reactor",
    "names",
    "log",
    "allowedHosts",
    "allowedOrigins",
    "extensions",
    "insecureListen",
    "unsetVariables",
    "limits",
    "inputs",
    "sealingKeys",
    "exposure",
    "exposureThreshold",
    "pinnedTools",
    "hints",
    "schemaProof",
    "checkArguments",
    "vmcps",
    "vmcpPorts",
    "management",
    "state",
    "pins",
    "duplicates",
    "duplicateGroups",
    "prefer",
    "embeddings",
};

constexpr std::string_view container_key_table[] = {
    "mcpServers", "servers", "mcp.servers", "mcp", "context_servers", "mcp_servers", "projects",
};

constexpr std::string_view log_key_table[] = {"level", "format"};
constexpr std::string_view tls_key_table[] = {"verify", "ca", "cert", "key"};

constexpr size_limit count(std::size_t tunable_limits::*value, std::size_t min) {
  return {value, limit_unit::count, min, nexus::limits::tunable_count_max};
}
constexpr size_limit bytes(std::size_t tunable_limits::*value, std::size_t min) {
  return {value, limit_unit::bytes, min, nexus::limits::tunable_bytes_max};
}
constexpr time_limit duration(milliseconds tunable_limits::*value) {
  return {value, milliseconds{1}, nexus::limits::tunable_time_max};
}

/// The smallest sizes still let an ordinary client through.
const limit_key limit_key_table[] = {
    {"headerCount", count(&tunable_limits::header_count, 16)},
    {"headerBytes", bytes(&tunable_limits::header_bytes, 1024)},
    {"bodyBytes", bytes(&tunable_limits::body_bytes, 1024)},
    {"responseBytes", bytes(&tunable_limits::response_bytes, 1024)},
    {"connections", count(&tunable_limits::connections, 1)},
    {"sessions", count(&tunable_limits::sessions, 1)},
    {"callsInFlight", count(&tunable_limits::calls_in_flight, 1)},
    {"headerTimeout", duration(&tunable_limits::header_timeout)},
    {"bodyTimeout", duration(&tunable_limits::body_timeout)},
    {"idleTimeout", duration(&tunable_limits::idle_timeout)},
    {"sessionIdleTimeout", duration(&tunable_limits::session_idle_timeout)},
    {"drainTimeout", duration(&tunable_limits::drain_timeout)},
};

} // namespace

std::span<const server_key> server_keys() {
  return server_key_table;
}

std::optional<server_field> find_server_field(std::string_view key) {
  const auto found = std::ranges::find(server_key_table, key, &server_key::name);
  if (found == std::end(server_key_table))
    return std::nullopt;
  return found->field;
}

std::span<const std::string_view> server_key_names() {
  static constexpr auto names = [] {
    std::array<std::string_view, std::size(server_key_table)> out{};
    std::ranges::transform(server_key_table, out.begin(), &server_key::name);
    return out;
  }();
  return names;
}

std::span<const std::string_view> root_keys() {
  return root_key_table;
}
std::span<const std::string_view> container_keys() {
  return container_key_table;
}
std::span<const std::string_view> log_keys() {
  return log_key_table;
}
std::span<const std::string_view> tls_keys() {
  return tls_key_table;
}
std::span<const limit_key> limit_keys() {
  return limit_key_table;
}

std::span<const std::string_view> limit_key_names() {
  static const auto names = [] {
    std::array<std::string_view, std::size(limit_key_table)> out{};
    std::ranges::transform(limit_key_table, out.begin(), &limit_key::name);
    return out;
  }();
  return names;
}

} // namespace nexus::config::detail
