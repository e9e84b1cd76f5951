#include <algorithm>
#include <map>

#include "config/file_reader.hpp"
#include "config/interpolate.hpp"
#include "config/keys.hpp"

namespace nexus::config {
namespace detail {
namespace {

using json_lines = std::vector<std::string>;

constexpr std::size_t server_level = 2; ///< indentation of a server's name

/// `{`, the lines with commas between them, `}`.
std::string object_of(const json_lines& lines, std::size_t level) {
  if (lines.empty())
    return "{}";
  std::string out = "{\n";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += std::string(2 * (level + 1), ' ') + lines[i] + (i + 1 < lines.size() ? ",\n" : "\n");
  }
  return out + std::string(2 * level, ' ') + "}";
}

std::string list_of(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items)
    out += (out.size() > 1 ? ", " : "") + quote(item);
  return out + "]";
}

std::string pair_of(std::string_view key, std::string_view json) {
  return quote(key) + ": " + std::string(json);
}

/// A comment is one line, whatever stands in a name.
std::string comment(std::string_view text, std::size_t level) {
  std::string out(2 * level, ' ');
  out += "// ";
  for (const char c : text)
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  return out + '\n';
}

/// Ties what means the folder of the imported file to that folder: the text may be written
/// elsewhere.
class anchor {
 public:
  anchor(std::string folder, const environment& env) : folder_(std::move(folder)), env_(env) {}

  /// References stay as they are written, but for those that mean the folder.
  [[nodiscard]] std::string text(std::string_view raw) const {
    std::string out;
    while (!raw.empty()) {
      if (raw.starts_with(own_folder)) {
        out += folder_;
        raw.remove_prefix(own_folder.size());
      } else if (raw.starts_with(file_reference)) {
        raw.remove_prefix(file_reference.size());
        const std::size_t end = std::min(raw.find('}'), raw.size());
        out += std::string(file_reference) + path(raw.substr(0, end));
        raw.remove_prefix(end);
      } else {
        out += raw.front();
        raw.remove_prefix(1);
      }
    }
    return out;
  }
  /// A path, which may begin with a reference.
  [[nodiscard]] std::string path(std::string_view raw) const {
    const std::string out = text(raw);
    const bool stands_alone = out.empty() || std::string_view("/~$%{").contains(out.front());
    return stands_alone ? out : resolve_path(out, folder_, env_);
  }

 private:
  static constexpr std::string_view own_folder = "${extensionPath}", file_reference = "{file:";
  std::string folder_;
  const environment& env_;
};

class server_printer {
 public:
  server_printer(const server_draft& draft, const anchor& folder)
      : draft_(draft), folder_(folder) {}

  std::string run() {
    if (draft_.kind == transport::stdio)
      print_process();
    else
      print_remote();
    print_common();
    return object_of(lines_, server_level);
  }

 private:
  void add(std::string_view key, std::string_view json) { lines_.push_back(pair_of(key, json)); }
  void add_text(std::string_view key, const std::optional<text_at>& value) {
    if (value)
      add(key, quote(folder_.text(value->text)));
  }
  void add_path(std::string_view key, const std::optional<text_at>& value) {
    if (value)
      add(key, quote(folder_.path(value->text)));
  }
  void add_time(std::string_view key, const std::optional<milliseconds>& value) {
    if (value)
      add(key, quote(print_time(*value)));
  }

  void print_process() {
    if (!draft_.argv.empty())
      add("command", quote(folder_.text(draft_.argv.front().text)));
    std::vector<std::string> args;
    for (std::size_t i = 1; i < draft_.argv.size(); ++i)
      args.push_back(folder_.text(draft_.argv[i].text));
    if (!args.empty())
      add("args", list_of(args));
    json_lines env;
    for (const auto& [name, value] : draft_.env)
      env.push_back(pair_of(name, quote(folder_.text(value.text))));
    for (const std::string& name : draft_.env_unset)
      env.push_back(pair_of(name, "null"));
    if (!env.empty())
      add("env", object_of(env, server_level + 1));
    add_path("envFile", draft_.env_file);
    add_text("cwd", draft_.cwd);
  }

  void print_remote() {
    const std::string_view kind = draft_.kind == transport::sse ? "sse" : "http";
    add("type", quote(draft_.unsupported_type.empty() ? kind : draft_.unsupported_type));
    add_text("url", draft_.url);
    json_lines headers;
    for (const auto& [name, value] : draft_.headers) {
      headers.push_back(pair_of(name, quote(folder_.text(value.text))));
    }
    if (!headers.empty())
      add("headers", object_of(headers, server_level + 1));
    json_lines tls;
    if (!draft_.tls_verify)
      tls.push_back(pair_of("verify", "false"));
    if (draft_.tls_ca)
      tls.push_back(pair_of("ca", quote(folder_.path(draft_.tls_ca->text))));
    if (draft_.tls_certificate)
      tls.push_back(pair_of("cert", quote(folder_.path(draft_.tls_certificate->text))));
    if (draft_.tls_key)
      tls.push_back(pair_of("key", quote(folder_.path(draft_.tls_key->text))));
    if (!tls.empty())
      add("tls", object_of(tls, server_level + 1));
  }

