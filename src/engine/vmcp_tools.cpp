/// The tools that manage virtual MCPs: what the API under /api/v1/vmcps does, for models. The same
/// control plane does it, so that the same is admitted and refused.

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/meta_tools.hpp"
#include "engine/process.hpp"
#include "engine/vmcp_rows.hpp"
#include "engine/worker.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using catalog::builtin;
using verb = vmcp_request::what;

verb verb_of(builtin which, bool one) {
  switch (which) {
  case builtin::create_vmcp:
    return verb::create;
  case builtin::update_vmcp:
    return verb::update;
  case builtin::delete_vmcp:
    return verb::remove;
  default:
    return one ? verb::get : verb::list;
  }
}

/// What helps a model that was refused.
std::string_view remedy_of(unsigned status) {
  switch (status) {
  case 404:
    return " list-virtual-mcps shows all there are.";
  case 409:
    return " list-virtual-mcps shows how things stand.";
  case 503:
    return " Nothing was changed; it may be tried again later.";
  default:
    return "";
  }
}

void refuse_management(worker& on, exchange& x, unsigned status, std::string_view problem) {
  std::string structured;
  json::object_writer out(structured);
  out.string("error", problem).integer("status", status);
  out.end();
  answer_mistake(on, x, fmt::format("Nothing was done: {}.{}", problem, remedy_of(status)),
                 structured);
}

std::string_view done_text(verb what) {
  switch (what) {
  case verb::create:
    return "Created";
  case verb::update:
    return "Changed";
  case verb::remove:
    return "Deleted";
  default:
    return "Here is";
  }
}

/// One line about each, for models that read no structured content.
std::string line_of(const vmcp_row& row) {
  std::string out = fmt::format("virtual MCP '{}': {}, generation {}, at /v/{}/mcp", row.id,
                                row.state, row.generation, row.id);
  if (row.port != 0)
    out += fmt::format(" and, for itself, at /mcp of port {}", row.port);
  if (!row.port_problem.empty())
    out += fmt::format(" (no port: {})", row.port_problem);
  return out;
}

void tell(worker& on, exchange& x, verb what, const vmcp_answer& answer) {
  if (answer.status >= 400)
    return refuse_management(on, x, answer.status, answer.problem);
  std::string structured, text;
  if (what == verb::list) {
    structured = vmcp_list_json(on.shared(), answer.rows);
    for (const auto& row : answer.rows)
      text += line_of(row) + '\n';
    return answer_tool(on, x, text.empty() ? "There are no virtual MCPs." : text, structured);
  }
  const auto& row = answer.rows.front();
  append_vmcp_row(structured, on.shared(), row,
                  on.view({view_scope::what::virtual_mcp, row.number}));
  if (what == verb::get)
    structured = R"({"vmcps":[)" + structured + "]}";
  answer_tool(on, x, fmt::format("{} {}", done_text(what), line_of(row)), structured);
}

void ask(worker& on, exchange& x, vmcp_request request) {
  const auto what = request.verb;
  request.answer = [&x, what, back = on.id(), sequence = x.sequence,
                    &shared = on.shared()](vmcp_answer answer) {
    shared.post(back, [&x, what, sequence, answer = std::move(answer)](worker& here) {
      if (answer.status < 400 && what != verb::list && what != verb::get)
        log::info("vmcp", "managed_by_tool",
                  {{"vmcp", answer.rows.front().id}, {"what", done_text(what)}});
      if (x.sequence == sequence && x.at == exchange::stage::local) // else the client has gone
        tell(here, x, what, answer);
    });
  };
  on.shared().plane->vmcps_wanted(std::move(request));
}

/// The definition that is given. Nothing when there is none that is usable: the exchange is
/// answered.
config::vmcp_definition_ptr read_definition(worker& on, exchange& x, const std::string& id,
                                            json::slice given) {
  if (!given.is(json::kind::object)) {
    refuse_management(on, x, 400, "definition must be an object: what the virtual MCP shows");
    return nullptr;
  }
  if (given.raw.size() > limits::vmcp_definition_bytes_max) {
    refuse_management(
        on, x, 413,
        fmt::format("a definition has {} bytes at most", limits::vmcp_definition_bytes_max));
    return nullptr;
  }
  auto read = config::parse_vmcp(given.raw);
  if (read && !read->id.empty() && read->id != id)
    read = fail(std::make_error_code(std::errc::invalid_argument),
                fmt::format("the definition has the id '{}', the call '{}'", read->id, id));
  if (!read) {
    refuse_management(on, x, 400, read.error().message);
    return nullptr;
  }
  read->id = id;
  return std::make_shared<const config::vmcp_definition>(std::move(*read));
}

} // namespace

void manage_vmcps(worker& on, exchange& x, builtin which, json::slice arguments) {
  vmcp_request request;
  request.id = text_argument(arguments, "id");
  request.verb = verb_of(which, !request.id.empty());
  if (request.verb != verb::list && !config::is_vmcp_id(request.id))
    return refuse_management(on, x, 400,
                             "id must be 1 to 64 of a-z, 0-9 and -, beginning with a letter or "
                             "digit");
  if (const auto given = json::find_member(arguments, "generation")) {
    const auto number = json::to_int64(given);
    if (!number || *number < 1)
      return refuse_management(on, x, 400, "generation must be a number from 1 on");
    request.generation = static_cast<std::uint64_t>(*number);
  }
  if (request.verb == verb::create || request.verb == verb::update) {
    request.definition =
        read_definition(on, x, request.id, json::find_member(arguments, "definition"));
    if (!request.definition)
      return;
  }
  ask(on, x, std::move(request));
}

} // namespace nexus::engine
