#include "config/dialect.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "base/text.hpp"
#include "config/keys.hpp"

namespace nexus::config::detail {
namespace {

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool looks_like_server(const node& value) {
  constexpr std::array<std::string_view, 4> telling = {"command", "url", "serverUrl", "httpUrl"};
  return std::any_of(telling.begin(), telling.end(),
                     [&](std::string_view key) { return value.find(key) != nullptr; });
}

/// A map of servers without a key around it.
bool is_bare_map(const node& root) {
  if (root.members.empty())
    return false;
  return std::all_of(root.members.begin(), root.members.end(), [](const member& entry) {
    return !contains(root_keys(), entry.key) && entry.value.is(node_kind::object) &&
           looks_like_server(entry.value);
  });
}

/// Keys that tell a client's settings file from a list of servers that somebody wrote for us.
bool has_settings_of_a_client(const node& root) {
  constexpr std::array<std::string_view, 21> telling = {"projects",
                                                        "numStartups",
                                                        "context_servers",
                                                        "mcp",
                                                        "mcp_servers",
                                                        "general",
                                                        "ui",
                                                        "tools",
                                                        "security",
                                                        "selectedAuthType",
                                                        "theme",
                                                        "model",
                                                        "telemetry",
                                                        "hooks",
                                                        "context",
                                                        "editor",
                                                        "contextFileName",
                                                        "agent_servers",
                                                        "provider",
                                                        "globalShortcut",
                                                        "mcp.servers"};
  // An extension's manifest says what it is called, and of which version.
  const bool manifest = root.find("name") != nullptr && root.find("version") != nullptr;
  return manifest ||
         std::any_of(root.members.begin(), root.members.end(), [&](const member& entry) {
           return contains(telling, entry.key) || entry.key.contains('.');
         });
}

/// Cline and its descendants write `timeout` in seconds; their files and their keys tell them.
bool counts_in_seconds(std::string_view file, const node& server) {
  constexpr std::array<std::string_view, 5> files = {"cline_mcp_settings.json", "mcp_settings.json",
                                                     ".roo/", ".kilocode/", ".cline/"};
  constexpr std::array<std::string_view, 4> keys = {"autoApprove", "alwaysAllow", "watchPaths",
                                                    "transportType"};
  return std::any_of(files.begin(), files.end(),
                     [&](std::string_view part) { return file.contains(part); }) ||
         std::any_of(keys.begin(), keys.end(),
                     [&](std::string_view key) { return server.find(key) != nullptr; });
}

class collector {
 public:
  collector(const node& root, const environment& env, findings& out)
      : root_(root), env_(env), findings_(out) {}

  layout run() {
    out_.client_settings = has_settings_of_a_client(root_);
    bool found = collect_projects_here();
    found = collect_object("mcpServers", server_dialect::common) || found;
    found = collect_object("servers", server_dialect::common) || found;
    found = collect_object("mcp.servers", server_dialect::common) || found;
    found = collect_object("context_servers", server_dialect::zed) || found;
    found = collect_object("mcp_servers", server_dialect::codex) || found;
    found = collect_mcp(found) || found;
    found = collect_other_projects() || found;
    if (!found && is_bare_map(root_)) {
      for (const member& entry : root_.members)
        add(entry, server_dialect::common);
      out_.bare = found = true;
    }
    if (!found)
      nothing_found();
    read_inputs(root_);
    return std::move(out_);
  }

 private:
  bool collect_object(std::string_view key, server_dialect dialect) {
    const member* entry = root_.find(key);
    if (entry == nullptr)
      return false;
    collect_map(entry->value, key, dialect);
    return true;
  }

  void collect_map(const node& servers, std::string_view key, server_dialect dialect) {
    if (!servers.is(node_kind::object)) {
      findings_.wrong_kind(servers, "an object of servers", key);
      return;
    }
    for (const member& entry : servers.members)
      add(entry, dialect);
  }

  /// `mcp` is VS Code's older `{servers}`, Gemini CLI's lists, or opencode's map of servers.
  bool collect_mcp(bool others_found) {
    const member* entry = root_.find("mcp");
    if (entry == nullptr)
      return false;
    const node& mcp = entry->value;
    if (!mcp.is(node_kind::object)) {
      findings_.wrong_kind(mcp, "an object of servers", "mcp");
      return true;
    }
    if (const node* servers = mcp.get("servers");
        servers != nullptr && !looks_like_server(*servers)) {
      collect_map(*servers, "mcp.servers", server_dialect::common);
      read_inputs(mcp);
      return true;
    }
    bool any = false;
    for (const member& server : mcp.members) {
      if (!server.value.is(node_kind::object))
        continue;
      add(server, server_dialect::opencode);
      any = true;
    }
    apply_gemini_lists(mcp);
    return any || mcp.members.empty() || others_found;
  }

