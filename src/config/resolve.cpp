#include "config/resolve.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/address.hpp"
#include "config/values.hpp"
#include "seal/digest.hpp"
#include "seal/key_ring.hpp"

namespace nexus::config::detail {
namespace {

class resolver {
 public:
  resolver(const server_draft& draft, const scope& within, findings& out)
      : draft_(draft), scope_(within), findings_(out) {}

  server run() {
    copy_plain();
    if (draft_.kind == transport::stdio)
      resolve_process();
    else
      resolve_remote();
    return std::move(server_);
  }

 private:
  void copy_plain() {
    server_.name = draft_.name;
    server_.kind = draft_.kind;
    server_.position = findings_.position(draft_.at);
    server_.era = draft_.era;
    server_.sessions = draft_.sessions;
    server_.call_timeout = draft_.call_timeout.value_or(server_.call_timeout);
    server_.connect_timeout = draft_.connect_timeout.value_or(server_.connect_timeout);
    server_.handshake_timeout = draft_.handshake_timeout.value_or(server_.handshake_timeout);
    server_.concurrency = draft_.concurrency.value_or(server_.concurrency);
    server_.lazy = draft_.lazy;
    server_.description = draft_.description;
    server_.tags = draft_.tags;
    server_.exclude_tools = draft_.exclude;
    if (draft_.include) {
      server_.include_tools = *draft_.include;
      // An empty list allows nothing, as in the clients; the empty pattern matches no tool.
      if (server_.include_tools.empty())
        server_.include_tools.emplace_back();
    }
  }

  void resolve_process() {
    for (const text_at& word : draft_.argv) {
      const bool program = server_.argv.empty();
      const std::string name = program ? "command" : "args";
      std::string text = expanded(word, name, text_kind::plain);
      if (program) {
        if (text.starts_with("~/"))
          text = resolve_path(text, "", scope_.env);
        if (text.empty())
          unusable(word.at, "\"command\" is empty", {});
      }
      server_.argv.push_back(std::move(text));
    }
    if (draft_.env_file)
      read_env_file(*draft_.env_file);
    for (const auto& [name, value] : draft_.env) {
      server_.env[name] = expanded(value, name, text_kind::plain);
    }
    server_.env_unset = draft_.env_unset;
    for (const std::string& name : server_.env_unset)
      server_.env.erase(name);
    if (draft_.cwd) {
      server_.cwd = expanded(*draft_.cwd, "cwd", text_kind::plain);
      if (server_.cwd.starts_with('~'))
        server_.cwd = resolve_path(server_.cwd, "", scope_.env);
    }
  }

  void read_env_file(const text_at& where) {
    const std::string path =
        resolve_path(expanded(where, "envFile", text_kind::plain), scope_.folder, scope_.env);
    if (!server_.unusable_reason.empty())
      return;
    const auto text = scope_.env.read_file ? scope_.env.read_file(path) : std::nullopt;
    if (!text) {
      unusable(where.at, "envFile " + quote(shorten(path)) + " cannot be read", {});
      return;
    }
    server_.env = parse_env_file(*text);
  }

  void resolve_remote() {
    if (!draft_.unsupported_type.empty()) {
      unusable(draft_.at,
               "transport " + quote(shorten(draft_.unsupported_type)) + " is not supported",
               "stdio, http and sse are");
    }
    if (draft_.url)
      resolve_url(*draft_.url);
    for (const auto& [name, value] : draft_.headers) {
      const std::string text(trim(expanded(value, name, text_kind::plain)));
      if (!is_header_value(text)) {
        findings_.error(value.at,
                        "the value of header " + quote(name) + " holds a control character");
      } else if (!text.empty()) {
        server_.headers.emplace_back(name, text);
      }
    }
    server_.tls.verify = draft_.tls_verify;
    server_.tls.ca_file = tls_file(draft_.tls_ca, "ca");
    server_.tls.certificate_file = tls_file(draft_.tls_certificate, "cert");
    server_.tls.key_file = tls_file(draft_.tls_key, "key");
  }

  void resolve_url(const text_at& where) {
    server_.url = std::string(trim(expanded(where, "url", text_kind::url)));
    if (!server_.unusable_reason.empty())
      return;
    const std::string scheme = to_lower(server_.url.substr(0, server_.url.find(':')));
    // VS Code has local sockets and pipes, Claude Code has WebSockets.
    for (const std::string_view other : {"unix", "pipe", "ws", "wss"}) {
      if (scheme == other) {
        unusable(where.at, "URLs of scheme " + quote(scheme) + " are not supported",
                 "http and https are");
        return;
      }
    }
    auto problem = url_problem(server_.url);
    if (!problem)
      return;
    const std::string message =
        "\"url\" of server " + quote(shorten(draft_.name)) + ": " + problem->message;
    // What a variable holds is no fault of the file.
    if (server_.url == trim(where.text))
      findings_.error(where.at, message, problem->hint);
    else
      unusable(where.at, "\"url\": " + problem->message, problem->hint);
  }

