#include "cli/remote_commands.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "cli/gateway_client.hpp"
#include "cli/registry_commands.hpp"
#include "cli/remote_session.hpp"
#include "cli/settings.hpp"
#include "cli/table.hpp"
#include "cli/tool_result.hpp"
#include "cli/vmcp_commands.hpp"

namespace nexus::cli {
namespace {

constexpr std::string_view default_address = "127.0.0.1:3000";

tone tone_of(const server_row& row) {
  if (row.state == "ready")
    return tone::good;
  if (row.state == "down" || row.state == "unusable")
    return tone::bad;
  return row.state == "connecting" ? tone::caution : tone::plain;
}

std::string shown(std::uint64_t number) {
  return number == 0 ? "-" : std::to_string(number);
}

int show_servers(remote_session& session) {
  const auto list = session.servers();
  if (!list)
    return session.fail_with(list.error());
  console& io = session.io();
  if (session.line().json) {
    io.out << list->json << '\n';
    return exit_ok;
  }
  if (list->rows.empty()) {
    print_note(io, "no servers are configured; \"mcpServers\" names them");
    return exit_ok;
  }
  table rows({{"NAME"},
              {"STATE"},
              {"TRANSPORT"},
              {"REVISION"},
              {"TOOLS", alignment::right},
              {"RESTARTS", alignment::right},
              {"PID", alignment::right},
              {"ERROR"}});
  for (const server_row& row : list->rows) {
    rows.add({{row.name},
              {row.state, tone_of(row)},
              {row.transport},
              {row.revision.empty() ? "-" : row.revision},
              {std::to_string(row.tools)},
              {std::to_string(row.restarts)},
              {shown(row.pid)},
              {row.error}});
  }
  rows.print(io.out, io.out_colour(), io.columns);
  return exit_ok;
}

/// Says which servers the list of tools may lack something of.
void note_absent(const server_list& servers, std::string_view only, console& io) {
  for (const server_row& row : servers.rows) {
    if (row.state == "ready" || (!only.empty() && row.name != only))
      continue;
    print_note(io, fmt::format("server '{}' is {}{}{}", row.name, row.state,
                               row.error.empty() ? "" : ": ", row.error));
  }
}

/// The first line of a description.
std::string first_line(std::string_view text) {
  text = trim(text);
  return std::string(trim(text.substr(0, text.find('\n'))));
}

void print_tools(const std::vector<tool_row>& tools, console& io) {
  table rows({{"TOOL"}, {"DESCRIPTION"}});
  for (const tool_row& tool : tools) {
    const tone how = tool.available ? tone::plain : tone::faint;
    rows.add({{tool.name, how},
              {(tool.available ? "" : "(unavailable) ") + first_line(tool.description), how}});
  }
  rows.print(io.out, io.out_colour(), io.columns);
}

void print_tools_json(const std::vector<tool_row>& tools, std::ostream& out) {
  out << '[';
  for (std::size_t i = 0; i < tools.size(); ++i)
    out << (i > 0 ? "," : "") << tools[i].json;
  out << "]\n";
}

/// What servers have just listed is indexed a moment later.
result<found_list> search_settled(remote_session& session) {
  constexpr int pause_ms = 10;
  constexpr seconds longest{2};
  const time_point until = std::min(session.deadline(), session.now() + longest);
  for (;;) {
    auto found = session.search();
    if (!found || found->indexed == found->tools || session.now() >= until)
      return found;
    ::poll(nullptr, 0, pause_ms);
  }
}

int show_found(remote_session& session) {
  const auto found = search_settled(session);
  if (!found)
    return session.fail_with(found.error());
  console& io = session.io();
  if (session.line().json) {
    io.out << found->json;
    return exit_ok;
  }
  if (!found->degraded.empty())
    print_note(io, "by words alone: " + found->degraded);
  if (found->rows.empty()) {
    print_note(io, "no tool has any of these words");
    return exit_ok;
  }
  table rows({{"SERVER"}, {"TOOL"}, {"SCORE", alignment::right}, {"DESCRIPTION"}});
  for (const found_row& row : found->rows)
    rows.add({{row.server}, {row.tool}, {row.score}, {row.description}});
  rows.print(io.out, io.out_colour(), io.columns);
  return exit_ok;
}

int show_tools(remote_session& session) {
  if (!session.line().query.empty())
    return show_found(session);
  const std::string& only = session.line().server;
  const auto servers = session.servers();
  if (!servers)
    return session.fail_with(servers.error());
  const server_row* const row = only.empty() ? nullptr : servers->find(only);
  if (!only.empty() && row == nullptr)
    return session.unknown_server(*servers);
  const auto tools = session.tools(only.empty() ? "/mcp" : mcp_path(only));
  if (!tools)
    return session.fail_with(tools.error());
  console& io = session.io();
  note_absent(*servers, only, io);
  if (session.line().json)
    print_tools_json(*tools, io.out);
  else if (tools->empty())
    print_note(io, "there are no tools");
  else
    print_tools(*tools, io);
  const bool lacking = row != nullptr && row->state != "ready" && tools->empty();
  return lacking ? exit_failed : exit_ok;
}

/// Text of a server: on a terminal it must not be obeyed, elsewhere it stays what it is.
void print_text(std::string_view text, std::ostream& out, bool terminal) {
  if (terminal)
    out << visible(text, line_breaks::keep);
  else
    out << text;
}

int show_result(remote_session& session, const rpc_answer& answer) {
  console& io = session.io();
  json::scanner scanner;
  const auto described = describe_result(scanner, answer.result);
  if (!described)
    return session.fail_with(error{errc::bad_answer, described.error().message, {}});
  const bool done = described->outcome == tool_outcome::done;
  if (session.line().json)
    io.out << answer.result << '\n';
  else if (done)
    print_text(described->text, io.out, io.out_terminal);
  else
    print_text(described->text, io.err, io.err_terminal);
  if (described->outcome == tool_outcome::wants_input)
    print_error(io, "the tool asks for input, which this command cannot give");
  else if (!done && described->text.empty())
    print_error(io, "the tool failed and says nothing more");
  return done ? exit_ok : exit_failed;
}

int call_tool(remote_session& session) {
  const command_line& line = session.line();
  const auto answer = session.call(line.arguments);
  if (!answer)
    return session.explain_call(answer.error());
  if (!answer->result.empty())
    return show_result(session, *answer);
  if (line.json)
    session.io().out << "{\"error\":" << answer->error << "}\n";
  return session.explain_call(error{errc::refused, answer->error_message, {}});
}

int run_command(remote_session& session) {
  switch (session.line().what) {
  case command::servers:
    return show_servers(session);
  case command::tools:
    return show_tools(session);
  case command::vmcp:
    return run_vmcp_command(session);
  case command::duplicates:
    return show_duplicates(session);
  case command::pins:
    return run_pins(session);
  default:
    return call_tool(session);
  }
}

/// Waits until every server of `settings` is connected or is known not to be.
void wait_for_servers(remote_session& session, const config::gateway& settings) {
  constexpr int pause_ms = 25;
  milliseconds longest{0};
  for (const config::server& server : settings.servers)
    longest = std::max(longest, server.connect_timeout + server.handshake_timeout);
  const time_point deadline = std::min(session.deadline(), session.now() + longest);
  status_line status(session.io());
  while (session.now() < deadline) {
    const auto list = session.servers();
    if (!list)
      return; // the command itself meets the same error and reports it
    std::size_t settled = 0;
    std::string waiting;
    for (const config::server& server : settings.servers) {
      const server_row* const row = list->find(server.name);
      if (row != nullptr && row->settled())
        ++settled;
      else
        waiting += (waiting.empty() ? " " : ", ") + server.name;
    }
    if (settled == settings.servers.size())
      return;
    status.show(fmt::format("connecting {}/{} ...{}", settled, settings.servers.size(), waiting));
    ::poll(nullptr, 0, pause_ms);
  }
}

/// The file's gateway as one command needs it: small, on loopback, the wanted servers only.
/// Empty optional: said why.
std::optional<config::gateway> own_settings(const command_line& line, const surroundings& world) {
  serve_options options;
  options.config_path = line.config_path;
  config::loaded loaded = load_settings(options, world.env);
  if (!loaded.value) {
    print_findings(loaded.findings, world.io.err, world.io.err_colour());
    return std::nullopt;
  }
  config::gateway settings = std::move(*loaded.value);
  settings.listen = "127.0.0.1:0";
  settings.workers = 1;
  // What happens to a server is told by the command itself, unless the file asks for details.
  if (settings.log_level == log::level::info || settings.log_level == log::level::warn)
    settings.log_level = log::level::error;
  if (!line.server.empty()) {
    std::vector<std::string> names;
    for (const config::server& server : settings.servers)
      names.push_back(server.name);
    std::erase_if(settings.servers,
                  [&](const config::server& server) { return server.name != line.server; });
    if (settings.servers.empty()) {
      print_error(world.io, unknown_name("server", line.server, names));
      return std::nullopt;
    }
  }
  for (config::server& server : settings.servers)
    server.lazy = false;
  return settings;
}

int run_with_own_gateway(const command_line& line, const surroundings& world) {
  std::optional<config::gateway> settings = own_settings(line, world);
  if (!settings)
    return exit_failed;
  const config::gateway wanted = *settings;
  return world.gateway.with_gateway(std::move(*settings), [&](const net::endpoint& at) {
    remote_session session(line, world, at);
    wait_for_servers(session, wanted);
    session.restart_deadline();
    const int code = run_command(session);
    world.io.out.flush();
    return code;
  });
}

/// Reads and checks the arguments of a call. @returns false: said why
bool take_arguments(command_line& line, console& io) {
  if (line.arguments == "-") {
    auto text = read_all(io.in, limits::http_request_body_bytes_max);
    if (!text) {
      print_error(io, "stdin cannot be read, or holds more than a call may carry");
      return false;
    }
    line.arguments = std::move(*text);
  }
  line.arguments = std::string(trim(line.arguments));
  if (line.arguments.empty())
    line.arguments = "{}";
  json::ensure_padding(line.arguments);
  json::scanner scanner;
  const auto value = scanner.validate(line.arguments);
  if (value && value->is(json::kind::object))
    return true;
  print_error(io, fmt::format("the arguments are {}; expected an object, quoted as one word: "
                              "'{{\"path\": \".\"}}'",
                              value ? "no JSON object" : "not JSON"));
  return false;
}

std::optional<net::endpoint> find_gateway(const command_line& line, const surroundings& world) {
  const auto named = world.env.variables.find("NEXUS_ADDRESS");
  const bool from_environment =
      line.address.empty() && named != world.env.variables.end() && !named->second.empty();
  const std::string text = !line.address.empty() ? line.address
                           : from_environment    ? named->second
                                                 : std::string(default_address);
  auto at = parse_gateway_address(text);
  if (at)
    return std::move(*at);
  print_error(world.io, fmt::format("{} '{}': {}", from_environment ? "NEXUS_ADDRESS" : "--address",
                                    text, at.error().message));
  return std::nullopt;
}

} // namespace

int run_remote_command(const command_line& given, const surroundings& world) {
  command_line line = given;
  if (line.what == command::call && !take_arguments(line, world.io))
    return exit_usage;
  if (line.what == command::vmcp && !take_definition(line, world))
    return exit_failed;
  if (!line.config_path.empty())
    return run_with_own_gateway(line, world);
  const auto at = find_gateway(line, world);
  if (!at)
    return exit_usage;
  remote_session session(line, world, *at);
  return run_command(session);
}

} // namespace nexus::cli
