#include "config/registry_section.hpp"

#include <algorithm>
#include <set>
#include <span>

#include "config/draft.hpp"
#include "config/resolve.hpp"

namespace nexus::config::detail {
namespace {

constexpr std::string_view pin_names[] = {"off", "record", "alert", "quarantine"};
constexpr std::string_view duplicate_names[] = {"leave", "hide", "merge"};
constexpr std::string_view group_keys[] = {"tools", "action", "canonical"};
constexpr std::string_view tool_keys[] = {"server", "tool"};
constexpr std::string_view embedding_keys[] = {
    "url",         "model",          "headers", "tls",     "dimensions",
    "queryPrefix", "documentPrefix", "weight",  "deadline"};
/// What of it is read as of a server.
constexpr std::string_view endpoint_keys[] = {"url", "headers", "tls"};

void known_keys(const node& object, std::string_view where, std::span<const std::string_view> known,
                findings& out) {
  for (const member& entry : object.members)
    if (std::ranges::find(known, std::string_view(entry.key)) == known.end() &&
        !entry.key.starts_with('_') && !entry.key.starts_with("//"))
      out.unknown_key(entry.at, entry.key, where, known);
}

std::string text_of(const node& object, std::string_view key, findings& out) {
  const node* value = object.get(key);
  const auto read = value != nullptr ? read_string(*value, key, out) : std::nullopt;
  return read ? read->text : std::string();
}

/// The tools of one group; empty when something is wrong with them.
void read_group_tools(const node& list, duplicate_group& to, findings& out) {
  if (!list.is(node_kind::array))
    return out.wrong_kind(list, "a list of tools", "tools");
  std::set<std::string> servers;
  for (const node& entry : list.items) {
    if (!entry.is(node_kind::object)) {
      out.wrong_kind(entry, "an object with server and tool", "tools");
      continue;
    }
    known_keys(entry, "a tool of \"duplicateGroups\"", tool_keys, out);
    auto server = text_of(entry, "server", out), tool = text_of(entry, "tool", out);
    if (server.empty() || tool.empty())
      out.error(entry.at, "a tool of \"duplicateGroups\" needs \"server\" and \"tool\"");
    else if (!servers.insert(server).second)
      out.error(entry.at, "server " + quote(shorten(server)) + " stands twice in one group",
                "duplicates are tools of different servers");
    else
      to.tools.emplace_back(std::move(server), std::move(tool));
  }
}

duplicate_group read_group(const node& object, findings& out) {
  duplicate_group made;
  known_keys(object, "a group of \"duplicateGroups\"", group_keys, out);
  if (const node* list = object.get("tools"))
    read_group_tools(*list, made, out);
  if (made.tools.size() < 2)
    out.error(object.at, "a group of \"duplicateGroups\" needs two \"tools\" or more",
              R"({"tools": [{"server": "a", "tool": "x"}, {"server": "b", "tool": "y"}]})");
  if (const node* action = object.get("action"))
    if (const auto choice = read_choice(*action, "action", duplicate_names, out))
      made.action = static_cast<duplicate_policy>(*choice);
  made.canonical = text_of(object, "canonical", out);
  const auto is_canonical = [&](const auto& tool) { return tool.first == made.canonical; };
  if (!made.canonical.empty() && std::ranges::none_of(made.tools, is_canonical))
    out.error(object.at,
              "\"canonical\" names no server of its group: " + quote(shorten(made.canonical)));
  return made;
}

void read_groups(const node& list, gateway& to, findings& out) {
  if (!list.is(node_kind::array))
    return out.wrong_kind(list, "a list of groups", "duplicateGroups");
  std::set<std::pair<std::string, std::string>> grouped;
  for (const node& entry : list.items) {
    if (!entry.is(node_kind::object)) {
      out.wrong_kind(entry, "an object with tools, action and canonical", "duplicateGroups");
      continue;
    }
    auto group = read_group(entry, out);
    for (const auto& tool : group.tools)
      if (!grouped.insert(tool).second)
        out.error(entry.at, "tool " + quote(shorten(tool.second)) + " of server " +
                                quote(shorten(tool.first)) + " stands in two groups");
    to.duplicates.groups.push_back(std::move(group));
  }
}

/// Address, headers and certificates, read as those of a server.
server resolve_endpoint(const node& object, place at, const scope& within, findings& out) {
  member entry{"embeddings", at, {}};
  entry.value.kind = node_kind::object;
  entry.value.at = object.at;
  for (const member& one : object.members)
    if (std::ranges::find(endpoint_keys, std::string_view(one.key)) != std::end(endpoint_keys))
      entry.value.members.push_back(one);
  member type{"type", at, {}};
  type.value.kind = node_kind::string;
  type.value.text = "http";
  entry.value.members.push_back(std::move(type));
  server_source source;
  source.entry = &entry;
  auto made = resolve(read_server(source, out), within, out);
  while (made.url.ends_with('/'))
    made.url.pop_back();
  made.url += "/embeddings";
  made.connect_timeout = limits::connect_timeout_default;
  return made;
}

} // namespace

void read_registry(const node& root, gateway& to, findings& out) {
  const auto choose = [&](std::string_view key, std::span<const std::string_view> choices) {
    const node* value = root.get(key);
    return value != nullptr ? read_choice(*value, key, choices, out) : std::nullopt;
  };
  if (const auto choice = choose("pins", pin_names))
    to.pins = static_cast<pin_policy>(*choice);
  if (const auto choice = choose("duplicates", duplicate_names))
    to.duplicates.exact = static_cast<duplicate_policy>(*choice);
  if (const node* list = root.get("prefer"))
    for (const text_at& item : read_list(*list, "prefer", out))
      to.duplicates.prefer.push_back(item.text);
  if (const node* list = root.get("duplicateGroups"))
    read_groups(*list, to, out);
}

std::optional<embedding_provider> resolve_embeddings(const node& root, const scope& within,
                                                     findings& out) {
  const member* const given = root.find("embeddings");
  if (given == nullptr || given->value.is(node_kind::null))
    return std::nullopt;
  const node& object = given->value;
  if (!object.is(node_kind::object)) {
    out.wrong_kind(object, "an object with url and model", "embeddings");
    return std::nullopt;
  }
  known_keys(object, "\"embeddings\"", embedding_keys, out);
  embedding_provider made;
  made.endpoint = resolve_endpoint(object, given->at, within, out);
  made.model = text_of(object, "model", out);
  if (made.model.empty())
    out.error(given->at, "\"embeddings\" needs \"model\", the name of a model of the provider");
  made.query_prefix = text_of(object, "queryPrefix", out);
  made.document_prefix = text_of(object, "documentPrefix", out);
  if (const node* value = object.get("dimensions"))
    made.dimensions =
        read_count(*value, "dimensions", 1, limits::embedding_dimensions_max, out).value_or(0);
  if (const node* value = object.get("weight")) {
    if (!value->is(node_kind::number) || value->number < 0 || value->number > 1)
      out.error(value->at, "\"weight\" of \"embeddings\" is a number from 0 to 1",
                "0.7 is good for a strong model");
    else
      made.weight = value->number;
  }
  if (const node* value = object.get("deadline"))
    if (const auto time = read_time(*value, "deadline", milliseconds{1}, out))
      made.deadline = bounded_time(*time, value->at, "deadline", milliseconds{1},
                                   limits::embedding_deadline_max, out)
                          .value_or(made.deadline);
  if (!made.endpoint.unusable_reason.empty())
    return std::nullopt; // said already
  return made;
}

} // namespace nexus::config::detail