  void print_common() {
    if (draft_.era != era_pin::automatic) {
      add("era", quote(era_names[static_cast<std::size_t>(draft_.era)]));
    }
    if (draft_.sessions != session_mode::shared)
      add("sessions", quote(session_mode_names[static_cast<std::size_t>(draft_.sessions)]));
    add_time("timeout", draft_.call_timeout);
    add_time("connectTimeout", draft_.connect_timeout);
    add_time("handshakeTimeout", draft_.handshake_timeout);
    if (draft_.concurrency)
      add("concurrency", std::to_string(*draft_.concurrency));
    if (draft_.lazy)
      add("lazy", "true");
    if (draft_.include)
      add("include", list_of(*draft_.include));
    if (!draft_.exclude.empty())
      add("exclude", list_of(draft_.exclude));
    if (!draft_.description.empty())
      add("description", quote(draft_.description));
    if (!draft_.tags.of_all.empty())
      add("tags", list_of(draft_.tags.of_all));
    std::vector<std::string> by_tool;
    for (const auto& [pattern, tags] : draft_.tags.of_tools)
      by_tool.push_back(pair_of(pattern, list_of(tags)));
    if (!by_tool.empty())
      add("toolTags", object_of(by_tool, server_level + 1));
    if (draft_.disabled)
      add("disabled", "true");
  }

  const server_draft& draft_;
  const anchor& folder_;
  json_lines lines_;
};

std::string print_servers(const file_content& content, const std::vector<server>& resolved,
                          const anchor& folder) {
  std::map<std::string_view, std::string_view> unusable;
  for (const server& entry : resolved) {
    if (!entry.unusable_reason.empty())
      unusable[entry.name] = entry.unusable_reason;
  }
  std::string body, dropped;
  for (const server_draft& draft : content.servers) {
    if (draft.left_out || (draft.argv.empty() && !draft.url)) {
      dropped += comment("left out " + quote(draft.name) + ": nothing to start or to connect to",
                         server_level);
      continue;
    }
    if (!body.empty())
      body += ",\n";
    for (const std::string& note : draft.notes)
      body += comment(note, server_level);
    const auto reason = unusable.find(draft.name);
    if (reason != unusable.end()) {
      body += comment("needs attention: " + std::string(reason->second), server_level);
    }
    body += std::string(2 * server_level, ' ') +
            pair_of(draft.name, server_printer(draft, folder).run());
  }
  if (body.empty() && dropped.empty())
    return "{}";
  return "{\n" + dropped + body + (body.empty() ? "" : "\n") + "  }";
}

/// The gateway's own keys of the file; of a client's settings those that mean the same to us.
node own_settings(const file_content& content) {
  node kept;
  kept.kind = node_kind::object;
  if (content.bare)
    return kept;
  for (const member& entry : content.root.members) {
    const bool ours = std::ranges::find(root_keys(), entry.key) != root_keys().end();
    if (!ours || entry.key == "mcpServers" || entry.key == "inputs" || entry.key == "$schema")
      continue;
    kept.members.push_back(entry);
    if (!content.foreign)
      continue;
    findings problems("");
    static_cast<void>(read_gateway(kept, unknown_keys::keep_silent, problems));
    if (problems.has_errors())
      kept.members.pop_back();
  }
  return kept;
}

std::string print_file(const file_content& content, const std::vector<server>& resolved,
                       const std::string& file_name, const environment& env) {
  json_lines lines;
  for (const member& entry : own_settings(content).members) {
    lines.push_back(pair_of(entry.key, to_json(entry.value, 1)));
  }
  if (content.inputs != nullptr)
    lines.push_back(pair_of("inputs", to_json(*content.inputs, 1)));
  lines.push_back(pair_of(
      "mcpServers", print_servers(content, resolved, anchor(folder_of(file_name, env), env))));
  return comment("Written by nexus import from " + file_name, 0) + object_of(lines, 0) + "\n";
}

} // namespace
} // namespace detail

imported import_text(std::string_view text, const std::string& file_name, const environment& env) {
  detail::findings found(file_name);
  imported out;
  if (const auto content = detail::read_content(text, env, found)) {
    const std::vector<server> resolved = detail::resolve_servers(*content, env, found);
    if (!found.has_errors())
      out.text = detail::print_file(*content, resolved, file_name, env);
  }
  out.findings = found.take();
  return out;
}

} // namespace nexus::config
