// Schedules, histograms, workload files, requests, answers, bisection and reports; without I/O.

#include <catch2/catch.hpp>
#include <cmath>
#include <fmt/format.h>

#include "bench/load/answer.hpp"
#include "bench/load/capacity.hpp"
#include "bench/load/histogram.hpp"
#include "bench/load/pacer.hpp"
#include "bench/load/plot.hpp"
#include "bench/load/report.hpp"
#include "bench/load/request_set.hpp"
#include "bench/load/workload.hpp"
#include "json/walk.hpp"

namespace nexus::load {
namespace {

std::vector<std::int64_t> all_due(pacer& of) {
  std::vector<std::int64_t> out;
  for (; of.due_ns(); of.advance())
    out.push_back(*of.due_ns());
  return out;
}

json::slice parsed(std::string& text) {
  static json::scanner scanner;
  json::ensure_padding(text);
  const auto value = scanner.validate(text);
  REQUIRE(value);
  return *value;
}

// ---- Histogram ---------------------------------------------------------------------------------

TEST_CASE("a histogram's quantiles are at most 0.8 % too high") {
  histogram times;
  for (std::int64_t i = 1; i <= 100'000; ++i)
    times.record(i * 1000);
  for (const double quantile : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = quantile * 100'000;
    CHECK(times.quantile_us(quantile) >= exact);
    CHECK(times.quantile_us(quantile) <= exact * 1.008 + 1);
  }
  CHECK(times.max_us() == 100'000);
  CHECK(times.min_us() == 1);
  CHECK(times.mean_us() == Approx(50'000.5));
  CHECK(times.quantile_us(1) == 100'000);
}

TEST_CASE("histograms add up, and hold every time") {
  histogram low, high;
  low.record(-5);
  low.record(3000);
  high.record(std::int64_t{1} << 62);
  low.merge(high);
  CHECK(low.count() == 3);
  CHECK(low.min_us() == 0);
  CHECK(low.quantile_us(0.99) == Approx(std::ldexp(1.0, 62) / 1000));
  CHECK(histogram{}.quantile_us(0.5) == 0);
}

// ---- Pacer -------------------------------------------------------------------------------------

TEST_CASE("even arrivals keep their rate, and threads interleave") {
  std::vector<std::int64_t> merged;
  for (unsigned share = 0; share < 3; ++share) {
    pacer one({{1, 300, 300, 0}}, arrivals::even, share, 3, 1);
    const auto due = all_due(one);
    CHECK(due.size() == 100);
    merged.insert(merged.end(), due.begin(), due.end());
  }
  std::sort(merged.begin(), merged.end());
  REQUIRE(merged.size() == 300);
  for (std::size_t i = 0; i < merged.size(); ++i)
    CHECK(std::abs(merged[i] - static_cast<std::int64_t>(i) * 1'000'000'000 / 300) <= 1);
}

TEST_CASE("a ramp has the calls of its mean rate, denser towards its higher end") {
  for (const auto& [from, to] : {std::pair{0.0, 1000.0}, std::pair{1000.0, 0.0}}) {
    pacer ramp({{2, from, to, 0}, {1, 500, 500, 0}}, arrivals::even, 0, 1, 1);
    const auto due = all_due(ramp);
    CHECK(ramp.end_ns() == 3'000'000'000);
    CHECK(due.size() == 1500);
    CHECK(std::is_sorted(due.begin(), due.end()));
    const auto first =
        std::count_if(due.begin(), due.end(), [](std::int64_t at) { return at < 1'000'000'000; });
    CHECK(std::abs(static_cast<int>(first) - (from < to ? 250 : 750)) <= 1);
    CHECK(due[1000] == 2'000'000'000);
  }
}

TEST_CASE("Poisson arrivals have the rate on average and the spread of an exponential") {
  pacer poisson({{100, 1000, 1000, 0}}, arrivals::poisson, 0, 1, 7);
  const auto due = all_due(poisson);
  CHECK(std::abs(static_cast<double>(due.size()) - 100'000) < 4 * std::sqrt(100'000));
  std::size_t long_gaps = 0;
  for (std::size_t i = 1; i < due.size(); ++i)
    long_gaps += due[i] - due[i - 1] > 1'000'000 ? 1 : 0;
  // A gap longer than the mean one has the probability 1/e.
  CHECK(static_cast<double>(long_gaps) / static_cast<double>(due.size()) ==
        Approx(std::exp(-1)).epsilon(0.02));
}

TEST_CASE("stages are read, and what is wrong with them is named") {
  const auto stages = parse_stages("100-2000:10,2000:60");
  REQUIRE(stages);
  REQUIRE(stages->size() == 2);
  CHECK((*stages)[0].from_rate == 100);
  CHECK((*stages)[0].to_rate == 2000);
  CHECK((*stages)[1].seconds == 60);
  CHECK(stages_text(*stages) == "100-2000:10,2000:60");
  const auto steps = parse_stages("1c:2,8c:3");
  REQUIRE(steps);
  CHECK(connections_at(*steps, 0) == 1);
  CHECK(connections_at(*steps, 2'000'000'000) == 8);
  CHECK(connections_at(*steps, 60'000'000'000) == 8);
  CHECK(stages_text(*steps) == "1c:2,8c:3");
  for (const auto* text : {"100", "100:0", "x:1", "-5:1", "0:1", "1.5c:1", "8c:1,100:1", "5:1,,"}) {
    INFO(text);
    CHECK_FALSE(parse_stages(text));
  }
}

// ---- Workload ----------------------------------------------------------------------------------

TEST_CASE("a workload file says what is asked and how often") {
  const auto read = parse_workload(R"({
    "think_time_ms": {"mean": 20, "distribution": "exponential"}, "calls_per_session": 50,
    "subscribers": {"count": 3, "resources": ["memo://a"]},
    "operations": [
      {"op": "call", "tool": "echo", "arguments": {"text": "$ID $PAD"}, "bytes": [10, 1000],
       "weight": 7.5},
      {"op": "list", "what": "resources"}, {"op": "read", "uri": "memo://$N", "spread": 9},
      {"op": "search", "query": "a \"quoted\" word", "expect": "score"}, {"op": "ping"},
      {"op": "prompt", "prompt": "p"}, {"op": "request", "method": "x/y", "params": {"a": 1}}]})",
                                   "mix.json");
  REQUIRE(read);
  CHECK(read->think.mean_ms == 20);
  CHECK(read->think.exponential);
  CHECK(read->calls_per_session == 50);
  CHECK(read->subscribers.count == 3);
  CHECK(read->subscribers.resources == std::vector<std::string>{"memo://a"});
  REQUIRE(read->operations.size() == 7);
  const auto& call = read->operations[0];
  CHECK(call.weight == 7.5);
  CHECK(call.expect == "$ID");
  CHECK(call.pad_bytes == std::vector<std::size_t>{10, 1000});
  CHECK(read->operations[1].member == "resources");
  CHECK(read->operations[2].spread == 9);
  CHECK(read->operations[3].params ==
        R"({"name":"search-tools","arguments":{"query":"a \"quoted\" word"}})");
  CHECK(read->operations[3].expect == "score");
  CHECK(read->operations[6].method == "x/y");
}

TEST_CASE("mistakes in a workload file are named with their place") {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "mix.json"},
      {"[]", "must be an object"},
      {R"({"operations":[]})", "at least one"},
      {R"({"operation":[]})", "did you mean \"operations\""},
      {R"({"operations":[{"op":"call"}]})", "operation 1: \"tool\" is missing"},
      {R"({"operations":[{"op":"ping"},{"op":"cal"}]})", "operation 2: unknown \"op\": cal"},
      {R"({"operations":[{"op":"ping","wieght":1}]})", "did you mean \"weight\""},
      {R"({"operations":[{"op":"ping","weight":-1}]})", "must be a number"},
      {R"({"operations":[{"op":"ping","weight":0}]})", "weight above 0"},
      {R"({"operations":[{"op":"ping","spread":1.5}]})", "whole number"},
      {R"({"operations":[{"op":"list","what":"x"}]})", "must be one of"},
      {R"({"operations":[{"op":"ping"}],"think_time_ms":"1"})", "must be a number"},
      {R"({"operations":[{"op":"call","tool":"x","arguments":[]}]})", "must be an object"},
      {R"({"operations":[{"op":"ping"}],"subscribers":{"resources":"x"}})", "list of strings"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    const auto read = parse_workload(text, "mix.json");
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().message, Catch::Contains(expected));
    CHECK_THAT(read.error().message, Catch::Contains("mix.json"));
  }
}

// ---- Requests ----------------------------------------------------------------------------------

target http_target(mcp::revision revision) {
  target to;
  to.revision = revision;
  REQUIRE(parse_url("http://127.0.0.1:3000/mcp", to));
  return to;
}

TEST_CASE("URLs are taken apart") {
  target to;
  REQUIRE(parse_url("https://example.org/a?b#c", to));
  CHECK(to.tls);
  CHECK(to.at.port == 443);
  CHECK(to.path == "/a?b");
  CHECK(to.authority == "example.org");
  REQUIRE(parse_url("http://[::1]:8080", to));
  CHECK(to.at.host == "::1");
  CHECK(to.at.port == 8080);
  CHECK(to.path == "/");
  CHECK(to.over == transport::http);
  REQUIRE(parse_url("ws://h/ws", to));
  CHECK(to.over == transport::websocket);
  CHECK((!to.tls && to.at.port == 80));
  CHECK(to.to_string() == "ws://h/ws (2025-11-25)");
  REQUIRE(parse_url("wss://h/ws", to));
  CHECK((to.tls && to.at.port == 443));
  for (const auto* text :
       {"ftp://x/", "wsx://x/", "127.0.0.1:80", "http://", "http://x:99999/", "http://x/ y"}) {
    INFO(text);
    CHECK_FALSE(parse_url(text, to));
  }
}

TEST_CASE("placeholders are filled, and longer names left alone") {
  CHECK(expand("$N $NAME $PADDING a$N", 12, 3) == "12 $NAME $PADDING a12");
  CHECK(expand("b${N}__echo ${NAME} $N_", 7, 0) == "b7__echo ${NAME} $N_");
  CHECK(expand("<$PAD>", 1, 5).size() == 7);
  std::string out = "x";
  id_template("a $ID b $IDS $ID").append_to(out, id_text(1'234'567'890));
  CHECK(out == "xa 1234567890 b $IDS 1234567890");
}

TEST_CASE("every request is a message with its id, in its dialect") {
  workload work;
  work.operations = {make_call("tool_$N", R"({"text":"$ID"})")};
  work.operations[0].spread = 2;
  for (const auto revision : {mcp::newest_legacy, mcp::newest_modern}) {
    request_set set(work, http_target(revision), {"X-Extra: 1"}, 1);
    for (const auto* tool : {"tool_1", "tool_2", "tool_1"}) {
      std::string wire;
      set.next().bytes->append_to(wire, id_text(5'000'000'001));
      const auto head_end = wire.find("\r\n\r\n");
      REQUIRE(head_end != std::string::npos);
      const auto head = wire.substr(0, head_end);
      auto body = wire.substr(head_end + 4);
      CHECK_THAT(head, Catch::Contains(fmt::format("Content-Length: {}", body.size())));
      CHECK_THAT(head, Catch::Contains("X-Extra: 1"));
      CHECK_THAT(head,
                 Catch::Contains("MCP-Protocol-Version: " + std::string(mcp::to_string(revision))));
      const bool modern = revision == mcp::newest_modern;
      CHECK((head.find(fmt::format("Mcp-Name: {}", tool)) != std::string::npos) == modern);
      const auto root = parsed(body);
      CHECK(json::find_member(root, "id").raw == "5000000001");
      const auto params = json::find_member(root, "params");
      CHECK(json::find_member(params, "name").raw == fmt::format("\"{}\"", tool));
      CHECK(json::find_member(params, "arguments").raw == R"({"text":"5000000001"})");
      CHECK(static_cast<bool>(json::find_member(params, "_meta")) == modern);
    }
  }
}

TEST_CASE("the envelope also goes where there are no params") {
  const auto to = http_target(mcp::newest_modern);
  for (const auto* params : {"", "{}", "{ }", R"({"a":1})"}) {
    auto body = request_body(to, "1", "ping", params);
    INFO(body);
    CHECK(json::find_member(json::find_member(parsed(body), "params"), "_meta"));
  }
}

TEST_CASE("operations come by their weights") {
  workload work;
  work.operations = {make_call("a", "{}"), make_call("b", "{}"), make_call("c", "{}")};
  work.operations[0].weight = 3;
  work.operations[1].weight = 0;
  request_set set(work, http_target(mcp::newest_legacy), {}, 5);
  std::array<int, 3> seen{};
  for (int i = 0; i < 10'000; ++i)
    ++seen[set.next().what->index];
  CHECK(seen[1] == 0);
  CHECK(seen[0] == Approx(7500).epsilon(0.05));
}

// ---- Answers -----------------------------------------------------------------------------------

TEST_CASE("answers are judged") {
  prepared_operation call;
  call.expect = id_template("$ID");
  prepared_operation list;
  list.member = "tools";
  prepared_operation worded;
  worded.expect = id_template("done");
  const std::tuple<const prepared_operation*, const char*, std::optional<error_class>> cases[] = {
      {&call, R"({"id":5000000001,"result":{"x":"a 5000000001"}})", std::nullopt},
      {&call, R"({"id":5000000001,"result":{"x":"a 5000000002"}})", error_class::stranger},
      {&call, R"({"id":5000000001,"result":{"x":"a 500000000"}})", error_class::content},
      {&call, R"({"id":5000000001,"result":{"isError":true,"x":"5000000001"}})", error_class::tool},
      {&call, R"({"id":5000000001,"result":{"x":{"isError":true},"y":5000000001}})", std::nullopt},
      {&call, R"({"id":5000000001,"error":{"code":-1,"message":""}})", error_class::rpc},
      {&call, R"({"id":5000000001})", error_class::protocol},
      {&call, R"({"id":5000000001,"result":null})", error_class::protocol},
      {&list, R"({"id":5000000001,"result":{"tools":[]}})", std::nullopt},
      {&list, R"({"id":5000000001,"result":{"tools":{}}})", error_class::tool},
      {&list, R"({"id":5000000001,"result":{}})", error_class::tool},
      {&worded, R"({"id":5000000001,"result":{"x":"done"}})", std::nullopt},
      {&worded, R"({"id":5000000001,"result":{"x":"1234567890"}})", error_class::content},
  };
  answer_reader reader;
  for (const auto& [operation, text, expected] : cases) {
    std::string padded = text;
    INFO(padded);
    json::ensure_padding(padded);
    const auto message = reader.read(padded);
    REQUIRE(message);
    CHECK(message->id.raw == "5000000001");
    CHECK(reader.judge(*message, id_text(5'000'000'001), *operation) == expected);
  }
  for (std::string text : {"", "[]", "{", "garbage", "{\"a\":1}}"}) {
    json::ensure_padding(text);
    CHECK_FALSE(reader.read(text));
  }
}

// ---- Capacity ----------------------------------------------------------------------------------

attempt_rate server_of(double capacity) {
  return [capacity](double rate) -> result<trial> {
    trial out;
    out.rate = rate;
    out.carried = rate <= capacity;
    return out;
  };
}

TEST_CASE("bisection finds a capacity from either side") {
  for (const double capacity : {1.0, 37.0, 999.0, 5000.0, 1e6})
    for (const double first : {0.0, 1.0, 1000.0, 1e7}) {
      INFO(capacity << " from " << first);
      const auto trials = bisect_capacity(first, 0.02, server_of(capacity));
      REQUIRE(trials);
      CHECK(best_rate(*trials) <= capacity);
      CHECK(best_rate(*trials) >= capacity / 1.021);
      CHECK(trials->size() < 60);
    }
}

TEST_CASE("a server that carries nothing has no capacity, and a failure ends the search") {
  const auto none = bisect_capacity(1000, 0.05, server_of(0));
  REQUIRE(none);
  CHECK(best_rate(*none) == 0);
  int attempts = 0;
  const auto failing = bisect_capacity(1000, 0.05, [&attempts](double) -> result<trial> {
    ++attempts;
    return fail(std::make_error_code(std::errc::connection_refused), "gone");
  });
  CHECK_FALSE(failing);
  CHECK(attempts == 1);
}

run_report report_of(double rate, std::uint64_t calls, std::int64_t latency_ns) {
  run_report out(recorder(1, 10));
  out.rate = rate;
  out.seconds = 10;
  out.seen.calls = calls;
  for (int i = 0; i < 100; ++i) {
    out.seen.latency.record(latency_ns);
    out.seen.seconds[static_cast<std::size_t>(i) / 10].latency.record(latency_ns);
  }
  return out;
}

TEST_CASE("a trial is carried when it kept every bound") {
  const capacity_bounds bounds{.p99_ms = 5, .errors_share = 0.01};
  CHECK(judge_trial(report_of(1000, 10'000, 1'000'000), bounds).carried);
  CHECK_FALSE(judge_trial(report_of(1000, 10'000, 6'000'000), bounds).carried);
  CHECK_FALSE(judge_trial(report_of(1000, 9000, 1'000'000), bounds).carried);
  auto wrong = report_of(1000, 10'000, 1'000'000);
  for (int i = 0; i < 90; ++i)
    wrong.seen.errors.add(error_class::http, "x");
  CHECK(judge_trial(wrong, bounds).carried);
  for (int i = 0; i < 90; ++i)
    wrong.seen.refusal.record(1);
  CHECK_FALSE(judge_trial(wrong, bounds).carried);
}

// ---- Reports -----------------------------------------------------------------------------------

TEST_CASE("reports tell what was found") {
  run_options run;
  run.to = http_target(mcp::newest_legacy);
  run.work.operations = {make_call("<echo>", R"({"text":"$ID"})")};
  auto found = report_of(1000, 9990, 2'000'000);
  found.reactor = "epoll";
  found.watched_cpu_us = {9990};
  found.watched_rss_bytes = {1024 * 1024};
  run.watched = {42};
  found.seen.errors.add(error_class::stranger, "a \"quoted\" <answer>");
  found.seen.subscribers.notifications = {3, 5};
  const std::vector<trial> trials = {{1000, 999, 2000, 0, true, ""},
                                     {2000, 1500, 9e5, 0, false, "p99 is high"}};
  const report_input input{run, found, trials};

  auto text = json_report(input);
  const auto root = parsed(text);
  const auto value = [&root](std::string_view key) { return json::find_member(root, key).raw; };
  CHECK(value("calls") == "9990");
  CHECK(value("rps") == "999.0");
  CHECK(value("errors") == "1");
  CHECK(value("cpu_us_per_call") == "1.00");
  CHECK(value("rss_mib") == "1.00");
  CHECK(value("capacity_rps") == "1000.0");
  CHECK(std::stod(std::string(value("p99_us"))) == Approx(2000).epsilon(0.01));
  CHECK(json::find_member(json::find_member(root, "errors_by_kind"), "stranger").raw == "1");
  CHECK(json::find_member(json::find_member(root, "subscribers"), "notifications").raw == "8");
  CHECK(json::unquote(json::find_member(root, "first_error")) == "stranger: a \"quoted\" <answer>");

  const auto lines = text_report(input);
  for (const auto* part : {"9990 right", "1 stranger", "capacity   1000", "3 to 5 each", "p99"})
    CHECK_THAT(lines, Catch::Contains(part));

  const auto page = html_report(input);
  CHECK_THAT(page, Catch::Contains("prefers-color-scheme: dark"));
  CHECK_THAT(page, Catch::Contains("&lt;echo&gt;"));
  CHECK_THAT(page, !Catch::Contains("<echo>"));
  CHECK_THAT(page, !Catch::Contains("nan") && !Catch::Contains("inf\""));
  std::size_t plots = 0;
  for (auto at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1))
    ++plots;
  CHECK(plots == 4);
  for (const auto* elsewhere : {"src=", "href=", "@import", "url("})
    CHECK_THAT(page, !Catch::Contains(elsewhere));
}

TEST_CASE("a report of nothing has no plots that break") {
  run_options run;
  run.to = http_target(mcp::newest_legacy);
  run.work.operations = {make_call("echo", "{}")};
  run_report found(recorder(1, 1));
  found.seconds = 0.5;
  const auto page = html_report({run, found, {}});
  CHECK_THAT(page, !Catch::Contains("nan") && !Catch::Contains("inf,"));
}

TEST_CASE("axes are divided at round numbers") {
  CHECK(round_steps(0, 100, 5) == std::vector<double>{0, 20, 40, 60, 80, 100});
  CHECK(round_steps(0, 7, 5) == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(round_steps(3, 3, 5) == std::vector<double>{3});
}

} // namespace
} // namespace nexus::load
