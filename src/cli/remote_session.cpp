#include "cli/remote_session.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace nexus::cli {
namespace {

/// A call is as slow as its tool, whose time the gateway bounds; this is beyond any such bound.
constexpr milliseconds call_time = limits::call_timeout_max + limits::connect_timeout_default;
/// What the gateway answers by itself.
constexpr milliseconds list_time = limits::handshake_timeout_default;

milliseconds time_for(const command_line& line) {
  // With -c the servers connect first, which has a bound of its own.
  const bool slow = line.what == command::call || !line.config_path.empty();
  return line.timeout.value_or(slow ? call_time : list_time);
}

std::function<void(std::string_view)> progress_to(status_line& status, const console& io) {
  if (!io.err_terminal)
    return {};
  return [&status](std::string_view text) { status.show(text); };
}

} // namespace

std::string unknown_name(std::string_view what, std::string_view name,
                         std::span<const std::string> known) {
  constexpr std::size_t listed_max = 12;
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  const auto near = nearest_names(name, candidates, 3);
  std::string out = fmt::format("there is no {} '{}'", what, name);
  if (!near.empty())
    return out + fmt::format("; did you mean {}?", fmt::join(near, " or "));
  if (!known.empty() && known.size() <= listed_max)
    return out + fmt::format("; there is {}", fmt::join(known, ", "));
  return out;
}

remote_session::remote_session(const command_line& line, const surroundings& world,
                               const net::endpoint& at)
    : line_(line), world_(world), deadline_(world.time.now() + time_for(line)), status_(world.io),
      client_(http_client(at, world.time), progress_to(status_, world.io)) {}

void remote_session::restart_deadline() {
  deadline_ = now() + time_for(line_);
}

result<rpc_answer> remote_session::call(std::string_view arguments) {
  auto answer = client_.call(mcp_path(line_.server), line_.tool, arguments, deadline_);
  status_.clear();
  return answer;
}

int remote_session::fail_with(const error& failure) const {
  const std::string at = client_.http().address().to_string();
  if (failure.code == errc::unreachable) {
    print_error(io(), fmt::format("no gateway answers at {}: {}", at, failure.message));
    print_note(io(), "is one running there? start one with: nexus serve");
    return exit_unreachable;
  }
  if (failure.code == errc::timed_out) {
    print_error(io(), fmt::format("{} gives no answer in time; --timeout gives it more", at));
    return exit_failed;
  }
  print_error(io(), failure.code == errc::bad_answer ? fmt::format("{}: {}", at, failure.message)
                                                     : failure.message);
  return failure.code == errc::bad_answer ? exit_unreachable : exit_failed;
}

int remote_session::unknown_server(const server_list& servers) const {
  std::vector<std::string> names;
  for (const server_row& row : servers.rows)
    names.push_back(row.name);
  print_error(io(), unknown_name("server", line_.server, names));
  return exit_failed;
}

int remote_session::explain_call(const error& failure) {
  if (failure.code != errc::refused)
    return fail_with(failure);
  const auto list = servers();
  if (!list)
    return fail_with(failure);
  const server_row* const row = list->find(line_.server);
  if (row == nullptr)
    return unknown_server(*list);
  if (row->state != "ready")
    return fail_with(failure);
  const auto offered = tools(mcp_path(line_.server));
  if (!offered || std::ranges::find(*offered, line_.tool, &tool_row::name) != offered->end())
    return fail_with(failure);
  std::vector<std::string> names;
  for (const tool_row& tool : *offered)
    names.push_back(tool.name);
  // The name that the aggregate gives it, from the list of all tools.
  const std::string prefix = line_.server + "__";
  const std::string own = line_.tool.starts_with(prefix) ? line_.tool.substr(prefix.size()) : "";
  const std::string subject = fmt::format("tool on server '{}' named", line_.server);
  if (std::ranges::find(names, own) != names.end()) {
    print_error(io(),
                fmt::format("there is no {} '{}'; here it is called {}", subject, line_.tool, own));
  } else {
    print_error(io(), unknown_name(subject, line_.tool, names));
  }
  print_note(io(), fmt::format("nexus tools --server {} lists them", line_.server));
  return exit_failed;
}

} // namespace nexus::cli
