#include "cli/registry_commands.hpp"

#include <ostream>

#include <fmt/format.h>

#include "cli/table.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::cli {
namespace {

std::string text_of(json::slice object, std::string_view key) {
  const auto value = json::find_member(object, key);
  return value.is(json::kind::string) ? json::unquote(value) : std::string(value.raw);
}

std::string place(json::slice tool) {
  return text_of(tool, "server") + "/" + text_of(tool, "tool");
}

/// `score (name 0.9, description 0.8, schema 0.2)`
std::string evidence(json::slice group) {
  const auto how = json::find_member(group, "evidence");
  return fmt::format("{} (name {}, description {}, schema {})", text_of(group, "score"),
                     text_of(how, "name"), text_of(how, "description"), text_of(how, "schema"));
}

void print_groups(json::slice groups, console& io) {
  table rows({{"KIND"}, {"ACTION"}, {"USED"}, {"SAME"}, {"SCORE"}});
  for (json::element_walk g(groups); g.next();) {
    const std::string used = place(json::find_member(g.value(), "canonical"));
    std::string others;
    for (json::element_walk t(json::find_member(g.value(), "tools")); t.next();)
      if (const std::string name = place(t.value()); name != used)
        (others += others.empty() ? "" : ", ") += name;
    rows.add({{text_of(g.value(), "kind")},
              {text_of(g.value(), "action")},
              {used},
              {others},
              {evidence(g.value())}});
  }
  rows.print(io.out, io.out_colour(), io.columns);
}

void print_pins(json::slice whole, console& io) {
  table held({{"HELD BACK"}, {"SERVER"}, {"NAME"}});
  std::size_t pins = 0, waiting = 0;
  for (json::element_walk p(json::find_member(whole, "pins")); p.next(); ++pins)
    if (json::find_member(p.value(), "quarantined")) {
      ++waiting;
      held.add({{text_of(p.value(), "kind"), tone::bad},
                {text_of(p.value(), "server")},
                {text_of(p.value(), "name")}});
    }
  table changes({{"CHANGED"}, {"SERVER"}, {"NAME"}, {"WHERE"}, {"BEFORE"}, {"AFTER"}});
  std::size_t changed = 0;
  for (json::element_walk c(json::find_member(whole, "changes")); c.next();) {
    const auto difference = json::find_member(c.value(), "difference");
    for (json::element_walk d(json::find_member(difference, "differences")); d.next(); ++changed)
      changes.add({{text_of(c.value(), "kind")},
                   {text_of(c.value(), "server")},
                   {text_of(c.value(), "name")},
                   {text_of(d.value(), "path")},
                   {text_of(d.value(), "before")},
                   {text_of(d.value(), "after")}});
  }
  if (waiting > 0)
    held.print(io.out, io.out_colour(), io.columns);
  if (changed > 0)
    changes.print(io.out, io.out_colour(), io.columns);
  print_note(io, fmt::format("{} definitions are pinned, {} held back", pins, waiting));
}

int accept(remote_session& session) {
  const command_line& line = session.line();
  std::string body;
  json::object_writer asked(body);
  asked.string("server", line.server);
  if (!line.tool.empty())
    asked.string("tool", line.tool);
  asked.end();
  const auto answer = session.post("/api/v1/pins/accept", body);
  if (!answer)
    return session.fail_with(answer.error());
  if (session.line().json)
    session.io().out << *answer;
  else
    print_note(session.io(), "accepted; clients see it from now on");
  return exit_ok;
}

/// Asks, and prints the answer as it came or as `print` has it.
int show(remote_session& session, std::string_view path,
         const std::function<void(json::slice, console&)>& print) {
  const auto answer = session.get(path);
  if (!answer)
    return session.fail_with(answer.error());
  if (session.line().json)
    session.io().out << *answer;
  else
    print({*answer, json::kind::object}, session.io());
  return exit_ok;
}

} // namespace

int show_duplicates(remote_session& session) {
  return show(session, "/api/v1/duplicates", [](json::slice whole, console& io) {
    const auto groups = json::find_member(whole, "groups");
    if (groups.raw == "[]")
      return print_note(io, "no two tools are the same or alike");
    print_groups(groups, io);
  });
}

int run_pins(remote_session& session) {
  if (!session.line().pins_action.empty())
    return accept(session);
  return show(session, "/api/v1/pins", print_pins);
}

} // namespace nexus::cli
