#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "base/log.hpp"

/// The configuration: loaded and validated once, then an immutable value.
namespace nexus::config {

using std::chrono::milliseconds;

enum class transport : std::uint8_t {
  stdio,
  http, ///< Streamable HTTP; falls back to 2024-11-05 HTTP+SSE when the server wants that
  sse,  ///< 2024-11-05 HTTP+SSE only
};

/// Which protocol revision a server speaks: found by a probe, or pinned.
enum class era_pin : std::uint8_t { automatic, legacy, modern };

/// Whose calls share a session with a legacy server. Modern servers have no sessions.
enum class session_mode : std::uint8_t {
  shared,             ///< everybody's
  per_profile,        ///< those of clients with the same capabilities
  per_principal,      ///< those of one authenticated caller with the same capabilities
  per_client_session, ///< those of one client session
  per_call,           ///< each call has one
};

enum class naming : std::uint8_t {
  prefixed, ///< server__tool
  bare,     ///< the tool's own name while it is unambiguous
};

/// Which tools a client is shown where it could be hundreds.
enum class exposure_mode : std::uint8_t {
  tools,     ///< all of them
  meta,      ///< the meta-tools, which find and call all others
  hybrid,    ///< the pinned tools and the meta-tools
  automatic, ///< all of them up to a threshold; beyond it as hybrid, the most used pinned too
};

/// `tools`, `meta`, `hybrid`, `auto`; nothing for another word.
[[nodiscard]] std::optional<exposure_mode> parse_exposure(std::string_view name);

/// Whether call-tool wants proof that its caller has read the tool's schema.
enum class schema_proof : std::uint8_t {
  off,
  warn,    ///< calls without it are logged and counted
  enforce, ///< calls without it are refused
};

/// Whose arguments are checked against the tool's input schema before the server gets them.
enum class argument_check : std::uint8_t {
  off,
  meta, ///< those of calls through the meta-tools
  all,
};

/// What an address shows of the tools that it leads to, and what it demands of calls.
struct tool_surface {
  exposure_mode mode = exposure_mode::tools;
  std::size_t threshold = limits::exposure_threshold_default; ///< tools, of `automatic`
  std::vector<std::string> pinned;                            ///< glob patterns over public names
  /// Server and tool, beside the pinned ones.
  std::vector<std::pair<std::string, std::string>> most_used;
  std::vector<std::string> hints; ///< lines that list-tools ends with
  schema_proof proof = schema_proof::off;
  argument_check check = argument_check::meta;
  /// The tools that make and end virtual MCPs stand there too. Of /mcp alone.
  bool manages_vmcps = false;
  friend bool operator==(const tool_surface&, const tool_surface&) = default;
};

/// What is done about a tool whose definition is other than it was.
enum class pin_policy : std::uint8_t {
  off,
  record,     ///< the change is remembered
  alert,      ///< and somebody told
  quarantine, ///< nobody gets it until somebody accepts it
};

/// What is done about tools that are the same on several servers.
enum class duplicate_policy : std::uint8_t {
  leave,
  hide,  ///< /mcp lists one of them
  merge, ///< likewise, and its calls go to the others' servers when its own cannot take them
};

/// Tools that the configuration says are the same, whatever they look like.
struct duplicate_group {
  std::vector<std::pair<std::string, std::string>> tools; ///< server and name; each server once
  duplicate_policy action = duplicate_policy::merge;
  std::string canonical; ///< the server whose tool is used; empty: the best one
  friend bool operator==(const duplicate_group&, const duplicate_group&) = default;
};

struct duplicate_rules {
  duplicate_policy exact = duplicate_policy::leave; ///< same description and input schema
  std::vector<duplicate_group> groups;              ///< come before what is found
  std::vector<std::string> prefer;                  ///< servers, the best first
  friend bool operator==(const duplicate_rules&, const duplicate_rules&) = default;
};

struct source_position {
  std::string file;
  std::size_t line = 0, column = 0; ///< from 1
};

/// Words that tools are chosen by, beside those that a server tells of its own.
struct server_tags {
  std::vector<std::string> of_all; ///< its tools
  /// Of the tools whose names match a glob pattern.
  std::vector<std::pair<std::string, std::vector<std::string>>> of_tools;
  friend bool operator==(const server_tags&, const server_tags&) = default;
};

/// From `first` to `last`, both included.
struct port_range {
  std::uint16_t first = limits::vmcp_port_first_default;
  std::uint16_t last = limits::vmcp_port_last_default;
  friend bool operator==(const port_range&, const port_range&) = default;
};

struct tls_options {
  bool verify = true;
  std::string ca_file;
  std::string certificate_file, key_file;
};

/// One downstream server.
struct server {
  std::string name;
  transport kind = transport::stdio;
  // stdio
  std::vector<std::string> argv;          ///< command and arguments
  std::map<std::string, std::string> env; ///< added to the inherited environment
  std::vector<std::string> env_unset;     ///< names removed from it (null in the file)
  std::string cwd;
  // remote
  std::string url; ///< http:// or https://
  std::vector<std::pair<std::string, std::string>> headers;
  tls_options tls;
  // all
  era_pin era = era_pin::automatic;
  session_mode sessions = session_mode::shared;
  milliseconds call_timeout = limits::call_timeout_default;
  milliseconds connect_timeout = limits::connect_timeout_default;
  milliseconds handshake_timeout = limits::handshake_timeout_default;
  std::size_t concurrency = limits::server_concurrency_default;
  bool lazy = false;
  std::vector<std::string> include_tools, exclude_tools; ///< glob patterns over the server's names
  std::string description;
  server_tags tags; ///< not part of ==: they do not change how the server is reached
  source_position position;
  /// Why this server cannot be used although the file is valid (an unset ${input:...}); empty when
  /// it can.
  std::string unusable_reason;

