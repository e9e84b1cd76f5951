#include "engine/vmcp_rows.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "engine/process.hpp"
#include "engine/vmcps.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

std::string shown_time(std::chrono::system_clock::time_point at) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

/// Where clients find it; empty when that depends on where they are, or nobody listens.
std::string url_of(const process& shared, const vmcp_row& row) {
  net::endpoint at = shared.listen_at;
  if (at.host.empty() || at.host == "*" || at.host == "0.0.0.0" || at.host == "::")
    return {};
  at.port = row.port != 0 ? row.port : shared.listening_port.load(std::memory_order_relaxed);
  if (at.port == 0)
    return {};
  return fmt::format("http://{}{}", at.to_string(),
                     row.port != 0 ? "/mcp" : fmt::format("/v/{}/mcp", row.id));
}

} // namespace

void append_vmcp_row(std::string& out, const process& shared, const vmcp_row& row,
                     const catalog::exposure* shown) {
  json::object_writer members(out);
  members.string("id", row.id).string("state", row.state);
  members.integer("generation", static_cast<std::int64_t>(row.generation));
  members.string("source", row.from_api ? "api" : "configuration");
  members.string("address", fmt::format("/v/{}/mcp", row.id));
  if (row.port != 0)
    members.integer("port", row.port);
  if (!row.port_problem.empty())
    members.string("portProblem", row.port_problem);
  if (const auto url = url_of(shared, row); !url.empty())
    members.string("url", url);
  members.string("created", shown_time(row.created));
  if (row.expires)
    members.string("expires", shown_time(*row.expires));
  if (shown != nullptr && row.state != to_string(vmcp_state::created))
    members.integer("tools", static_cast<std::int64_t>(shown->reachable().size()));
  members.integer("inFlight", row.in_flight);
  members.raw("definition", row.definition->text);
  members.end();
}

std::string vmcp_list_json(const process& shared, const std::vector<vmcp_row>& rows) {
  std::string out = R"({"vmcps":[)";
  for (const auto& row : rows) {
    out += out.back() == '[' ? "" : ",";
    append_vmcp_row(out, shared, row, nullptr);
  }
  return out + "]}";
}

std::string vmcp_events_json(const vmcp_answer& answer) {
  std::string out = R"({"events":[)";
  for (const auto& event : answer.events) {
    out += out.back() == '[' ? "" : ",";
    json::object_writer members(out);
    members.integer("sequence", static_cast<std::int64_t>(event.sequence));
    members.string("time", shown_time(event.time)).string("id", event.id);
    members.string("what", event.what);
    if (event.port != 0)
      members.integer("port", event.port);
    members.end();
  }
  return out + fmt::format(R"(],"next":{}}})", answer.next_event);
}

} // namespace nexus::engine
