/// The meta-tools that tell what there is: list-tools, get-server-information, search-tools.

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "engine/argument_checker.hpp"
#include "engine/dispatch.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/meta_tools.hpp"
#include "engine/tool_search.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using catalog::list_kind;

/// What a server is doing, and which version it says it is.
struct server_facts {
  std::string_view state = "idle";
  std::string version, reason;
};

server_facts facts_of(worker& on, const catalog::server_part& part) {
  server_facts out;
  auto* const up = on.find_upstream(part.slot);
  if (up == nullptr)
    return out;
  const auto& endpoint = up->endpoint();
  out.state = to_string(endpoint.state);
  out.reason = endpoint.reason;
  if (!endpoint.server_info.empty())
    out.version = text_argument({endpoint.server_info, json::kind::object}, "version");
  return out;
}

void open_server(std::string& text, std::string& structured, const visible_server& one,
                 const server_facts& facts) {
  text += fmt::format("[SERVER_ID: {}]", one.part->name);
  if (!facts.version.empty())
    text += fmt::format(" (Version: v{})", facts.version);
  if (facts.state != "ready")
    text += fmt::format(" ({}{}{})", facts.state, facts.reason.empty() ? "" : ": ", facts.reason);
  text += '\n';
  structured += structured.back() == '[' ? "" : ",";
  json::object_writer out(structured);
  out.string("server_name", one.part->name).string("state", facts.state);
  if (!facts.version.empty())
    out.string("version", facts.version);
}

void add_tool(std::string& text, std::string& structured, std::string_view name,
              std::string_view description) {
  text += fmt::format("- [TOOL_ID: {}] | DESC: {}\n", name, description);
  structured += structured.back() == '[' ? "" : ",";
  json::object_writer out(structured);
  out.string("tool_name", name).string("description", description);
  out.end();
}

/// Words that several tools of a server have in their names: what it is about.
std::string live_hints(const std::vector<visible_server>& servers) {
  constexpr std::size_t words_per_server = 6, servers_max = 20, least_uses = 2, least_bytes = 3;
  std::string out;
  std::size_t told = 0;
  for (const auto& one : servers) {
    std::map<std::string, std::size_t> uses;
    for (const auto* const tool : one.tools) {
      std::string word;
      const auto end_word = [&] {
        if (word.size() >= least_bytes)
          ++uses[word];
        word.clear();
      };
      for (const char c : tool->own_name()) {
        if (c >= 'A' && c <= 'Z' && !word.empty() && word.back() >= 'a')
          end_word();
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
          word += static_cast<char>(c | 0x20);
        else
          end_word();
      }
      end_word();
    }
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (auto& [word, count] : uses)
      if (count >= least_uses)
        ranked.emplace_back(count, word);
    std::ranges::stable_sort(ranked,
                             [](const auto& a, const auto& b) { return a.first > b.first; });
    if (ranked.empty() || told == servers_max)
      continue;
    ++told;
    out += fmt::format("- {}:", one.part->name);
    for (std::size_t i = 0; i < std::min(ranked.size(), words_per_server); ++i)
      out += fmt::format("{} {} ({})", i == 0 ? "" : ",", ranked[i].second, ranked[i].first);
    out += '\n';
  }
  return out;
}

struct place {
  std::array<std::string_view, 2> request;
  seal::binding to;
  explicit place(std::string_view server) : request{"list-tools", server} {
    to = {{}, {}, request};
  }
  place(const place&) = delete;
};

/// Where the list goes on, by the cursor of the answer before. Nothing for one that is not good.
std::optional<std::size_t> first_of(worker& on, json::slice arguments, std::string_view server,
                                    const catalog::list_view& view) {
  const auto cursor = text_argument(arguments, "cursor");
  if (cursor.empty())
    return 0;
  const place bound(server);
  const auto opened =
      on.sealer().open(seal::kind::cursor, cursor, bound.to, on.shared().wall_now());
  std::size_t at = 0;
  if (!opened)
    return std::nullopt;
  const auto& text = opened->payload;
  std::from_chars(text.data(), text.data() + text.size(), at, 16);
  if (text != fmt::format("{:x}-{:x}", at, view.fingerprint()))
    return std::nullopt;
  return at;
}

/// Has the model asked about a query, once, and the exchange dispatched again after that.
/// @returns whether it waits
bool waits_for_model(worker& on, exchange& x, std::string_view query) {
  if (std::exchange(x.embedding_asked, true))
    return false;
  return on.search().prepare(query, [&on, sequence = x.sequence] {
    if (auto* const waiting = on.find_exchange(sequence))
      dispatch(on, *waiting);
  });
}

