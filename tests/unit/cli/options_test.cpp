#include "cli/options.hpp"

#include <algorithm>

#include "support.hpp"

using namespace nexus;
using namespace nexus::cli;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;

namespace {

struct parsing {
  parsed_line line;
  std::string out, err;
};

parsing parse(const std::vector<std::string>& arguments) {
  std::istringstream in;
  std::ostringstream out, err;
  console io{in, out, err};
  auto line = parse_command_line(arguments, io);
  return {std::move(line), out.str(), err.str()};
}

} // namespace

TEST_CASE("options reads every flag of serve", "[cli][options]") {
  const auto got = parse({"serve", "-c", "a.json", "--listen", "[::1]:4000", "--workers", "3",
                          "--reactor", "epoll", "-q"});
  REQUIRE(got.line.value);
  CHECK(got.line.value->what == command::serve);
  CHECK(got.line.value->gateway.config_path == "a.json");
  CHECK(got.line.value->gateway.listen == "[::1]:4000");
  CHECK(got.line.value->gateway.workers == 3);
  CHECK(got.line.value->gateway.reactor == "epoll");
  CHECK(got.line.value->gateway.quiet);
}

TEST_CASE("options reads a call", "[cli][options]") {
  const auto got = parse(
      {"call", "--json", "--timeout=1.5s", "-a", "localhost:1", "files", "read", R"({"a":[1]})"});
  REQUIRE(got.line.value);
  CHECK(got.line.value->what == command::call);
  CHECK(got.line.value->server == "files");
  CHECK(got.line.value->tool == "read");
  CHECK(got.line.value->arguments == R"({"a":[1]})");
  CHECK(got.line.value->address == "localhost:1");
  CHECK(got.line.value->json);
  CHECK(got.line.value->timeout == milliseconds(1500));
}

TEST_CASE("options leaves JSON and names alone whatever they look like", "[cli][options]") {
  for (const std::string text : {"{}", "-", "[]", "[1,2]", "{broken", "%%", R"("x")", ""}) {
    CAPTURE(text);
    const auto got = parse({"call", "files", "read", text});
    REQUIRE(got.line.value);
    CHECK(got.line.value->arguments == text);
  }
  // Servers may be called as commands are.
  const auto got = parse({"call", "tools", "call", "{}"});
  REQUIRE(got.line.value);
  CHECK(got.line.value->what == command::call);
  CHECK(got.line.value->server == "tools");
  CHECK(got.line.value->tool == "call");
  const auto list = parse({"tools", "--server", "serve"});
  REQUIRE(list.line.value);
  CHECK(list.line.value->server == "serve");
}

TEST_CASE("options reads what vmcp is to do", "[cli][options]") {
  const auto update =
      parse({"vmcp", "update", "readers", "a.json", "--generation", "7", "-a", "localhost:1"});
  REQUIRE(update.line.value);
  CHECK(update.line.value->what == command::vmcp);
  CHECK(update.line.value->action == vmcp_action::update);
  CHECK(update.line.value->id == "readers");
  CHECK(update.line.value->definition_path == "a.json");
  CHECK(update.line.value->generation == 7);
  CHECK(update.line.value->address == "localhost:1");
  const auto create = parse({"vmcp", "create", "-", "--json"});
  REQUIRE(create.line.value);
  CHECK(create.line.value->action == vmcp_action::create);
  CHECK(create.line.value->definition_path == "-");
  CHECK(create.line.value->json);
  CHECK_FALSE(create.line.value->generation);
  const auto events = parse({"vmcp", "events", "--after=12"});
  REQUIRE(events.line.value);
  CHECK(events.line.value->action == vmcp_action::events);
  CHECK(events.line.value->after == 12);
  const auto del = parse({"vmcp", "delete", "list"});
  REQUIRE(del.line.value);
  CHECK(del.line.value->action == vmcp_action::remove);
  CHECK(del.line.value->id == "list");
}

