#include "config/file_reader.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "config/keys.hpp"
#include "config/resolve.hpp"

namespace nexus::config::detail {
namespace {

/// What a server's name becomes in front of its tools: bytes that model providers refuse turn
/// into '_'.
std::string tool_prefix(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '_' || c == '-';
    if (!plain)
      c = '_';
  }
  return out;
}

/// Names that would make `a__b__c` mean two tools.
void check_prefixes(const std::vector<server>& servers, const std::vector<place>& places,
                    findings& out) {
  std::map<std::string, std::string_view> seen;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const auto [first, fresh] = seen.emplace(tool_prefix(servers[i].name), servers[i].name);
    if (!fresh) {
      out.error(places[i],
                "servers " + quote(first->second) + " and " + quote(servers[i].name) +
                    " both give their tools the prefix " + quote(first->first + "__"),
                "rename one of them");
    }
  }
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const std::string prefix = tool_prefix(servers[i].name);
    for (std::size_t at = prefix.find("__"); at != std::string::npos;
         at = prefix.find("__", at + 1)) {
      const auto shorter = seen.find(prefix.substr(0, at));
      if (shorter == seen.end() || shorter->second == servers[i].name)
        continue;
      out.warning(places[i],
                  "tools of server " + quote(servers[i].name) + " may look like tools of server " +
                      quote(shorter->second),
                  "\"__\" stands between server and tool; avoid it in names");
    }
  }
}

} // namespace

std::unique_ptr<file_content> read_content(std::string_view text, const environment& env,
                                           findings& out) {
  document parsed = to_lower(out.file()).ends_with(".toml") ? parse_toml(text) : parse_jsonc(text);
  if (!parsed.root) {
    out.error(parsed.error.at, parsed.error.message, parsed.error.hint);
    return nullptr;
  }
  auto content = std::make_unique<file_content>();
  content->root = std::move(*parsed.root);
  const node& root = content->root;
  if (!root.is(node_kind::object)) {
    out.error(root.at, "expected an object with \"mcpServers\", found a " +
                           std::string(kind_name(root.kind)));
    return nullptr;
  }
  const layout found = find_servers(root, env, out);
  content->inputs = found.inputs;
  content->bare = found.bare;
  if (!found.bare) {
    // A client's settings may use our words for other things; they cost no more than a warning.
    const bool foreign = content->foreign = found.client_settings;
    findings own(out.file());
    content->section = read_gateway(
        root, foreign || out.has_errors() ? unknown_keys::keep_silent : unknown_keys::report, own);
    out.append(std::move(own), foreign ? findings::demotion::errors : findings::demotion::none);
  }
  for (const server_source& source : found.servers) {
    findings own(out.file());
    server_draft draft = read_server(source, own);
    out.append(std::move(own),
               draft.disabled ? findings::demotion::errors : findings::demotion::none);
    content->servers.push_back(std::move(draft));
  }
  return content;
}

std::vector<server> resolve_servers(const file_content& content, const environment& env,
                                    findings& out) {
  const scope within{env, content.section.unset, folder_of(out.file(), env), content.inputs};
  std::vector<server> servers;
  std::vector<place> places;
  for (const server_draft& draft : content.servers) {
    if (draft.left_out)
      continue;
    findings own(out.file());
    server resolved = resolve(draft, within, own);
    if (draft.disabled) {
      own.drop_warnings();
      out.append(std::move(own), findings::demotion::errors);
      continue;
    }
    out.append(std::move(own), findings::demotion::none);
    servers.push_back(std::move(resolved));
    places.push_back(draft.at);
  }
  check_prefixes(servers, places, out);
  return servers;
}

} // namespace nexus::config::detail