  friend bool operator==(const server& a, const server& b);
};

/// A model behind an HTTP interface that search asks for the meaning of texts.
/// @source POST {base URL}/embeddings, as OpenAI and most others serve it
struct embedding_provider {
  server endpoint; ///< its address with `/embeddings`, headers and TLS
  std::string model;
  std::size_t dimensions = 0; ///< that are asked for; 0: the model's own
  /// Some models want queries and documents told apart by their first words.
  std::string query_prefix, document_prefix;
  double weight = 0.5; ///< of the model's opinion beside that of the words; 0 to 1
  milliseconds deadline = limits::embedding_deadline_default; ///< of one search
  friend bool operator==(const embedding_provider&, const embedding_provider&) = default;
};

/// Bounds that an operator may change; the defaults are in base/limits.hpp.
struct tunable_limits {
  std::size_t header_count = limits::http_header_count_max;
  std::size_t header_bytes = limits::http_header_bytes_max;
  std::size_t body_bytes = limits::http_request_body_bytes_max;
  std::size_t response_bytes = limits::http_response_body_bytes_max;
  std::size_t connections = limits::client_connections_max;
  std::size_t sessions = limits::sessions_max;
  std::size_t calls_in_flight = limits::calls_in_flight_max;
  milliseconds header_timeout = limits::http_header_timeout;
  milliseconds body_timeout = limits::http_body_timeout;
  milliseconds idle_timeout = limits::http_idle_timeout;
  milliseconds session_idle_timeout = limits::session_idle_timeout;
  milliseconds drain_timeout = limits::drain_timeout;
};

struct vmcp_definition;

struct gateway {
  std::string listen = "127.0.0.1:3000";
  std::size_t workers = 0;      ///< 0: one per core
  std::string reactor = "auto"; ///< auto, io_uring, epoll
  log::level log_level = log::level::info;
  log::format log_format = log::format::text;
  naming names = naming::prefixed;
  /// Host names beside loopback ones that requests may carry, and origins that may call.
  std::vector<std::string> allowed_hosts, allowed_origins;
  /// Listening beyond loopback without authentication has to be asked for in words.
  bool insecure_listen = false;
  /// Extensions of the protocol that pass although only clients and servers know them.
  std::vector<std::string> extensions;
  /// Secrets that seal what clients carry, the current one first; none: one of this process alone.
  std::vector<std::string> sealing_keys;
  tunable_limits limits;
  /// What /mcp shows; without a mode the program's subcommand decides.
  std::optional<exposure_mode> exposure;
  tool_surface surface; ///< its mode is `exposure`, when that is there
  /// Where what has to survive a restart is kept; without one it is kept in memory.
  std::optional<std::string> state_file;
  /// There is no state_file although the configuration does not say "off": no home directory.
  bool lacks_state = false;
  pin_policy pins = pin_policy::record;
  duplicate_rules duplicates;
  std::optional<embedding_provider> embeddings; ///< without one, words alone decide
  std::vector<server> servers;                  ///< in the file's order
  port_range vmcp_ports;                        ///< for virtual MCPs with the port "auto"
  std::vector<std::shared_ptr<const vmcp_definition>> vmcps; ///< likewise
};

enum class severity : std::uint8_t { warning, error };

/// A finding with its place, what was expected and, for misspelt keys, the near miss.
struct diagnostic {
  severity level = severity::error;
  source_position position;
  std::string message;
  std::string hint; ///< a remedy; may be empty
  /// `file:line:column: error: message (hint)`
  [[nodiscard]] std::string to_string() const;
};

/// The world that interpolation sees; tests give their own.
struct environment {
  std::map<std::string, std::string> variables;
  std::string home, working_directory;
  /// Reads a file for {file:...}; empty optional when it cannot.
  std::function<std::optional<std::string>(const std::string& path)> read_file;
  [[nodiscard]] static environment of_process();
};

struct loaded {
  std::optional<gateway> value; ///< empty when there is an error among the findings
  std::vector<diagnostic> findings;
};

/// Loads our own format or any client's dialect, by content (TOML by the .toml suffix).
[[nodiscard]] loaded load_file(const std::string& path, const environment& env);
[[nodiscard]] loaded load_text(std::string_view text, const std::string& file_name,
                               const environment& env);

/// Any client's configuration as our format, with comments, interpolations kept as written.
struct imported {
  std::string text; ///< empty when there is an error among the findings
  std::vector<diagnostic> findings;
};
[[nodiscard]] imported import_text(std::string_view text, const std::string& file_name,
                                   const environment& env);

} // namespace nexus::config
