#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/dialect.hpp"
#include "config/values.hpp"

namespace nexus::config::detail {

/// One server of a file in our own terms, with its references still as written: what `import`
/// prints and what the loader resolves.
struct server_draft {
  std::string name;
  place at;
  transport kind = transport::stdio;
  /// A transport that we do not have; the server stays in the list and says so.
  std::string unsupported_type;
  bool disabled = false;
  bool left_out = false; ///< not a server that can be started: an editor's extension brings it

  std::vector<text_at> argv;
  std::vector<std::pair<std::string, text_at>> env;
  std::vector<std::string> env_unset;
  std::optional<text_at> env_file, cwd;

  std::optional<text_at> url;
  std::vector<std::pair<std::string, text_at>> headers;
  bool tls_verify = true;
  std::optional<text_at> tls_ca, tls_certificate, tls_key;

  era_pin era = era_pin::automatic;
  session_mode sessions = session_mode::shared;
  std::optional<milliseconds> call_timeout, connect_timeout, handshake_timeout;
  std::optional<std::size_t> concurrency;
  bool lazy = false;
  std::optional<std::vector<std::string>> include;
  std::vector<std::string> exclude;
  std::string description;
  server_tags tags;

  /// What import says about this server: keys that it drops, values that need a look.
  std::vector<std::string> notes;
};

[[nodiscard]] server_draft read_server(const server_source& source, findings& out);

inline constexpr std::string_view era_names[] = {"auto", "legacy", "2026-07-28"};
inline constexpr std::string_view session_mode_names[] = {"shared", "per-profile", "per-principal",
                                                          "per-client-session", "per-call"};

} // namespace nexus::config::detail