  std::string tls_file(const std::optional<text_at>& where, std::string_view key) {
    if (!where)
      return {};
    const std::string path =
        resolve_path(expanded(*where, key, text_kind::plain), scope_.folder, scope_.env);
    const bool readable = scope_.env.read_file && scope_.env.read_file(path).has_value();
    if (!readable && server_.unusable_reason.empty()) {
      unusable(where->at, quote(key) + " of \"tls\": " + quote(shorten(path)) + " cannot be read",
               "relative paths begin at the configuration's folder");
    }
    return path;
  }

  std::string expanded(const text_at& where, std::string_view key, text_kind kind) {
    expansion out = expand(where.text, scope_, kind);
    const std::string in =
        " in " + quote(shorten(key)) + " of server " + quote(shorten(draft_.name));
    for (const std::string& name : out.unset) {
      findings_.warning(where.at, "environment variable " + shorten(name) + " is not set" + in,
                        scope_.unset == unset_policy::empty ? "it is left empty"
                                                            : "it stays as written");
    }
    for (const std::string& reference : out.unknown) {
      findings_.warning(where.at, "unknown reference " + reference + in, "it stays as written");
    }
    if (out.text.contains('\0')) {
      findings_.error(where.at, "a NUL character" + in);
      std::erase(out.text, '\0');
    }
    if (!out.problem.empty()) {
      unusable(where.at, out.problem + ", needed in " + quote(shorten(key)), out.remedy);
    }
    return std::move(out.text);
  }

  void unusable(place at, std::string reason, std::string remedy) {
    findings_.warning(at, "server " + quote(shorten(draft_.name)) + " cannot be used: " + reason,
                      remedy);
    if (server_.unusable_reason.empty()) {
      server_.unusable_reason = std::move(reason);
      if (!remedy.empty())
        server_.unusable_reason += " (" + remedy + ")";
    }
  }

  const server_draft& draft_;
  const scope& scope_;
  findings& findings_;
  server server_;
};

} // namespace

std::vector<std::string> resolve_sealing_keys(const node& root, const scope& within,
                                              findings& out) {
  std::vector<std::string> keys;
  const node* const list = root.get("sealingKeys");
  if (list == nullptr)
    return keys;
  const std::string remedy = "make one with: openssl rand -hex 32";
  for (const text_at& item : read_list(*list, "sealingKeys", out)) {
    // What it says never appears in a message.
    const expansion text = expand(item.text, within, text_kind::plain);
    if (!text.problem.empty())
      out.error(item.at, "\"sealingKeys\": " + text.problem, text.remedy);
    else
      keys.emplace_back(trim(text.text));
  }
  if (out.has_errors() || keys.empty())
    return keys;
  if (const auto ring = seal::key_ring::from_secrets(keys); !ring)
    out.error(list->at, "\"sealingKeys\": " + ring.error().message, remedy);
  return keys;
}

std::optional<std::string> resolve_state_file(const node& root, const scope& within,
                                              std::string_view file_name, findings& out) {
  const environment& env = within.env;
  if (const node* const wanted = root.get("state")) {
    if (wanted->is(node_kind::null))
      return std::nullopt;
    const auto written = read_string(*wanted, "state", out);
    if (!written || written->text == "off")
      return std::nullopt;
    const expansion text = expand(written->text, within, text_kind::plain);
    if (!text.problem.empty() || text.text.empty()) {
      out.error(written->at,
                "\"state\": " + (text.problem.empty() ? "the path is empty" : text.problem),
                text.problem.empty() ? "\"off\" keeps nothing on disk" : text.remedy);
      return std::nullopt;
    }
    return resolve_path(text.text, within.folder, env);
  }
  const auto variable = env.variables.find("XDG_STATE_HOME");
  // A relative one is to be ignored: XDG Base Directory Specification 0.8.
  const bool given = variable != env.variables.end() && variable->second.starts_with('/');
  if (!given && !env.home.starts_with('/'))
    return std::string();
  const std::string_view name = file_name.substr(file_name.find_last_of('/') + 1);
  const std::string path = within.folder + "/" + std::string(name);
  const std::size_t dot = name.find_last_of('.');
  return (given ? variable->second : env.home + "/.local/state") + "/nexus/" +
         std::string(name.substr(0, dot == 0 ? name.size() : dot)) + "-" +
         seal::to_hex(seal::sha256(path)).substr(0, 8) + ".sqlite";
}

server resolve(const server_draft& draft, const scope& within, findings& out) {
  return resolver(draft, within, out).run();
}

} // namespace nexus::config::detail