TEST_CASE("options refuses a wrong line with a message and exit code 2", "[cli][options]") {
  struct row {
    std::vector<std::string> arguments;
    std::string message;
  };
  const row rows[] = {
      {{}, "a command is missing"},
      {{"sevre"}, "there is no command 'sevre'; did you mean serve"},
      {{"nothing"}, "serve, stdio, check, import, search, servers, tools, call"},
      {{"serve", "--lisen", "x"}, "there is no option --lisen; did you mean --listen?"},
      {{"serve", "--lisen=x"}, "there is no option --lisen; did you mean --listen?"},
      {{"serve", "--zzzzzz"}, "there is no option --zzzzzz\n"},
      {{"serve", "-z"}, "-z"},
      {{"serve", "--listen"}, "--listen"},
      {{"serve", "--listen", "nowhere"}, "expected HOST:PORT"},
      {{"serve", "--listen", "127.0.0.1:99999"}, "port"},
      {{"serve", "--workers", "many"}, "many"},
      {{"serve", "--workers", "0"}, "--workers"},
      {{"serve", "--workers", "-1"}, "--workers"},
      {{"serve", "--workers", "100000"}, "--workers"},
      {{"serve", "--reactor", "kqueue"}, "kqueue"},
      {{"serve", "extra"}, "one argument too many: 'extra'"},
      {{"stdio", "--listen", "127.0.0.1:1"}, "--listen"},
      {{"import"}, "FILE"},
      {{"call"}, "SERVER"},
      {{"call", "a"}, "TOOL"},
      {{"call", "a", "b", "{", "}"}, "quote the JSON"},
      {{"servers", "--timeout", "soon"}, "expected a time"},
      {{"servers", "-c", "a", "--address", "b:1"}, "--address"},
      {{"vmcp"}, "what to do is missing: list, show, create, update, delete, events"},
      {{"vmcp", "--json"}, "what to do is missing"},
      {{"vmcp", "craete", "x"}, "there is no command 'vmcp craete'; did you mean create?"},
      {{"vmcp", "show"}, "ID"},
      {{"vmcp", "create"}, "FILE"},
      {{"vmcp", "update", "a"}, "FILE"},
      {{"vmcp", "update", "a", "b", "--generation", "x"}, "--generation"},
      {{"vmcp", "list", "--generation", "1"}, "there is no option --generation"},
      {{"vmcp", "list", "-c", "nexus.json"}, "-c"},
      {{"vmcp", "events", "--afer", "1"}, "did you mean --after?"},
      {{"vmcp", "delete", "a", "b"}, "one argument too many: 'b'"},
  };
  for (const auto& [arguments, message] : rows) {
    CAPTURE(arguments);
    const auto got = parse(arguments);
    CHECK_FALSE(got.line.value);
    CHECK(got.line.exit_code == exit_usage);
    CHECK(got.out.empty());
    CHECK_THAT(got.err, Contains(message) && Contains("--help"));
  }
}

TEST_CASE("options answers help everywhere, with examples", "[cli][options]") {
  const std::vector<std::vector<std::string>> commands = {
      {},          {"serve"}, {"stdio"}, {"check"}, {"import"},
      {"servers"}, {"tools"}, {"call"},  {"vmcp"},  {"vmcp", "update"}};
  for (auto arguments : commands) {
    CAPTURE(arguments);
    auto flagged = arguments;
    flagged.emplace_back("--help");
    const auto got = parse(flagged);
    CHECK_FALSE(got.line.value);
    CHECK(got.line.exit_code == exit_ok);
    CHECK(got.err.empty());
    CHECK_THAT(got.out, Contains("\n\nUsage: nexus") && Contains("\n\nExamples:\n  nexus"));
    CHECK_THAT(got.out, !Contains("\n\n\n") && !Contains("REQUIRED"));
    arguments.insert(arguments.begin(), "help");
    CHECK(parse(arguments).out == got.out);
    std::istringstream lines(got.out);
    for (std::string line; std::getline(lines, line);) {
      CHECK(line.size() <= 100);
      CHECK_THAT(line, !Catch::Matchers::EndsWith(" "));
    }
  }
  CHECK_THAT(parse({"--help"}).out, Contains("Exit codes:") && Contains("NEXUS_ADDRESS"));
  CHECK_THAT(parse({"--version"}).out, Catch::Matchers::StartsWith("nexus " NEXUS_VERSION));
  CHECK(parse({"-h"}).out == parse({"--help"}).out);
}

TEST_CASE("parse_duration reads times with units", "[cli][options]") {
  CHECK(parse_duration("30") == milliseconds(30'000));
  CHECK(parse_duration("1.5s") == milliseconds(1500));
  CHECK(parse_duration("500ms") == milliseconds(500));
  CHECK(parse_duration("2m") == milliseconds(120'000));
  CHECK(parse_duration("1h") == milliseconds(3'600'000));
  for (const auto* wrong :
       {"", "0", "-1", "s", "1 s", "1x", "1e9", "nan", "inf", "99999h", "0.1ms"})
    CHECK_FALSE(parse_duration(wrong));
}
