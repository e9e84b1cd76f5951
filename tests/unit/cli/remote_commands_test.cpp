#include <mutex>
#include <type_traits>

#include "cli/gateway_client.hpp"
#include "gateway/classify.hpp"
#include "http_script.hpp"
#include "mcp/message.hpp"
#include "support.hpp"

using namespace nexus;
using namespace nexus::cli;
using Catch::Matchers::Contains;
using test::http_script;

namespace {

constexpr std::string_view rows = R"([
  {"name":"files","state":"ready","transport":"stdio","era":"legacy","revision":"2025-11-25",
   "pid":42,"tools":2,"restarts":1},
  {"name":"search","state":"down","transport":"http","tools":0,"restarts":0,
   "error":"refused\u001b[2J"}])";

std::string answer(std::string_view result) {
  return test::respond_json(R"({"jsonrpc":"2.0","id":1,"result":)" + std::string(result) + "}");
}

std::string failure(int code, std::string_view message) {
  return test::respond(200, "application/json",
                       R"({"jsonrpc":"2.0","id":1,"error":{"code":)" + std::to_string(code) +
                           R"(,"message":")" + std::string(message) + R"("}})");
}

/// What a fake gateway answers, and what it saw.
struct nexus_state {
  std::string servers{rows};
  std::size_t connecting = 0; ///< requests for the servers that find "files" connecting
  std::string all_tools =
      R"({"tools":[{"name":"files__read","description":"Reads.\nAt length."}],"nextCursor":"p2"})";
  std::string all_tools_2 =
      R"({"tools":[{"name":"search__find","title":"Find","_meta":{"dev.nexus/unavailable":true}}]})";
  std::string own_tools = R"({"tools":[{"name":"read"},{"name":"write"}]})";
  std::string call = answer(R"({"content":[{"type":"text","text":"hello"}]})");
  std::string problem;                   ///< what a request had wrong
  std::string call_name, call_arguments; ///< of the last call, as JSON text
};

/// A gateway as the commands see it. Every MCP request has to pass the real gateway's own check.
class fake_nexus {
 public:
  template <class Member>
  void set(Member nexus_state::*member, std::type_identity_t<Member> value) {
    const std::lock_guard lock(mutex_);
    state_.*member = std::move(value);
  }
  template <class Member>
  [[nodiscard]] Member get(Member nexus_state::*member) const {
    const std::lock_guard lock(mutex_);
    return state_.*member;
  }
  [[nodiscard]] std::string url() const { return "http://" + script_.address().to_string(); }
  [[nodiscard]] net::endpoint address() const { return script_.address(); }
  [[nodiscard]] std::vector<std::string> requests() const { return script_.requests(); }

 private:
  std::string serve(const http::request& request) {
    const std::lock_guard lock(mutex_);
    if (request.target == "/api/v1/servers")
      return test::respond_json(list_servers());
    if (request.target.starts_with("/s/") && !request.target.starts_with("/s/files/"))
      return test::respond(404, "text/plain", "no such server\n");
    std::string body = request.body;
    json::ensure_padding(body);
    json::scanner scanner;
    mcp::message message;
    if (auto parsed = mcp::parse_message(body, scanner, message); !parsed)
      return refuse(parsed.error().message);
    gateway::protocol_headers headers;
    headers.present = true;
    headers.protocol_version = request.headers.find("mcp-protocol-version");
    headers.method = request.headers.find("mcp-method");
    headers.name = request.headers.find("mcp-name");
    const auto classified = gateway::classify(message, headers);
    if (!classified || classified->era != mcp::era::modern)
      return refuse(classified ? "not modern" : classified.error().message);
    if (message.method == "tools/list")
      return list_tools(request, message);
    state_.call_name = message.params[mcp::param_key::name].raw;
    state_.call_arguments = message.params[mcp::param_key::arguments].raw;
    return state_.call;
  }

  std::string refuse(const std::string& problem) {
    state_.problem = problem;
    return test::respond(400, "text/plain", problem);
  }

  std::string list_servers() {
    if (state_.connecting == 0)
      return state_.servers;
    --state_.connecting;
    return R"([{"name":"files","state":"connecting"}])";
  }

  std::string list_tools(const http::request& request, const mcp::message& message) const {
    if (request.target != "/mcp")
      return answer(state_.own_tools);
    const bool further = message.params.has(mcp::param_key::cursor);
    return answer(further ? state_.all_tools_2 : state_.all_tools);
  }