  void apply_gemini_lists(const node& mcp) {
    const auto names = [](const node* list) {
      std::vector<std::string_view> out;
      if (list == nullptr || !list->is(node_kind::array))
        return out;
      for (const node& item : list->items) {
        if (item.is(node_kind::string))
          out.push_back(item.text);
      }
      return out;
    };
    const auto allowed = names(mcp.get("allowed"));
    const auto excluded = names(mcp.get("excluded"));
    for (server_source& server : out_.servers) {
      const std::string_view name = server.entry->key;
      if (!allowed.empty() && !contains(allowed, name))
        server.left_out = true;
      if (contains(excluded, name))
        server.left_out = true;
    }
  }

  /// Claude Code's file holds servers per project. Those of the working directory come first, as
  /// they do there; others are taken where no name is in the way.
  bool collect_projects_here() {
    const node* projects = root_.get("projects");
    if (projects == nullptr || !projects->is(node_kind::object))
      return false;
    const member* here = projects->find(env_.working_directory);
    return here != nullptr && collect_project(here->value);
  }

  bool collect_other_projects() {
    const node* projects = root_.get("projects");
    if (projects == nullptr || !projects->is(node_kind::object))
      return false;
    for (const member& project : projects->members) {
      if (project.key != env_.working_directory)
        collect_project(project.value);
    }
    return true;
  }

  bool collect_project(const node& project) {
    const node* servers = project.get("mcpServers");
    if (servers == nullptr || !servers->is(node_kind::object))
      return false;
    from_project_ = true;
    collect_map(*servers, "mcpServers", server_dialect::common);
    from_project_ = false;
    return true;
  }

  void add(const member& entry, server_dialect dialect) {
    const auto [first, fresh] = seen_.emplace(entry.key, known{&entry, from_project_});
    if (!fresh) {
      const std::string line = std::to_string(first->second.entry->at.line);
      if (from_project_ || first->second.from_project) {
        findings_.warning(entry.at, "server " + quote(shorten(entry.key)) + " is left out: line " +
                                        line + " has one of that name");
      } else {
        findings_.error(entry.at,
                        "server " + quote(shorten(entry.key)) + " stands twice, first in line " +
                            line,
                        "rename one of them");
      }
      return;
    }
    if (dialect == server_dialect::common && counts_in_seconds(findings_.file(), entry.value)) {
      dialect = server_dialect::seconds;
    }
    out_.servers.push_back({&entry, dialect, false});
  }

  void read_inputs(const node& holder) {
    const node* inputs = holder.get("inputs");
    if (inputs == nullptr)
      return;
    if (!inputs->is(node_kind::array)) {
      findings_.wrong_kind(*inputs, "a list of inputs", "inputs");
      return;
    }
    out_.inputs = inputs;
  }

  void nothing_found() {
    if (root_.members.empty() || out_.client_settings ||
        std::any_of(root_.members.begin(), root_.members.end(),
                    [](const member& entry) { return contains(root_keys(), entry.key); })) {
      findings_.warning(root_.at, "no servers are configured", "name them in \"mcpServers\"");
      return;
    }
    for (const member& entry : root_.members) {
      const auto near = nearest_names(entry.key, container_keys(), 1);
      if (near.empty())
        continue;
      findings_.error(entry.at,
                      "unknown key " + quote(shorten(entry.key)) + "; expected \"mcpServers\"",
                      "did you mean \"" + std::string(near.front()) + "\"?");
      return;
    }
    findings_.error(root_.at, "expected \"mcpServers\" in this object",
                    "servers, context_servers, mcp and [mcp_servers] are read too");
  }

  struct known {
    const member* entry;
    bool from_project;
  };

  const node& root_;
  const environment& env_;
  findings& findings_;
  layout out_;
  std::map<std::string_view, known> seen_;
  bool from_project_ = false;
};

} // namespace

layout find_servers(const node& root, const environment& env, findings& out) {
  return collector(root, env, out).run();
}

} // namespace nexus::config::detail
