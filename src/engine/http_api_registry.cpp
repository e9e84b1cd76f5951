/// http_connection's answers about what is known of all tools: /api/v1/duplicates, /api/v1/pins.

#include <algorithm>

#include <fmt/format.h>

#include "engine/http_connection.hpp"
#include "registry/duplicates.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

constexpr std::string_view json_type = "application/json";
/// The newest changes that are told.
constexpr std::size_t changes_told_max = 200;

std::string error_json(std::string_view message) {
  std::string out;
  json::object_writer(out).string("error", message).end();
  return out + '\n';
}

/// What a snapshot knows of tools, for another thread.
struct tool_lists {
  std::vector<catalog::server_part> servers;
  std::shared_ptr<const config::duplicate_rules> rules;

  explicit tool_lists(const catalog::snapshot& from)
      : servers(from.servers()), rules(from.duplicates()) {
    if (!rules)
      rules = std::make_shared<const config::duplicate_rules>();
  }
};

constexpr std::string_view action_name(config::duplicate_policy action) {
  switch (action) {
  case config::duplicate_policy::hide:
    return "hide";
  case config::duplicate_policy::merge:
    return "merge";
  case config::duplicate_policy::leave:
    break;
  }
  return "leave";
}

void write_tool(std::string& out, const registry::tool_entry& tool) {
  json::object_writer row(out);
  row.string("server", tool.server).string("tool", tool.name).boolean("available", tool.available);
  if (tool.latency_ms > 0)
    row.raw("latencyMs", fmt::format("{:.3f}", tool.latency_ms));
  row.end();
}

void write_group(std::string& out, const registry::duplicate_group& group,
                 const std::vector<registry::tool_entry>& tools) {
  json::object_writer row(out);
  row.string("kind", registry::name_of(group.kind)).string("action", action_name(group.action));
  row.raw("score", fmt::format("{:.3f}", group.evidence.score));
  row.raw("evidence",
          fmt::format(R"({{"name":{:.3f},"description":{:.3f},"schema":{:.3f}}})",
                      group.evidence.name, group.evidence.description, group.evidence.schema));
  write_tool(row.key("canonical"), tools[group.canonical]);
  if (group.action == config::duplicate_policy::merge)
    write_tool(row.key("shown"), tools[group.shown]);
  std::string& members = row.key("tools");
  for (const auto i : group.ranked) {
    members += i == group.ranked.front() ? '[' : ',';
    write_tool(members, tools[i]);
  }
  members += ']';
  row.end();
}

std::string duplicates_json(const tool_lists& lists) {
  std::vector<registry::tool_entry> tools;
  for (const auto& server : lists.servers) {
    if (!server.catalogue)
      continue;
    const auto& list = server.catalogue->list(catalog::list_kind::tools);
    for (const auto& item : list.items()) {
      registry::tool_entry tool;
      tool.server = server.name;
      tool.name = item.name;
      tool.definition = {list.definition(item), json::kind::object};
      tool.digest = registry::tool_digest(tool.definition);
      tool.available = server.available;
      tool.latency_ms = server.latency_ms;
      tool.shown = server.merged && server.merged->contains(item.name);
      tools.push_back(tool);
    }
  }
  std::string out = R"({"groups":[)";
  for (const auto& group : registry::find_duplicates(tools, *lists.rules)) {
    out += out.back() == '[' ? "" : ",";
    write_group(out, group, tools);
  }
  return out + fmt::format(R"(],"tools":{}}})", tools.size()) + '\n';
}

void write_pin(std::string& out, const store::pin& pin) {
  json::object_writer row(out);
  row.string("server", pin.server).string("kind", pin.kind).string("name", pin.name);
  row.string("sha256", pin.sha256).integer("firstSeenMs", pin.first_seen);
  if (pin.changed_at != 0)
    row.integer("changedAtMs", pin.changed_at);
  if (pin.gone_at != 0)
    row.integer("goneAtMs", pin.gone_at);
  if (!pin.held_sha256.empty())
    row.string("quarantined", pin.held_sha256);
  row.end();
}

