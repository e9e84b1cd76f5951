#include "cli/vmcp_commands.hpp"

#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "cli/json_reading.hpp"
#include "cli/table.hpp"
#include "json/walk.hpp"

namespace nexus::cli {
namespace {

constexpr std::string_view base_path = "/api/v1/vmcps";

/// An object that the gateway describes something by. Numbers read as their text; a member that it
/// has not is empty.
class described {
 public:
  explicit described(json::slice object) : object_(object) {}
  [[nodiscard]] std::string operator[](std::string_view key) const {
    const json::slice value = json::find_member(object_, key);
    return value.is(json::kind::string) ? json::unquote(value) : std::string(value.raw);
  }

 private:
  json::slice object_;
};

/// An answer of the API, and its members.
struct api_object {
  std::string json; ///< as it came
  [[nodiscard]] json::slice whole() const { return {json, json::kind::object}; }
};

result<api_object> read_answer(result<http_answer> answer) {
  auto text = api_json(std::move(answer));
  if (!text)
    return std::unexpected(std::move(text.error()));
  json::scanner scanner;
  const auto value = scanner.validate(*text);
  if (!value || !value->is(json::kind::object))
    return fail(errc::bad_answer, "the answer is no object of JSON");
  return api_object{std::string(value->raw)};
}

std::string path_of(std::string_view id) {
  return fmt::format("{}/{}", base_path, percent_encode(id));
}

tone tone_of(std::string_view state) {
  if (state == "ready")
    return tone::good;
  return state == "created" || state == "draining" ? tone::caution : tone::faint;
}

std::string or_dash(std::string text) {
  return text.empty() ? "-" : std::move(text);
}

/// A text with the port of its own, where it has one.
std::string with_port(const described& one, std::string text, std::string_view form) {
  const std::string port = one["port"];
  return port.empty() ? text : text + fmt::format(fmt::runtime(form), port);
}

/// Where clients find it: on its own port, if it has one.
std::string url_of(const remote_session& session, const described& one) {
  const auto& gateway = session.http().address();
  const std::string port = one["port"];
  if (port.empty())
    return fmt::format("http://{}{}", gateway.to_string(), one["address"]);
  std::string host = gateway.to_string();
  host.resize(host.rfind(':'));
  return fmt::format("http://{}:{}/mcp", host, port);
}

int fail_for_id(remote_session& session, const error& failure) {
  if (failure.code != errc::absent)
    return session.fail_with(failure);
  const auto list = read_answer(session.http().get(base_path, session.deadline()));
  if (!list)
    return session.fail_with(failure);
  std::vector<std::string> ids;
  for (json::element_walk row(json::find_member(list->whole(), "vmcps")); row.next();)
    ids.push_back(described(row.value())["id"]);
  print_error(session.io(), unknown_name("virtual MCP", session.line().id, ids));
  return exit_failed;
}

int show_list(remote_session& session) {
  const auto list = read_answer(session.http().get(base_path, session.deadline()));
  if (!list)
    return session.fail_with(list.error());
  console& io = session.io();
  if (session.line().json) {
    io.out << list->json << '\n';
    return exit_ok;
  }
  table rows({{"ID"},
              {"STATE"},
              {"GENERATION", alignment::right},
              {"IN FLIGHT", alignment::right},
              {"SOURCE"},
              {"ADDRESS"},
              {"EXPIRES"}});
  std::size_t count = 0;
  for (json::element_walk row(json::find_member(list->whole(), "vmcps")); row.next(); ++count) {
    const described one(row.value());
    rows.add({{one["id"]},
              {one["state"], tone_of(one["state"])},
              {one["generation"]},
              {one["inFlight"]},
              {one["source"]},
              {with_port(one, one["address"], ", :{}/mcp")},
              {or_dash(one["expires"])}});
  }
  if (count == 0)
    print_note(io, "there are no virtual MCPs; nexus vmcp create FILE makes one");
  else
    rows.print(io.out, io.out_colour(), io.columns);
  return exit_ok;
}

void print_object(const remote_session& session, const api_object& answer) {
  console& io = session.io();
  const described one(answer.whole());
  const auto line = [&io](std::string_view name, std::string_view text) {
    if (!text.empty())
      io.out << fmt::format("{:<11} {}\n", name, visible(text, line_breaks::escape));
  };
  line("id", one["id"]);
  io.out << fmt::format(
      "{:<11} {}\n", "state",
      toned(visible(one["state"], line_breaks::escape), tone_of(one["state"]), io.out_colour()));
  line("address", url_of(session, one));
  line("port", one["port"]);
  line("no port", one["portProblem"]);
  line("tools", one["tools"]);
  line("in flight", one["inFlight"]);
  line("generation", one["generation"]);
  line("source", one["source"]);
  line("created", one["created"]);
  line("expires", one["expires"]);
  const json::slice definition = json::find_member(answer.whole(), "definition");
  io.out << "definition  " << visible(indented(definition.raw), line_breaks::keep) << '\n';
}

int show_one(remote_session& session) {
  const auto answer =
      read_answer(session.http().get(path_of(session.line().id), session.deadline()));
  if (!answer)
    return fail_for_id(session, answer.error());
  if (session.line().json)
    session.io().out << answer->json << '\n';
  else
    print_object(session, *answer);
  return exit_ok;
}

/// Says in one line what became of it.
int tell_change(const remote_session& session, const api_object& answer, std::string_view what) {
  console& io = session.io();
  if (session.line().json) {
    io.out << answer.json << '\n';
    return exit_ok;
  }
  const described one(answer.whole());
  std::string text = fmt::format("{} {}: ", what, one["id"]);
  if (session.line().action == vmcp_action::remove)
    text += fmt::format("{}, {} calls in flight", one["state"], one["inFlight"]);
  else
    text += fmt::format("generation {} at {}", one["generation"], url_of(session, one));
  io.out << visible(text, line_breaks::escape) << '\n';
  return exit_ok;
}

int create(remote_session& session) {
  const auto answer = read_answer(
      session.http().post(base_path, {}, session.line().arguments, {}, session.deadline()));
  return answer ? tell_change(session, *answer, "created") : session.fail_with(answer.error());
}

int update(remote_session& session) {
  const command_line& line = session.line();
  std::string path = path_of(line.id);
  if (line.generation)
    path += fmt::format("?generation={}", *line.generation);
  const auto answer = read_answer(session.http().put(path, line.arguments, session.deadline()));
  return answer ? tell_change(session, *answer, "updated") : fail_for_id(session, answer.error());
}

int remove(remote_session& session) {
  const auto answer =
      read_answer(session.http().del(path_of(session.line().id), session.deadline()));
  return answer ? tell_change(session, *answer, "deleted") : fail_for_id(session, answer.error());
}

int show_events(remote_session& session) {
  const auto answer = read_answer(session.http().get(
      fmt::format("{}/events?after={}", base_path, session.line().after), session.deadline()));
  if (!answer)
    return session.fail_with(answer.error());
  console& io = session.io();
  if (session.line().json) {
    io.out << answer->json << '\n';
    return exit_ok;
  }
  table rows({{"SEQUENCE", alignment::right}, {"TIME"}, {"ID"}, {"WHAT"}});
  std::size_t count = 0;
  for (json::element_walk row(json::find_member(answer->whole(), "events")); row.next(); ++count) {
    const described one(row.value());
    rows.add({{one["sequence"]},
              {one["time"]},
              {one["id"]},
              {with_port(one, one["what"], ", port {}")}});
  }
  if (count == 0)
    print_note(io, session.line().after == 0 ? "nothing has happened to virtual MCPs"
                                             : "nothing has happened since");
  else
    rows.print(io.out, io.out_colour(), io.columns);
  return exit_ok;
}

} // namespace

bool take_definition(command_line& line, const surroundings& world) {
  if (line.action != vmcp_action::create && line.action != vmcp_action::update)
    return true;
  std::optional<std::string> text;
  if (line.definition_path == "-")
    text = read_all(world.io.in, limits::http_request_body_bytes_max);
  else if (world.env.read_file)
    text = world.env.read_file(line.definition_path);
  if (!text) {
    print_error(world.io, line.definition_path == "-"
                              ? "stdin cannot be read, or holds more than a request may carry"
                              : fmt::format("'{}' cannot be read; is it there, and a file?",
                                            line.definition_path));
    return false;
  }
  line.arguments = std::move(*text);
  return true;
}

int run_vmcp_command(remote_session& session) {
  switch (session.line().action) {
  case vmcp_action::list:
    return show_list(session);
  case vmcp_action::show:
    return show_one(session);
  case vmcp_action::create:
    return create(session);
  case vmcp_action::update:
    return update(session);
  case vmcp_action::remove:
    return remove(session);
  case vmcp_action::events:
    return show_events(session);
  }
  return exit_failed;
}

} // namespace nexus::cli
