#include <mutex>

#include "http_script.hpp"
#include "support.hpp"

using namespace nexus;
using namespace nexus::cli;
using Catch::Matchers::Contains;
using test::http_script;

namespace {

constexpr std::string_view readers =
    R"({"id":"readers","state":"ready","generation":2,"source":"api","address":"/v/readers/mcp",)"
    R"("created":"2026-11-21T10:00:00Z","expires":"2026-11-22T10:00:00Z","tools":12,)"
    R"("inFlight":1,"definition":{"id":"readers","select":[{"readOnly":true}]}})";
constexpr std::string_view odd =
    R"({"id":"odd","state":"draining\u001b[2J","generation":1,"source":"configuration",)"
    R"("address":"/v/odd/mcp","created":"2026-11-21T10:00:00Z","inFlight":0,"definition":{}})";

constexpr std::string_view own =
    R"({"id":"own","state":"ready","generation":1,"source":"api","address":"/v/own/mcp",)"
    R"("port":9100,"created":"2026-11-21T10:00:00Z","inFlight":0,"definition":{"port":"auto"}})";

/// A gateway's /api/v1/vmcps. Answers `next` once where it is set.
class fake_vmcps {
 public:
  [[nodiscard]] std::string url() const { return "http://" + script_.address().to_string(); }
  [[nodiscard]] std::string at() const { return script_.address().to_string(); }
  [[nodiscard]] std::vector<std::string> requests() const { return script_.requests(); }
  [[nodiscard]] std::string sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  void answer_next(std::string answer) {
    const std::lock_guard lock(mutex_);
    next_ = std::move(answer);
  }

 private:
  static std::string json(unsigned status, std::string_view body) {
    return test::respond(status, "application/json", std::string(body) + "\n");
  }

  std::string serve(const http::request& request) {
    const std::lock_guard lock(mutex_);
    sent_ = request.body;
    if (!next_.empty())
      return std::exchange(next_, {});
    const std::string asked = request.verb_text + " " + request.target;
    if (asked == "GET /api/v1/vmcps")
      return json(200, R"({"vmcps":[)" + std::string(readers) + "," + std::string(odd) + "]}");
    if (asked == "POST /api/v1/vmcps")
      return json(201, readers);
    if (asked == "GET /api/v1/vmcps/readers" || asked == "PUT /api/v1/vmcps/readers")
      return json(200, readers);
    if (asked == "PUT /api/v1/vmcps/readers?generation=1")
      return json(409, R"({"error":"virtual MCP 'readers' is of generation 2 by now"})");
    if (asked == "DELETE /api/v1/vmcps/readers")
      return json(202, readers);
    if (asked == "GET /api/v1/vmcps/events?after=0")
      return json(200, R"({"events":[{"sequence":3,"time":"2026-11-21T10:00:00Z",)"
                       R"("id":"readers","what":"ready"}],"next":3})");
    if (request.target.starts_with("/api/v1/vmcps/events"))
      return json(200, R"({"events":[],"next":3})");
    return json(404, R"({"error":"there is no virtual MCP"})");
  }

  mutable std::mutex mutex_;
  std::string next_, sent_;
  http_script script_{[this](const http::request& request) { return serve(request); }};
};

} // namespace

TEST_CASE("vmcp list prints a table", "[cli][vmcp]") {
  fake_vmcps nexus;
  test::world w;
  CHECK(w.run({"vmcp", "list", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() ==
        "ID       STATE            GENERATION  IN FLIGHT  SOURCE         ADDRESS         EXPIRES\n"
        "readers  ready                     2          1  api            /v/readers/mcp  "
        "2026-11-22T10:00:00Z\n"
        "odd      draining\\x1b[2J           1          0  configuration  /v/odd/mcp      -\n");
  CHECK(w.run({"vmcp", "list", "--json", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Catch::Matchers::StartsWith(R"({"vmcps":[{"id":"readers",)") &&
                              Catch::Matchers::EndsWith("]}\n"));
  nexus.answer_next(test::respond_json(R"({"vmcps":[]})"));
  CHECK(w.run({"vmcp", "list", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str().empty());
  CHECK_THAT(w.err.str(), Contains("nexus vmcp create"));
}

TEST_CASE("vmcp show prints one with its definition", "[cli][vmcp]") {
  const fake_vmcps nexus;
  test::world w;
  w.env.variables["NEXUS_ADDRESS"] = nexus.at();
  CHECK(w.run({"vmcp", "show", "readers"}) == exit_ok);
  CHECK(w.out.str() == "id          readers\n"
                       "state       ready\n"
                       "address     http://" +
                           nexus.at() +
                           "/v/readers/mcp\n"
                           "tools       12\n"
                           "in flight   1\n"
                           "generation  2\n"
                           "source      api\n"
                           "created     2026-11-21T10:00:00Z\n"
                           "expires     2026-11-22T10:00:00Z\n"
                           "definition  {\n"
                           "  \"id\": \"readers\",\n"
                           "  \"select\": [\n    {\n      \"readOnly\": true\n    }\n  ]\n}\n");
  CHECK(w.run({"vmcp", "show", "readers", "--json"}) == exit_ok);
  CHECK(w.out.str() == std::string(readers) + "\n");
}

TEST_CASE("vmcp tells the port that one has for itself", "[cli][vmcp]") {
  fake_vmcps nexus;
  test::world w;
  const auto host = nexus.at().substr(0, nexus.at().rfind(':'));
  nexus.answer_next(test::respond_json(R"({"vmcps":[)" + std::string(own) + "]}"));
  CHECK(w.run({"vmcp", "list", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("/v/own/mcp, :9100/mcp"));
  nexus.answer_next(test::respond_json(std::string(own)));
  CHECK(w.run({"vmcp", "show", "own", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("address     http://" + host + ":9100/mcp\n") &&
                              Contains("port        9100\n"));
  nexus.answer_next(test::respond_json(
      R"({"events":[{"sequence":3,"time":"2026-11-21T10:00:00Z","id":"own","what":"ready",)"
      R"("port":9100}],"next":3})"));
  CHECK(w.run({"vmcp", "events", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("ready, port 9100"));
  nexus.answer_next(test::respond_json(
      R"({"id":"odd","state":"ready","portProblem":"port 80 cannot be had: permission denied",)"
      R"("definition":{"port":80}})"));
  CHECK(w.run({"vmcp", "show", "odd", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("no port     port 80 cannot be had"));
}

TEST_CASE("vmcp names the nearest ids to one that is not there", "[cli][vmcp]") {
  const fake_vmcps nexus;
  test::world w;
  w.files["a.json"] = "{}";
  for (std::vector<std::string> command : {std::vector<std::string>{"show", "reader"},
                                           {"update", "reader", "a.json"},
                                           {"delete", "reader"}}) {
    command.insert(command.begin(), "vmcp");
    command.insert(command.end(), {"--url", nexus.url()});
    CHECK(w.run(command) == exit_failed);
    CHECK_THAT(w.err.str(), Contains("there is no virtual MCP 'reader'; did you mean readers"));
    CHECK(w.out.str().empty());
  }
  CHECK(w.run({"vmcp", "show", "a/../b?c", "--url", nexus.url()}) == exit_failed);
  CHECK(nexus.requests()[nexus.requests().size() - 2] == "GET /api/v1/vmcps/a%2F..%2Fb%3Fc");
}

TEST_CASE("vmcp create sends a file or stdin as it is", "[cli][vmcp]") {
  const fake_vmcps nexus;
  test::world w;
  w.files["a.json"] = "{\"id\": \"readers\"} // a comment\n";
  CHECK(w.run({"vmcp", "create", "a.json", "--url", nexus.url()}) == exit_ok);
  CHECK(nexus.sent() == w.files["a.json"]);
  CHECK(w.out.str() ==
        "created readers: generation 2 at http://" + nexus.at() + "/v/readers/mcp\n");
  w.in.str(R"({"id": "readers"})");
  CHECK(w.run({"vmcp", "create", "-", "--json", "--url", nexus.url()}) == exit_ok);
  CHECK(nexus.sent() == R"({"id": "readers"})");
  CHECK(w.out.str() == std::string(readers) + "\n");
  const auto before = nexus.requests().size();
  CHECK(w.run({"vmcp", "create", "missing.json", "--url", nexus.url()}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("'missing.json' cannot be read"));
  CHECK(nexus.requests().size() == before);
}

TEST_CASE("vmcp update replaces a generation and no other", "[cli][vmcp]") {
  const fake_vmcps nexus;
  test::world w;
  w.files["a.json"] = R"({"select": []})";
  CHECK(w.run({"vmcp", "update", "readers", "a.json", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("updated readers: generation 2"));
  CHECK(nexus.sent() == R"({"select": []})");
  CHECK(w.run({"vmcp", "update", "readers", "a.json", "--generation", "1", "--url", nexus.url()}) ==
        exit_failed);
  CHECK_THAT(w.err.str(), Contains("is of generation 2 by now"));
}

TEST_CASE("vmcp delete says what is left to do", "[cli][vmcp]") {
  const fake_vmcps nexus;
  test::world w;
  CHECK(w.run({"vmcp", "delete", "readers", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() == "deleted readers: ready, 1 calls in flight\n");
}

TEST_CASE("vmcp events prints what has happened", "[cli][vmcp]") {
  const fake_vmcps nexus;
  test::world w;
  CHECK(w.run({"vmcp", "events", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() == "SEQUENCE  TIME                  ID       WHAT\n"
                       "       3  2026-11-21T10:00:00Z  readers  ready\n");
  CHECK(w.run({"vmcp", "events", "--after", "3", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str().empty());
  CHECK_THAT(w.err.str(), Contains("nothing has happened since"));
  CHECK(w.run({"vmcp", "events", "--after", "3", "--json", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() == "{\"events\":[],\"next\":3}\n");
}

TEST_CASE("vmcp tells refusals and other failures by text and exit code", "[cli][vmcp]") {
  fake_vmcps nexus;
  test::world w;
  w.files["a.json"] = "{}";
  const auto create = [&] { return w.run({"vmcp", "create", "a.json", "--url", nexus.url()}); };
  nexus.answer_next(test::respond(400, "application/json", R"({"error":"the definition needs"})"));
  CHECK(create() == exit_failed);
  CHECK_THAT(w.err.str(), Contains("error: the definition needs"));
  nexus.answer_next(test::respond(403, "text/plain", "this Host is not served\n"));
  CHECK(create() == exit_failed);
  CHECK_THAT(w.err.str(), Contains("this Host is not served"));
  for (const auto& rubbish :
       {test::respond(200, "text/html", "<h1>"), test::respond_json("[]"),
        test::respond_json("{broken"), test::respond(500, "application/json", "oops")}) {
    nexus.answer_next(rubbish);
    CHECK(create() == exit_unreachable);
  }
  nexus.answer_next(std::string(http_script::silence));
  CHECK(w.run({"vmcp", "list", "--timeout", "50ms", "--url", nexus.url()}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("--timeout"));
}
