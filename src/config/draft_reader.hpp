#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/draft.hpp"

namespace nexus::config::detail {

/// Reads one server, key by key; read_server() is its only user. What makes a process and what
/// makes a remote server stand in files of their own.
class draft_reader {
 public:
  draft_reader(const server_source& source, findings& out)
      : dialect_(source.dialect), findings_(out) {
    draft_.name = source.entry->key;
    draft_.at = source.entry->at;
    draft_.disabled = source.left_out;
  }

  server_draft run(const node& object);

 private:
  void check_name();
  void read(const member& entry);
  /// Whether the key is one of the times.
  bool read_time_of(server_field field, const node& value, std::string_view key);
  void read_rest(server_field field, const member& entry);
  void dropped(std::string_view key);
  /// Codex takes strings as they stand; ours and the others hold references.
  text_at as_written(text_at value) const;
  std::optional<text_at> text(const node& value, std::string_view key);
  void append(std::vector<text_at>& to, std::vector<text_at> from) const;

  /// A string, a list that holds the arguments too (opencode), or {path, args, env} (older Zed).
  void read_command(const node& value);
  void read_env(const node& value, std::string_view key);
  /// The last of two values holds, and null outdoes both.
  void set_variable(const std::string& name, text_at value);

  enum class header_source : std::uint8_t { values, variables };
  void read_headers(const member& entry, header_source source);
  bool check_header_name(const member& header);
  void add_header(const member& header, text_at value);
  bool is_variable(const text_at& name);
  void read_bearer(const node& value, std::string_view key);
  void read_tls(const node& value);

  [[nodiscard]] milliseconds bare_unit(const node& value);
  void read_timeout(std::optional<milliseconds>& out, const node& value, std::string_view key,
                    milliseconds unit);
  void read_include(const node& value, std::string_view key);
  void read_names(std::vector<std::string>& out, const node& value, std::string_view key);
  void read_description(const node& value, std::string_view key);
  [[nodiscard]] std::vector<std::string> read_tags(const node& value, std::string_view key);
  void read_tool_tags(const node& value, std::string_view key);

  /// An explicit type wins, then Antigravity's and Gemini's order of the URLs, then the command.
  void choose_transport(const node& object);
  void apply_type();
  void finish_stdio(const node& object);
  void finish_remote(const node& object);
  void missing(const node& object, std::string_view key, bool typed);
  /// The key is there with a value of the wrong kind, which has its own finding.
  [[nodiscard]] static bool server_key_misread(const node& object);

  server_dialect dialect_;
  findings& findings_;
  server_draft draft_;
  std::optional<text_at> type_, url_, http_url_, server_url_;
  std::vector<text_at> command_, args_;
  bool has_command_ = false, command_broken_ = false, from_extension_ = false;
};

} // namespace nexus::config::detail