  mutable std::mutex mutex_;
  nexus_state state_;
  http_script script_{[this](const http::request& request) { return serve(request); }};
};

} // namespace

TEST_CASE("servers prints a table", "[cli][servers]") {
  const fake_nexus nexus;
  test::world w;
  CHECK(w.run({"servers", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() == "NAME    STATE  TRANSPORT  REVISION    TOOLS  RESTARTS  PID  ERROR\n"
                       "files   ready  stdio      2025-11-25      2         1   42\n"
                       "search  down   http       -               0         0    -  "
                       "refused\\x1b[2J\n");
  CHECK(w.run({"servers", "--json", "--address", nexus.address().to_string()}) == exit_ok);
  CHECK(w.out.str() == std::string(rows) + "\n");
}

TEST_CASE("servers finds the gateway by NEXUS_ADDRESS", "[cli][servers]") {
  const fake_nexus nexus;
  test::world w;
  w.env.variables["NEXUS_ADDRESS"] = nexus.address().to_string();
  CHECK(w.run({"servers"}) == exit_ok);
  w.env.variables["NEXUS_ADDRESS"] = "nonsense";
  CHECK(w.run({"servers"}) == exit_usage);
  CHECK_THAT(w.err.str(), Contains("NEXUS_ADDRESS 'nonsense'"));
  CHECK(w.run({"servers", "--address", "https://x:1"}) == exit_usage);
}

TEST_CASE("a gateway that is not there has an exit code and a remedy", "[cli][servers]") {
  test::world w;
  std::string nowhere;
  {
    const auto listener = net::open_listener({"127.0.0.1", 0}).value();
    nowhere = net::local_endpoint(listener.get()).to_string();
  }
  for (std::vector<std::string> command :
       {std::vector<std::string>{"servers"}, {"tools"}, {"call", "a", "b"}}) {
    command.insert(command.end(), {"--address", nowhere});
    CHECK(w.run(command) == exit_unreachable);
    CHECK_THAT(w.err.str(), Contains(nowhere) && Contains("nexus serve"));
    CHECK(w.out.str().empty());
  }
}

TEST_CASE("what is no gateway is told apart", "[cli][servers]") {
  const http_script other(
      [](const http::request&) { return test::respond(404, "text/html", "<h1>Not found</h1>"); });
  test::world w;
  CHECK(w.run({"servers", "--address", other.address().to_string()}) == exit_unreachable);
  CHECK_THAT(w.err.str(), Contains("no Nexus gateway"));
  const http_script guarded([](const http::request&) {
    return test::respond(403, "text/plain", "this Host is not served\n");
  });
  CHECK(w.run({"servers", "--address", guarded.address().to_string()}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("this Host is not served"));
  const http_script odd([](const http::request&) { return test::respond_json("{}"); });
  CHECK(w.run({"servers", "--address", odd.address().to_string()}) == exit_unreachable);
}

TEST_CASE("tools follows the pages and marks what is down", "[cli][tools]") {
  const fake_nexus nexus;
  test::world w;
  CHECK(w.run({"tools", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() == "TOOL          DESCRIPTION\n"
                       "files__read   Reads.\n"
                       "search__find  (unavailable) Find\n");
  CHECK_THAT(w.err.str(), Contains("server 'search' is down: refused\\x1b[2J"));
  CHECK(nexus.get(&nexus_state::problem).empty());
  CHECK(w.run({"tools", "--json", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Catch::Matchers::StartsWith(R"([{"name":"files__read",)") &&
                              Contains(R"(},{"name":"search__find")"));
}

TEST_CASE("tools of one server have its own names", "[cli][tools]") {
  fake_nexus nexus;
  test::world w;
  CHECK(w.run({"tools", "--server", "files", "--url", nexus.url()}) == exit_ok);
  CHECK(w.out.str() == "TOOL   DESCRIPTION\nread\nwrite\n");
  CHECK(w.run({"tools", "--server", "fils", "--url", nexus.url()}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("there is no server 'fils'; did you mean files?"));
  nexus.set(&nexus_state::servers, R"([{"name":"files","state":"down","error":"gone"}])");
  nexus.set(&nexus_state::own_tools, R"({"tools":[]})");
  CHECK(w.run({"tools", "--server", "files", "--url", nexus.url()}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("server 'files' is down: gone"));
}

TEST_CASE("tools lists the others beside an odd definition", "[cli][tools]") {
  fake_nexus nexus;
  nexus.set(&nexus_state::own_tools,
            R"({"tools":[{"name":"odd","name":"odd"},{"name":"read","_meta":{"a":1,"a":2}}]})");
  test::world w;
  CHECK(w.run({"tools", "--server", "files", "--url", nexus.url()}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("cannot be read") && Contains("\nread\n"));
}

TEST_CASE("call sends a request that the gateway admits", "[cli][call]") {
  const fake_nexus nexus;
  test::world w;
  for (const std::string tool : {"read", "h\xc3\xa9 \"x\"", " padded ", "=?base64?eA==?="}) {
    CHECK(w.run({"call", "--url", nexus.url(), "files", tool, R"( {"path": "."} )"}) == exit_ok);
    CHECK(nexus.get(&nexus_state::problem).empty());
    CHECK(w.out.str() == "hello\n");
    CHECK(nexus.get(&nexus_state::call_arguments) == R"({"path": "."})");
  }
  CHECK(nexus.get(&nexus_state::call_name) == R"("=?base64?eA==?=")");
  CHECK(nexus.requests().back() == "POST /s/files/mcp");
  CHECK(w.run({"call", "--url", nexus.url(), "files", "read"}) == exit_ok);
  CHECK(nexus.get(&nexus_state::call_arguments) == "{}");
  w.in.str(R"({"from": "stdin"})");
  CHECK(w.run({"call", "--url", nexus.url(), "files", "read", "-"}) == exit_ok);
  CHECK(nexus.get(&nexus_state::call_arguments) == R"({"from": "stdin"})");
}

TEST_CASE("call refuses arguments that are no object before it connects", "[cli][call]") {
  test::world w;
  for (const std::string wrong : {"{broken", "[1]", "7", "{} {}", "{\"a\":\xff}"}) {
    CHECK(w.run({"call", "-a", "127.0.0.1:1", "files", "read", wrong}) == exit_usage);
    CHECK_THAT(w.err.str(), Contains("expected an object"));
  }
}

TEST_CASE("call tells failures by exit code and text", "[cli][call]") {
  fake_nexus nexus;
  test::world w;
  const auto call = [&](const std::string& server, const std::string& tool) {
    return w.run({"call", "--url", nexus.url(), server, tool});
  };
  nexus.set(&nexus_state::call,
            answer(R"({"content":[{"type":"text","text":"disk full"}],"isError":true})"));
  CHECK(call("files", "read") == exit_failed);
  CHECK(w.out.str().empty());
  CHECK(w.err.str() == "disk full\n");

  CHECK(call("flies", "read") == exit_failed);
  CHECK_THAT(w.err.str(), Contains("there is no server 'flies'; did you mean files?"));

  nexus.set(&nexus_state::call, failure(-32602, "unknown tool"));
  CHECK(call("files", "raed") == exit_failed);
  CHECK_THAT(w.err.str(), Contains("'files' named 'raed'; did you mean read"));
  CHECK(call("files", "files__write") == exit_failed);
  CHECK_THAT(w.err.str(), Contains("here it is called write"));

  nexus.set(&nexus_state::call, failure(-32603, "it broke"));
  CHECK(call("files", "read") == exit_failed);
  CHECK_THAT(w.err.str(), Contains("error: it broke"));
  CHECK(w.run({"call", "--json", "--url", nexus.url(), "files", "read"}) == exit_failed);
  CHECK(w.out.str() == "{\"error\":{\"code\":-32603,\"message\":\"it broke\"}}\n");

  nexus.set(&nexus_state::call, std::string(http_script::silence));
  CHECK(w.run({"call", "--timeout", "50ms", "--url", nexus.url(), "files", "read"}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("--timeout"));

  nexus.set(&nexus_state::call, answer(R"({"resultType":"input_required","requestState":"s"})"));
  CHECK(call("files", "read") == exit_failed);
  CHECK_THAT(w.err.str(), Contains("asks for input"));
}

TEST_CASE("call prints the raw result for programs", "[cli][call]") {
  fake_nexus nexus;
  nexus.set(&nexus_state::call,
            answer(R"({"content":[],"structuredContent":{"a": 1},"isError":true})"));
  test::world w;
  CHECK(w.run({"call", "--json", "--url", nexus.url(), "files", "read"}) == exit_failed);
  CHECK(w.out.str() == "{\"content\":[],\"structuredContent\":{\"a\": 1},\"isError\":true}\n");
  CHECK(w.err.str().empty());
}

TEST_CASE("call keeps a server's text from the terminal", "[cli][call]") {
  fake_nexus nexus;
  nexus.set(&nexus_state::call, answer(R"({"content":[{"type":"text","text":"a\u001b[2J\nb"}]})"));
  test::world w;
  w.run({"call", "--url", nexus.url(), "files", "read"});
  CHECK(w.out.str() == "a\x1b[2J\nb\n");
  w.terminal = true;
  w.run({"call", "--url", nexus.url(), "files", "read"});
  CHECK(w.out.str() == "a\\x1b[2J\nb\n");
}

TEST_CASE("call shows progress of a streamed answer on a terminal", "[cli][call]") {
  fake_nexus nexus;
  nexus.set(
      &nexus_state::call,
      test::respond_events(
          "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":"
          "{\"progressToken\":1,\"progress\":1,\"total\":3,\"message\":\"half \\u001b way\"}}\n\n"
          "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":"
          "[{\"type\":\"text\",\"text\":\"hello\"}]}}\n\n"));
  test::world w;
  CHECK(w.run({"call", "--url", nexus.url(), "files", "read"}) == exit_ok);
  CHECK(w.out.str() == "hello\n");
  CHECK(w.err.str().empty());
  w.terminal = true;
  CHECK(w.run({"call", "--url", nexus.url(), "files", "read"}) == exit_ok);
  CHECK(w.err.str() == "\r\x1b[K1/3 half \\x1b way\r\x1b[K");
}

TEST_CASE("call says when a stream ends without an answer", "[cli][call]") {
  fake_nexus nexus;
  nexus.set(&nexus_state::call, test::respond_events(": nothing\n\n"));
  test::world w;
  CHECK(w.run({"call", "--url", nexus.url(), "files", "read"}) == exit_unreachable);
  CHECK_THAT(w.err.str(), Contains("without an answer"));
}

TEST_CASE("-c starts the wanted servers alone and waits for them", "[cli][own]") {
  fake_nexus nexus;
  nexus.set(&nexus_state::connecting, 2);
  test::world w;
  w.files["nexus.json"] = test::two_servers;
  w.gateway.address = nexus.address();
  w.terminal = true;
  CHECK(w.run({"call", "-c", "nexus.json", "files", "read"}) == exit_ok);
  CHECK(w.err.str() == "\r\x1b[Kconnecting 0/1 ... files\r\x1b[Kconnecting 0/1 ... files\r\x1b[K");
  CHECK(nexus.requests().size() == 4);
  CHECK(w.gateway.asked == "with_gateway");
  REQUIRE(w.gateway.settings.servers.size() == 1);
  CHECK(w.gateway.settings.servers[0].name == "files");
  CHECK(w.gateway.settings.listen == "127.0.0.1:0");
  CHECK(w.out.str() == "hello\n");
}

TEST_CASE("-c starts lazy servers too and refuses unknown ones", "[cli][own]") {
  fake_nexus nexus;
  test::world w;
  w.files["nexus.json"] = test::two_servers;
  w.gateway.address = nexus.address();
  CHECK(w.run({"tools", "-c", "nexus.json"}) == exit_ok);
  REQUIRE(w.gateway.settings.servers.size() == 2);
  CHECK_FALSE(w.gateway.settings.servers[1].lazy);
  w.gateway.asked.clear();
  CHECK(w.run({"call", "-c", "nexus.json", "serch", "x"}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("there is no server 'serch'; did you mean search?"));
  CHECK(w.run({"servers", "-c", "missing.json"}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("missing.json"));
  CHECK(w.gateway.asked.empty());
}

TEST_CASE("-c gives up waiting at the deadline and goes on", "[cli][own]") {
  fake_nexus nexus;
  nexus.set(&nexus_state::connecting, 1'000'000);
  test::world w;
  w.files["nexus.json"] = R"({"mcpServers": {"files": {"command": "cat"}}})";
  w.gateway.address = nexus.address();
  CHECK(w.run({"servers", "-c", "nexus.json", "--timeout", "200ms"}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("files  connecting"));
}
