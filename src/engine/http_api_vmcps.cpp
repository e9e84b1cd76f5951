/// http_connection's answers under /api/v1/vmcps. What they ask for is done by the control plane,
/// and comes back as one answer.

#include <charconv>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "engine/http_connection.hpp"
#include "engine/vmcp_rows.hpp"
#include "http/query.hpp"

namespace nexus::engine {
namespace {

constexpr std::string_view prefix = "/api/v1/vmcps";

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return out;
}

} // namespace

void http_connection::serve_vmcps() {
  auto& message = parser_.message();
  const http::query_parameters asked(message.query);
  auto rest = message.path.substr(prefix.size());
  vmcp_request request;
  using verb = vmcp_request::what;
  if (rest.empty() && (message.verb == http::method::get || message.verb == http::method::head)) {
    request.verb = verb::list;
  } else if (rest.empty() && message.verb == http::method::post) {
    request.verb = verb::create;
  } else if (rest == "/events" && message.verb == http::method::get) {
    request.verb = verb::events;
    const auto after = number_of(asked.find("after").value_or("0"));
    if (!after)
      return refuse_api(400, "after is the sequence number of an event");
    request.after = *after;
  } else if (rest.starts_with('/') && rest != "/events") {
    request.id = rest.substr(1);
    switch (message.verb) {
    case http::method::get:
    case http::method::head:
      request.verb = verb::get;
      break;
    case http::method::put:
      request.verb = verb::update;
      break;
    case http::method::del:
      request.verb = verb::remove;
      break;
    default:
      return refuse_api(405, "GET, PUT and DELETE are served here", "Allow: GET, PUT, DELETE\r\n");
    }
  } else {
    return refuse_api(405, "this method is not served here", "Allow: GET, POST\r\n");
  }
  if (request.verb == verb::create || request.verb == verb::update) {
    const auto type = message.headers.find("content-type");
    if (!type || !http::media_type_is(*type, "application/json"))
      return refuse_api(415, "Content-Type must be application/json");
    if (message.body.size() > limits::vmcp_definition_bytes_max)
      return refuse_api(
          413, fmt::format("a definition has {} bytes at most", limits::vmcp_definition_bytes_max));
    auto read = config::parse_vmcp(message.body);
    if (!read)
      return refuse_api(400, read.error().message);
    if (request.verb == verb::update && !read->id.empty() && read->id != request.id)
      return refuse_api(400, "the id of a virtual MCP does not change");
    if (request.verb == verb::create && read->id.empty())
      return refuse_api(400, "the definition needs an \"id\"");
    if (request.verb == verb::create)
      request.id = read->id;
    read->id = request.id;
    request.definition = std::make_shared<const config::vmcp_definition>(std::move(*read));
  }
  if (const auto given = asked.find("generation")) {
    request.generation = number_of(*given);
    if (!request.generation)
      return refuse_api(400, "generation is a number");
  }
  ask_control(std::move(request));
}

void http_connection::ask_control(vmcp_request request) {
  const auto verb = request.verb;
  request.answer = [back = worker_.id(), connection = id_, verb,
                    &shared = worker_.shared()](vmcp_answer answer) {
    shared.post(back, [connection, verb, answer = std::move(answer)](worker& here) {
      auto* const asked = here.find_connection(connection);
      if (asked == nullptr || asked->state_ != state::answering)
        return;
      if (answer.status >= 400)
        return asked->refuse_api(answer.status, answer.problem);
      std::string body;
      if (verb == vmcp_request::what::events)
        body = vmcp_events_json(answer);
      else if (verb == vmcp_request::what::list)
        body = vmcp_list_json(here.shared(), answer.rows);
      else
        append_vmcp_row(body, here.shared(), answer.rows.front(),
                        here.view({view_scope::what::virtual_mcp, answer.rows.front().number}));
      asked->respond(answer.status, "application/json", body + '\n');
    });
  };
  worker_.shared().plane->vmcps_wanted(std::move(request));
}

} // namespace nexus::engine
