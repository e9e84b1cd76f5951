#include "bench/load/options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

#include "http/message.hpp"
#include "json/scan.hpp"

namespace nexus::load {
namespace {

constexpr const char* description =
    R"(Load-tests an MCP server over Streamable HTTP, HTTP+SSE, WebSocket or stdio, and checks every answer.)";

constexpr const char* examples = R"(Examples:
  nexus-bench http://127.0.0.1:3000/mcp --tool clock__now --arguments '{}'
      closed loop: 64 connections call as fast as they get answers, for 10 s
  nexus-bench http://127.0.0.1:3000/mcp --rate 5000 --workload mixed.json --html report.html
      open loop: 5,000 calls a second whatever the server does, of a mixture from a file
  nexus-bench http://127.0.0.1:3000/mcp --stages 100-5000:30,5000:60 --arrivals poisson
      a ramp of 30 s, then a minute at its end
  nexus-bench http://127.0.0.1:3000/mcp --find-capacity --p99-ms 5
      the highest rate of which 99 % of the calls are answered within 5 ms
  nexus-bench --revision 2024-11-05 http://127.0.0.1:3000/sse
  nexus-bench --era modern --in-flight 8 ws://127.0.0.1:3000/ws
  nexus-bench --connections 1 --in-flight 16 -- python3 server.py

Exit status: 0 all answers were right, 1 the run was not possible, 2 wrong answers or none.)";

std::unexpected<error> bad(std::string text) {
  return fail(std::make_error_code(std::errc::invalid_argument), std::move(text));
}

result<std::string> file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return bad(fmt::format("{}: cannot be read", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// What the command line says before it is made sense of.
struct raw_options {
  std::vector<std::string> where;
  std::string url, era = "legacy", revision, workload, tool = "echo", expect, stages;
  std::string arguments = R"({"text":"how much wood $ID"})";
  std::string arrivals = "even", session = "connection", reactor = "auto", format = "text";
  double rate = 0, think_ms = 0;
  int spread = 1, subscribers = 0;
  std::uint64_t calls_per_session = 0;
  bool find_capacity = false, no_progress = false, insecure = false, no_expect = false;
};

void add_target(CLI::App& app, raw_options& raw, run_options& run) {
  app.add_option("where", raw.where, "URL of the server, or the command of one over stdio");
  app.add_option("--url", raw.url, "URL, as the argument");
  app.add_option("--era", raw.era,
                 "How to speak: legacy (a session), modern (stateless), blind "
                 "(plain POSTs without a handshake)")
      ->check(CLI::IsMember({"legacy", "modern", "blind"}));
  app.add_option("--revision", raw.revision,
                 "Revision instead of the newest of the era; 2024-11-05 over HTTP is HTTP+SSE");
  app.add_option("--header", run.headers, "Additional header line 'NAME: VALUE', repeatable")
      ->allow_extra_args(false);
  app.add_option("--session", raw.session,
                 "A session for each connection, or shared by those of "
                 "a thread")
      ->check(CLI::IsMember({"connection", "shared"}));
  app.add_option("--ca-file", run.ca_file, "PEM file of who may certify an https server");
  app.add_flag("--insecure", raw.insecure, "Do not check the certificate of an https server");
}

void add_workload(CLI::App& app, raw_options& raw, run_options& run) {
  app.add_option("--workload", raw.workload, "File with a mixture of operations");
  app.add_option("--tool", raw.tool, "Tool to call; $N (or {}) in it is a number from --spread")
      ->capture_default_str();
  app.add_option("--arguments", raw.arguments, "Its arguments; $ID is the call's own id")
      ->capture_default_str();
  app.add_option("--expect", raw.expect, "Text of a right result ($ID when the arguments hold it)");
  app.add_flag("--no-expect", raw.no_expect, "Results need not hold what the arguments say");
  app.add_option("--spread,--spread-tools", raw.spread, "$N goes from 1 to this")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--think-ms", raw.think_ms, "Pause between an answer and the next call")
      ->check(CLI::Range(0.0, 3.6e6));
  app.add_option("--calls-per-session", raw.calls_per_session, "Then a new session (0: never)");
  app.add_option("--subscribers", raw.subscribers, "Listeners that count notifications")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--idle-sessions", run.idle_sessions, "Sessions opened first and left idle")
      ->check(CLI::Range(0, 1'000'000));
}

void add_pace(CLI::App& app, raw_options& raw, run_options& run) {
  app.add_option("-c,--connections", run.connections, "Connections, or children of stdio")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--in-flight", run.in_flight,
                 "Calls at once on each session of stdio, HTTP+SSE and WebSocket")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--threads", run.threads, "Threads")->check(CLI::Range(1, 256));
  app.add_option("--rate", raw.rate, "Open loop: calls per second")->check(CLI::Range(0.0, 1e8));
  app.add_option("--stages", raw.stages,
                 "RATE:SECONDS, FROM-TO:SECONDS, or CONNECTIONSc:SECONDS, separated by commas");
  app.add_option("--arrivals", raw.arrivals, "Spacing of an open loop")
      ->check(CLI::IsMember({"even", "poisson"}));
  app.add_option("--seconds", run.seconds, "Measured window (with --stages: their sum)")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  app.add_option("--warmup-seconds", run.warmup_seconds, "Before it, at the first rate")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--timeout-seconds", run.timeout_seconds, "An error when there is no answer then")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  app.add_option("--reactor", raw.reactor, "auto, io_uring or epoll")
      ->check(CLI::IsMember({"auto", "io_uring", "epoll"}));
}

void add_output(CLI::App& app, raw_options& raw, options& out, capacity_bounds& bounds) {
  app.add_option("--watch,--watch-pid", out.run.watched,
                 "Process whose CPU and memory are reported, repeatable")
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  app.add_option("--format", raw.format, "What standard output gets: text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--json", out.json_file, "Write the JSON report to this file");
  app.add_option("--html", out.html_file, "Write a report with plots to this file");
  app.add_flag("--no-progress", raw.no_progress, "No line a second on standard error");
  app.add_flag("--find-capacity", raw.find_capacity,
               "Bisect the highest rate that keeps these bounds; --seconds is for each trial");
  app.add_option("--p99-ms", bounds.p99_ms, "99 % of the calls within this time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--errors-max", bounds.errors_share, "Share of wrong or refused answers")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--precision", bounds.precision, "Relative width of the bracket to stop at")
      ->check(CLI::Range(0.001, 1.0))
      ->capture_default_str();
}

result<> choose_target(const raw_options& raw, target& to) {
  auto where = raw.where;
  if (!raw.url.empty())
    where.insert(where.begin(), raw.url);
  if (where.empty())
    return bad("a URL or a command is needed; --help has examples");
  to.blind = raw.era == "blind";
  to.revision = raw.era == "modern" ? mcp::newest_modern : mcp::newest_legacy;
  if (!raw.revision.empty()) {
    const auto known = mcp::parse_revision(raw.revision);
    if (!known)
      return bad(fmt::format("--revision: unknown: {}; known are {}", raw.revision,
                             fmt::join(mcp::revision_names, ", ")));
    to.revision = *known;
  }
  if (!is_url(where[0])) {
    to.over = transport::stdio;
    to.command = where;
    return to.blind ? bad("--era blind is for HTTP: over stdio there is nothing to leave out")
                    : result<>{};
  }
  if (where.size() > 1)
    return bad(fmt::format("what is \"{}\" behind the URL?", where[1]));
  if (const auto parsed = parse_url(where[0], to); !parsed)
    return parsed;
  if (to.over == transport::websocket)
    return to.blind ? bad("--era blind is for POSTs: a WebSocket carries messages as they are")
                    : result<>{};
  if (to.revision == mcp::revision::r2024_11_05 && !to.blind)
    to.over = transport::sse;
  return {};
}

result<> choose_work(const raw_options& raw, run_options& run) {
  if (!raw.workload.empty()) {
    auto text = file_text(raw.workload);
    if (!text)
      return std::unexpected(text.error());
    auto read = parse_workload(std::move(*text), raw.workload);
    if (!read)
      return std::unexpected(read.error());
    run.work = std::move(*read);
  } else {
    auto tool = raw.tool;
    if (const auto at = tool.find("{}"); at != std::string::npos)
      tool.replace(at, 2, "${N}"); // a letter may follow
    json::scanner scanner;
    auto arguments = raw.arguments;
    json::ensure_padding(arguments);
    const auto checked = scanner.validate(arguments);
    if (!checked || !checked->is(json::kind::object))
      return bad(fmt::format("--arguments: must be a JSON object: {}", raw.arguments));
    auto call = make_call(tool, raw.arguments);
    call.spread = raw.spread;
    if (!raw.expect.empty())
      call.expect = raw.expect;
    run.work.operations = {std::move(call)};
  }
  if (raw.no_expect)
    for (auto& one : run.work.operations)
      one.expect.clear();
  if (raw.think_ms > 0)
    run.work.think = {raw.think_ms, false};
  if (raw.calls_per_session > 0)
    run.work.calls_per_session = raw.calls_per_session;
  if (raw.subscribers > 0)
    run.work.subscribers.count = raw.subscribers;
  return {};
}

result<> choose_pace(const raw_options& raw, run_options& run) {
  if (raw.rate > 0 && !raw.stages.empty())
    return bad("--rate and --stages: choose one");
  if (!raw.stages.empty()) {
    auto stages = parse_stages(raw.stages);
    if (!stages)
      return std::unexpected(stages.error());
    run.stages = std::move(*stages);
    run.seconds = 0;
    for (const auto& one : run.stages) {
      run.seconds += one.seconds;
      if (one.connections > run.connections)
        return bad(fmt::format("--stages: {} connections, and --connections is {}", one.connections,
                               run.connections));
    }
  } else if (raw.rate > 0) {
    run.stages = {{run.seconds, raw.rate, raw.rate, 0}};
  }
  run.spacing = raw.arrivals == "poisson" ? arrivals::poisson : arrivals::even;
  run.reactor = raw.reactor == "epoll"      ? net::reactor_kind::epoll
                : raw.reactor == "io_uring" ? net::reactor_kind::io_uring
                                            : net::reactor_kind::automatic;
  return {};
}

result<> check_together(const run_options& run) {
  if (run.threads > run.connections)
    return bad("--threads: more than --connections");
  for (const auto& line : run.headers)
    if (const auto colon = line.find(':'); colon == std::string::npos ||
                                           !http::is_token(line.substr(0, colon)) ||
                                           !http::is_field_value(line.substr(colon + 1)))
      return bad(fmt::format("--header: not 'NAME: VALUE': {}", line));
  const bool http_session = run.to.has_session() && run.to.over == transport::http;
  if (run.idle_sessions > 0 && !http_session)
    return bad("--idle-sessions needs Streamable HTTP with sessions");
  if (run.session == session_scope::shared && !http_session)
    return bad("--session shared needs Streamable HTTP with sessions");
  if (run.in_flight > 1 && run.to.over == transport::http)
    return bad(
        "--in-flight is for stdio, HTTP+SSE and WebSocket: a connection of Streamable HTTP has one "
        "call at a time; give it more --connections");
  if (run.work.calls_per_session > 0 && (!http_session || run.session == session_scope::shared))
    return bad("calls per session need Streamable HTTP with a session for each connection");
  if (run.work.subscribers.count > 0 && (run.to.over != transport::http || run.to.blind))
    return bad("subscribers need Streamable HTTP and an era");
  if (run.work.think.mean_ms > 0 && run.open_loop())
    return bad("think time is for a closed loop: an open one has its rate");
  return {};
}

} // namespace

net::connect_options connect_options_of(const run_options& run) {
  net::connect_options out;
  out.to = run.to.at;
  if (run.to.tls)
    out.tls = net::tls_client_options{.verify = run.verify_tls,
                                      .server_name = run.to.at.host,
                                      .ca_file = run.ca_file,
                                      .certificate_file = {},
                                      .key_file = {}};
  return out;
}

result<options> parse_options(int argc, char** argv, std::optional<int>& exit_code) {
  options out;
  raw_options raw;
  capacity_bounds bounds;
  CLI::App app{description, "nexus-bench"};
  app.footer(examples);
  app.get_formatter()->column_width(34);
  add_target(app, raw, out.run);
  add_workload(app, raw, out.run);
  add_pace(app, raw, out.run);
  add_output(app, raw, out, bounds);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    exit_code = app.exit(problem) == 0 ? 0 : 1;
    return out;
  }
  out.run.session = raw.session == "shared" ? session_scope::shared : session_scope::connection;
  for (const auto& chosen : {choose_target(raw, out.run.to), choose_pace(raw, out.run),
                             choose_work(raw, out.run), check_together(out.run)})
    if (!chosen)
      return std::unexpected(chosen.error());
  out.run.verify_tls = !raw.insecure;
  out.run.progress = !raw.no_progress;
  out.json = raw.format == "json";
  if (raw.find_capacity) {
    if (!raw.stages.empty() || out.run.work.think.mean_ms > 0)
      return bad("--find-capacity makes its own rates: without --stages and think time");
    bounds.first_rate = raw.rate;
    out.capacity = bounds;
  }
  return out;
}

} // namespace nexus::load
