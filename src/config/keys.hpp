#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"

/// Every key of a configuration, in one place: the reader, the near misses, docs/configuration.md
/// and docs/nexus.schema.json follow it, and a test compares them.
namespace nexus::config::detail {

/// What a key of a server stands for. Several spellings share a meaning.
enum class server_field : std::uint8_t {
  type,
  command,
  args,
  env,
  env_file,
  cwd,
  url,
  http_url,
  server_url,
  headers,
  headers_from_variables,
  bearer_variable,
  tls,
  era,
  sessions,
  timeout,
  timeout_ms,
  timeout_s,
  connect_timeout,
  handshake_timeout,
  handshake_ms,
  handshake_s,
  concurrency,
  lazy,
  include,
  tools,
  exclude,
  description,
  tags,
  tool_tags,
  disabled,
  enabled,
  forwarded_variables,
  source,
  ignored,     ///< means something to its client and nothing to a gateway
  unsupported, ///< changes what its client sends, and we cannot: worth a warning
};

enum class key_origin : std::uint8_t { ours, client };

struct server_key {
  std::string_view name;
  server_field field;
  key_origin origin;
};

[[nodiscard]] std::span<const server_key> server_keys();
[[nodiscard]] std::optional<server_field> find_server_field(std::string_view key);
/// The names for near misses: ours first.
[[nodiscard]] std::span<const std::string_view> server_key_names();

/// Keys of the file's top level that are the gateway's own.
[[nodiscard]] std::span<const std::string_view> root_keys();
/// Keys that hold the servers.
[[nodiscard]] std::span<const std::string_view> container_keys();
[[nodiscard]] std::span<const std::string_view> log_keys();
[[nodiscard]] std::span<const std::string_view> tls_keys();

enum class limit_unit : std::uint8_t { count, bytes };

struct size_limit {
  std::size_t tunable_limits::*value;
  limit_unit unit;
  std::size_t min, max;
};

struct time_limit {
  milliseconds tunable_limits::*value;
  milliseconds min, max;
};

struct limit_key {
  std::string_view name;
  std::variant<size_limit, time_limit> bound;
};

[[nodiscard]] std::span<const limit_key> limit_keys();
[[nodiscard]] std::span<const std::string_view> limit_key_names();

} // namespace nexus::config::detail