void note_degraded(worker& on, const found_tools& found) {
  if (!found.degraded.empty())
    on.metrics().degraded_searches.add();
}

void list_by_query(worker& on, exchange& x, const catalog::exposure& shown,
                   const std::vector<visible_server>& servers, std::string_view query,
                   std::size_t limit, std::optional<std::uint32_t> only) {
  if (waits_for_model(on, x, query))
    return;
  const auto found = on.search().find(x.scope, shown, on.snapshot(), {query, limit, only});
  note_degraded(on, found);
  const auto& hits = found.tools;
  std::string text =
      fmt::format("The {} tools that fit best, of {}:\n", hits.size(), shown.reachable().size());
  std::string structured = R"({"servers":[)";
  for (const auto& one : servers) {
    bool begun = false;
    for (const auto& hit : hits) {
      if (hit.where->slot != one.part->slot)
        continue;
      if (!begun) {
        open_server(text, structured, one, facts_of(on, *one.part));
        structured += R"(,"tools":[)";
      }
      begun = true;
      add_tool(text, structured, hit.where->own_name(),
               short_description(description_of(*hit.where)));
    }
    if (begun)
      structured += "]}";
  }
  structured += fmt::format(R"(],"total_tools":{}}})", shown.reachable().size());
  answer_tool(on, x, text, structured);
}

} // namespace

void list_all_tools(worker& on, exchange& x, json::slice arguments) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  const auto servers = visible_servers(on, x, *shown);
  const auto wanted = text_argument(arguments, "server_name");
  const auto* const only = wanted.empty() ? nullptr : find_server(servers, wanted);
  if (!wanted.empty() && only == nullptr)
    return answer_mistake(on, x, unknown_server_text(servers, wanted));
  if (only != nullptr && !only->part->catalogue && !x.resolve_later)
    if (auto* const up = on.find_upstream(only->part->slot))
      return up->submit_unresolved(x); // asking for it starts a lazy server
  const auto slot = only != nullptr ? std::optional(only->part->slot) : std::nullopt;
  if (const auto query = text_argument(arguments, "query"); !query.empty())
    return list_by_query(
        on, x, *shown, servers, query,
        count_argument(arguments, "limit", limits::meta_search_default, limits::search_results_max),
        slot);
  const auto& view = shown->reachable();
  const auto first = first_of(on, arguments, wanted, view);
  if (!first)
    return answer_mistake(on, x,
                          "The cursor is unknown or expired, or the list has changed since: begin "
                          "again without a cursor.");
  const auto limit =
      count_argument(arguments, "limit", limits::meta_list_tools_max, limits::meta_list_tools_max);
  std::string text, structured = R"({"servers":[)";
  std::size_t at = 0, total = 0, told = 0;
  for (const auto& one : servers) {
    if (slot && one.part->slot != *slot)
      continue;
    total += one.tools.size();
    const bool here = told < limit && (at + one.tools.size() > *first || *first == 0);
    if (here) {
      open_server(text, structured, one, facts_of(on, *one.part));
      structured += R"(,"tools":[)";
    }
    for (const auto* const tool : one.tools) {
      if (at++ < *first || told == limit)
        continue;
      ++told;
      add_tool(text, structured, tool->own_name(), short_description(description_of(*tool)));
    }
    if (here)
      structured += "]}";
  }
  std::string head = fmt::format(
      "{} server(s), {} tool(s){}. Use [SERVER_ID] and [TOOL_ID] exactly "
      "as they stand here.\n\n",
      slot ? 1 : servers.size(), total, told < total ? fmt::format(", {} of them here", told) : "");
  structured += fmt::format(R"(],"total_tools":{})", total);
  if (*first + told < total) {
    const place bound(wanted);
    const auto cursor = on.sealer().seal(
        seal::kind::cursor, fmt::format("{:x}-{:x}", *first + told, view.fingerprint()), bound.to,
        on.shared().wall_now() + limits::list_cursor_lifetime);
    if (!cursor)
      return refuse(on, x, mcp::errc::internal_error, cursor.error().message);
    structured += fmt::format(R"(,"next_cursor":"{}")", *cursor);
    text += fmt::format("\nThe list goes on: list-tools with cursor \"{}\".\n", *cursor);
  }
  structured += '}';
  auto hints = slot ? std::string() : live_hints(servers);
  for (const auto& line : shown->surface().hints)
    hints += "- " + line + '\n';
  if (!hints.empty())
    text += "\nWhat is where (words in names, with counts):\n" + hints;
  answer_tool(on, x, head + text, structured);
}