void write_change(std::string& out, const store::change& change) {
  json::object_writer(out)
      .integer("number", change.number)
      .string("server", change.server)
      .string("kind", change.kind)
      .string("name", change.name)
      .string("before", change.before)
      .string("after", change.after)
      .integer("atMs", change.at)
      .raw("difference", change.summary)
      .end();
}

result<std::string> pins_json(store::database& from) {
  const auto pins = from.pins();
  if (!pins)
    return std::unexpected(pins.error());
  const auto changes = from.changes(changes_told_max);
  if (!changes)
    return std::unexpected(changes.error());
  std::string out = R"({"pins":[)";
  for (const auto& pin : *pins) {
    out += out.back() == '[' ? "" : ",";
    write_pin(out, pin);
  }
  out += R"(],"changes":[)";
  for (const auto& change : *changes) {
    out += out.back() == '[' ? "" : ",";
    write_change(out, change);
  }
  return out + "]}\n";
}

} // namespace

std::function<void(unsigned, std::string)> http_connection::later_answer() {
  return [&process = worker_.shared(), back = worker_.id(), connection = id_](unsigned status,
                                                                              std::string body) {
    process.post(back, [connection, status, body = std::move(body)](worker& here) {
      auto* const asked = here.find_connection(connection);
      if (asked != nullptr && asked->state_ == state::answering)
        asked->respond(status, json_type, body);
    });
  };
}

bool http_connection::serve_registry() {
  const auto& request = parser_.message();
  const auto path = request.path;
  const bool accepts = path == "/api/v1/pins/accept";
  if (!accepts && path != "/api/v1/pins" && path != "/api/v1/duplicates")
    return false;
  const bool reads = request.verb == http::method::get || request.verb == http::method::head;
  if (accepts ? request.verb != http::method::post : !reads) {
    respond(405, json_type, error_json(accepts ? "only POST is served here" : "only GET is served"),
            accepts ? "Allow: POST\r\n" : "Allow: GET\r\n");
    return true;
  }
  if (accepts) {
    serve_pin_acceptance();
    return true;
  }
  auto& plane = *worker_.shared().plane;
  if (path == "/api/v1/pins")
    plane.with_store([answer = later_answer()](store::database& from) {
      auto text = pins_json(from);
      text ? answer(200, std::move(*text)) : answer(500, error_json(text.error().message));
    });
  else // it takes long for thousands of tools, and that thread has the time
    plane.with_store([answer = later_answer(), lists = tool_lists(worker_.snapshot())](
                         store::database&) { answer(200, duplicates_json(lists)); });
  return true;
}

void http_connection::serve_pin_acceptance() {
  auto& request = parser_.message();
  const auto type = request.headers.find("content-type");
  // A web page can send anything but this without being asked first.
  if (!type || !http::media_type_is(*type, "application/json"))
    return respond(415, json_type, error_json("Content-Type must be application/json"));
  json::ensure_padding(request.body);
  const auto body = worker_.scanner().validate(request.body);
  const auto text = [&](std::string_view key) {
    const auto value = body ? json::find_member(*body, key) : json::slice{};
    return value.is(json::kind::string) ? json::unquote(value) : std::string();
  };
  const std::string server = text("server"), tool = text("tool");
  if (server.empty() || (tool.empty() && json::find_member(*body, "tool")))
    return respond(400, json_type,
                   error_json(R"(expected {"server": NAME} or {"server": NAME, "tool": NAME})"));
  auto& process = worker_.shared();
  process.plane->with_store([answer = later_answer(), server, tool, &process](store::database& in) {
    const auto now =
        std::chrono::duration_cast<milliseconds>(process.wall_now().time_since_epoch());
    const auto accepted = in.accept_pins(server, tool, now.count());
    if (!accepted)
      return answer(500, error_json(accepted.error().message));
    if (*accepted == 0)
      return answer(404, error_json(fmt::format("nothing of '{}' waits to be accepted",
                                                tool.empty() ? server : server + "/" + tool)));
    process.plane->pins_accepted(server);
    answer(200, fmt::format("{{\"accepted\":{}}}\n", *accepted));
  });
}

} // namespace nexus::engine
