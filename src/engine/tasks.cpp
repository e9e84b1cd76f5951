#include "engine/tasks.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "engine/dispatch_answers.hpp"
#include "engine/exchange.hpp"
#include "engine/link_request.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/client_capabilities.hpp"
#include "gateway/render.hpp"
#include "json/write.hpp"

namespace nexus::engine {

using mcp::param_key;
using mcp::result_key;

namespace {

/// What is sealed: the length of the server's name, the name, the task's own id.
std::string payload_of(std::string_view server, std::string_view id) {
  return fmt::format("{}:{}{}", server.size(), server, id);
}

struct task_place {
  std::string_view server, id;
};

std::optional<task_place> read_payload(std::string_view payload) {
  std::size_t size = 0;
  const auto* const end = payload.data() + payload.size();
  const auto [after, problem] = std::from_chars(payload.data(), end, size);
  if (problem != std::errc() || after == end || *after != ':')
    return std::nullopt;
  const std::string_view rest(after + 1, end);
  if (size > rest.size())
    return std::nullopt;
  return task_place{rest.substr(0, size), rest.substr(size)};
}

void refuse_undeclared(worker& on, exchange& x) {
  refuse(on, x, mcp::errc::missing_capability,
         fmt::format("{} needs the extension {}, which the client does not declare",
                     x.request.method, gateway::tasks_extension),
         fmt::format(R"({{"requiredCapabilities":{}}})", gateway::tasks_capabilities), 400);
}

} // namespace

bool declares_tasks(worker& on, const exchange& x) {
  const auto declared = x.request.meta[mcp::meta_key::client_capabilities].raw;
  return gateway::read_client_capabilities(declared, on.scanner(), on.shared().extensions).tasks;
}

std::optional<known_task> find_task(worker& on, view_scope scope, json::slice given) {
  if (!given.is(json::kind::string))
    return std::nullopt;
  const auto opened =
      on.sealer().open(seal::kind::task, json::unquote(given), {}, on.shared().wall_now());
  if (!opened)
    on.metrics().sealed_refusals.add(metrics::sealed_text::task_id);
  const auto place = opened ? read_payload(opened->payload) : std::nullopt;
  const auto* const server = place ? on.snapshot().server(place->server) : nullptr;
  if (server == nullptr || (scope.one_server() && scope.number != server->slot))
    return std::nullopt;
  return known_task{server, std::string(place->id)};
}

bool admit_task_filter(worker& on, exchange& listen) {
  named_member ids("taskIds");
  const auto asked = listen.request.params[param_key::notifications].raw;
  if (!on.scanner().scan_object(asked, ids) || !ids.found || declares_tasks(on, listen))
    return true;
  refuse_undeclared(on, listen);
  return false;
}

void follow_task(worker& on, exchange& x) {
  using mcp::errc;
  if (!declares_tasks(on, x))
    return refuse_undeclared(on, x);
  const auto given = x.request.params[param_key::task_id];
  if (!given.is(json::kind::string))
    return refuse(on, x, errc::invalid_params,
                  fmt::format("{} needs params.taskId, a string", x.request.method));
  auto task = find_task(on, x.scope, given);
  if (!task)
    return refuse(on, x, errc::invalid_params,
                  "there is no such task: its id is altered, expired or of a server that is gone");
  x.target_task = std::move(task->id);
  forward(on, x, task->server->slot);
}

bool upstream::may_become_task(const exchange& x) {
  return endpoint_->era == mcp::era::modern && x.era == mcp::era::modern &&
         x.request.method == "tools/call" && declares_tasks(owner_, x);
}

bool upstream::knows_more_types(const exchange& x) {
  return endpoint_->era == mcp::era::modern && x.era == mcp::era::modern &&
         capabilities_of(x).foreign;
}

const mcp::message* upstream::with_client_task_id(const exchange& x, const mcp::message& response) {
  const auto theirs = response.result[result_key::task_id];
  if (!theirs.is(json::kind::string))
    return nullptr;
  std::string ours;
  if (!x.target_task.empty()) {
    ours = x.request.params[param_key::task_id].raw;
  } else {
    const auto id = json::unquote(theirs);
    if (id.empty() || id.size() > limits::task_id_bytes_max)
      return nullptr;
    const auto sealed =
        owner_.sealer().seal(seal::kind::task, payload_of(endpoint_->settings->name, id), {},
                             owner_.shared().wall_now() + limits::task_lifetime);
    if (!sealed)
      return nullptr;
    json::append_string(ours, *sealed);
  }
  const auto whole = response.result.whole.raw;
  const auto at = static_cast<std::size_t>(theirs.raw.data() - whole.data());
  auto& text = owner_.task_text;
  text = gateway::result_response(
      "0", fmt::format("{}{}{}", whole.substr(0, at), ours, whole.substr(at + theirs.raw.size())));
  json::ensure_padding(text);
  if (!mcp::parse_message(text, owner_.scanner(), owner_.task_message))
    return nullptr;
  return &owner_.task_message;
}

} // namespace nexus::engine