void tell_servers(worker& on, exchange& x, json::slice arguments) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  const auto servers = visible_servers(on, x, *shown);
  const auto wanted = text_argument(arguments, "server_name");
  if (!wanted.empty() && find_server(servers, wanted) == nullptr)
    return answer_mistake(on, x, unknown_server_text(servers, wanted));
  std::string text, structured = R"({"servers":[)";
  std::size_t told = 0;
  for (const auto& one : servers) {
    if (!wanted.empty() && one.part->name != wanted)
      continue;
    ++told;
    const auto facts = facts_of(on, *one.part);
    text +=
        fmt::format("Server name: {}{}{} State: {}{}{} Total tools: {}\n", one.part->name,
                    facts.version.empty() ? "" : " (v" + facts.version + ")", ",", facts.state,
                    facts.reason.empty() ? "" : " (" + facts.reason + ")", ",", one.tools.size());
    structured += structured.back() == '[' ? "" : ",";
    json::object_writer out(structured);
    out.string("server_name", one.part->name).string("state", facts.state);
    if (!facts.version.empty())
      out.string("version", facts.version);
    out.integer("total_tools", static_cast<std::int64_t>(one.tools.size()));
    if (!facts.reason.empty())
      out.string("error", facts.reason);
    if (!wanted.empty() && one.part->catalogue && !one.part->catalogue->instructions.empty())
      out.string("instructions", one.part->catalogue->instructions);
    out.end();
    if (!wanted.empty() && one.part->catalogue && !one.part->catalogue->instructions.empty())
      text += one.part->catalogue->instructions + '\n';
  }
  answer_tool(on, x, fmt::format("{} server(s) can be reached.\n{}", told, text),
              structured + "]}");
}

void search_tools(worker& on, exchange& x, json::slice arguments) {
  const auto* const shown = on.view(x.scope);
  if (shown == nullptr)
    return refuse_unconfigured(on, x);
  const auto query = text_argument(arguments, "query");
  if (query.empty())
    return answer_mistake(on, x, "search-tools needs query, what the tools are needed for.");
  std::optional<std::uint32_t> slot;
  if (const auto wanted = text_argument(arguments, "server_name"); !wanted.empty()) {
    const auto servers = visible_servers(on, x, *shown);
    const auto* const only = find_server(servers, wanted);
    if (only == nullptr)
      return answer_mistake(on, x, unknown_server_text(servers, wanted));
    slot = only->part->slot;
  }
  const auto limit =
      count_argument(arguments, "limit", limits::meta_search_default, limits::search_results_max);
  if (waits_for_model(on, x, query))
    return;
  const auto found = on.search().find(x.scope, *shown, on.snapshot(), {query, limit, slot});
  note_degraded(on, found);
  const auto& hits = found.tools;
  const bool schemas = json::find_member(arguments, "include_schemas").raw == "true";
  std::string text = hits.empty() ? "Nothing fits. Try other words, or list-tools.\n" : "";
  std::string structured = R"({"results":[)";
  for (const auto& hit : hits) {
    const auto& part = *on.snapshot().part(hit.where->slot);
    const auto& tool = *hit.where;
    const auto description = short_description(description_of(tool));
    text += fmt::format("- [SERVER_ID: {}] [TOOL_ID: {}] | DESC: {}\n", part.name, tool.own_name(),
                        description);
    structured += structured.back() == '[' ? "" : ",";
    json::object_writer out(structured);
    out.string("server_name", part.name).string("tool_name", tool.own_name());
    out.string("description", description);
    out.raw("score", fmt::format("{:.4g}", hit.why.score));
    out.raw("matched", matches_json(hit.why));
    if (hit.why.likeness)
      out.raw("likeness", fmt::format("{:.3f}", *hit.why.likeness));
    if (schemas) {
      const auto schema = tool.list->input_schema(*tool.target);
      const auto version = schema_version(schema);
      out.raw("input_schema", schema.raw).string("schema_version", version);
      text += fmt::format("  schema_version: {}, input schema: {}\n", version, schema.raw);
    }
    out.end();
  }
  structured += ']';
  if (!found.degraded.empty()) {
    structured += R"(,"degraded":)";
    json::append_string(structured, found.degraded);
    text += fmt::format("(By words alone: {}.)\n", found.degraded);
  }
  answer_tool(on, x, text, structured + '}');
}

} // namespace nexus::engine
