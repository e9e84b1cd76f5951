#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;
using std::chrono::milliseconds;
using strings = std::vector<std::string>;
using header_list = std::vector<std::pair<std::string, std::string>>;

namespace {

strings names_of(const gateway& from) {
  strings out;
  for (const server& entry : from.servers)
    out.push_back(entry.name);
  return out;
}

} // namespace

TEST_CASE("dialects: Claude Desktop is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("claude_desktop_config.json");
  REQUIRE(names_of(value) == strings{"filesystem", "brave-search", "remote"});
  const server& files = value.servers[0];
  CHECK(files.kind == transport::stdio);
  CHECK(files.argv ==
        strings{"npx", "-y", "@modelcontextprotocol/server-filesystem", "/Users/ada/Desktop"});
  CHECK(files.call_timeout == milliseconds{60000});
  CHECK(value.servers[1].env.at("BRAVE_API_KEY") == "BSA-0123");
  CHECK(files.position.file == "/cfg/claude_desktop_config.json");
  CHECK(files.position.line == 4);
  CHECK(files.position.column == 5);
}

TEST_CASE("dialects: Claude Code is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("claude_code.mcp.json");
  const server& api = named(value, "api-server");
  CHECK(api.kind == transport::http);
  CHECK(api.url == "https://api.example.com/mcp");
  CHECK(api.headers == header_list{{"Authorization", "Bearer k3y"}});
  CHECK(api.unusable_reason.empty());
  CHECK(named(value, "events").kind == transport::sse);
  CHECK(named(value, "db").argv == strings{"/home/ada/bin/db-server", "--config", "/etc/db.json"});
  CHECK(named(value, "db").env.at("DB_URL") == "pg://db");
  CHECK(named(value, "socket").unusable_reason ==
        "transport \"ws\" is not supported (stdio, http and sse are)");
}

TEST_CASE("dialects: projects of Claude Code's state file are read, the present one first",
          "[config][dialect]") {
  const gateway value = load_sample("claude_state.json");
  REQUIRE(names_of(value) == strings{"shared", "user-wide", "only-there"});
  CHECK(value.servers[0].argv == strings{"shared-here"});
}

TEST_CASE("dialects: Gemini CLI settings are read unchanged", "[config][dialect]") {
  const gateway value = load_sample("gemini_settings.json");
  REQUIRE(names_of(value) == strings{"py", "http", "old"});
  const server& py = value.servers[0];
  CHECK(py.cwd == "/ws/tools");
  CHECK(py.env.at("DATABASE_URL") == "pg://db");
  CHECK(py.env.at("API_KEY") == "k3y");
  CHECK(py.env.at("LEVEL") == "info");
  CHECK(py.call_timeout == milliseconds{15000});
  CHECK(py.include_tools == strings{"safe_tool", "read_file"});
  CHECK(py.exclude_tools == strings{"rm"});
  CHECK(py.description == "Our tools");
  const server& http = value.servers[1];
  CHECK(http.url == "https://api.example.com/mcp");
  CHECK(http.kind == transport::http);
  CHECK(http.headers == header_list{{"X-Custom", "v"}});
  CHECK(http.call_timeout == milliseconds{600000});
  CHECK(value.servers[2].kind == transport::sse);
}

TEST_CASE("dialects: a Gemini extension finds its folder", "[config][dialect]") {
  const server mine = named(load_sample("gemini-extension.json"), "mine");
  CHECK(mine.argv == strings{"node", "/cfg/dist/server.js"});
  CHECK(mine.cwd == "/home/ada/project");
}

TEST_CASE("dialects: Antigravity's serverUrl wins over a command", "[config][dialect]") {
  const gateway value = load_sample("antigravity_mcp_config.json");
  REQUIRE(names_of(value) == strings{"figma"});
  CHECK(value.servers[0].url == "https://mcp.figma.com/mcp");
  CHECK(value.servers[0].argv.empty());
  CHECK(value.servers[0].headers == header_list{{"X-Token", "k3y"}});
  CHECK(value.servers[0].exclude_tools == strings{"delete_file"});
}

TEST_CASE("dialects: Windsurf is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("windsurf_mcp_config.json");
  CHECK(named(value, "remote-http").url == "https://wind.example/mcp");
  CHECK(named(value, "remote-http").headers == header_list{{"API_KEY", "Bearer k3y"}});
  CHECK(named(value, "remote-http").exclude_tools.empty());
  CHECK(named(value, "github").env.at("GITHUB_PERSONAL_ACCESS_TOKEN") == "k3y");
}

TEST_CASE("dialects: Cursor is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("cursor_mcp.json");
  const server& local = named(value, "local");
  CHECK(local.argv ==
        strings{"/home/ada/bin/server", "--root", "/home/ada/project/src", "project"});
  CHECK(local.env == std::map<std::string, std::string>{
                         {"KEY", "k3y"}, {"FROM_FILE", "1"}, {"QUOTED", "a b\n"}, {"DEBUG", "9"}});
  CHECK(named(value, "remote").headers == header_list{{"Authorization", "Bearer k3y"}});
}

TEST_CASE("dialects: VS Code with inputs is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("vscode_mcp.json");
  REQUIRE(names_of(value) == strings{"perplexity", "fetch", "github", "socket"});
  CHECK(value.servers[0].unusable_reason ==
        "input \"perplexity-key\" has no value, needed in \"PERPLEXITY_API_KEY\" "
        "(set NEXUS_INPUT_PERPLEXITY_KEY)");
  const server& fetch = value.servers[1];
  CHECK(fetch.unusable_reason.empty());
  CHECK(fetch.argv == strings{"uvx", "mcp-server-fetch", "--region=eu", "8080", "true"});
  CHECK(fetch.env.at("GIVEN") == "gift");
  CHECK(fetch.env.at("PORT") == "3000");
  CHECK(fetch.env.at("DEBUG") == "false");
  CHECK(fetch.env.at("FROM_FILE") == "1");
  CHECK(fetch.env_unset == strings{"PYTHONPATH"});
  CHECK(fetch.cwd == "/home/ada/project");
  CHECK(value.servers[2].url == "https://api.githubcopilot.com/mcp/");
  CHECK(value.servers[3].unusable_reason ==
        "URLs of scheme \"unix\" are not supported (http and https are)");
}

TEST_CASE("dialects: VS Code's older settings and Copilot's file are read", "[config][dialect]") {
  const gateway settings = load_sample("vscode_settings.json");
  CHECK(named(settings, "time").argv == strings{"uvx", "mcp-server-time", "gift"});
  const gateway copilot = load_sample("copilot_mcp-config.json");
  CHECK(named(copilot, "playwright").kind == transport::stdio);
  CHECK(named(copilot, "playwright").include_tools == strings{"*"});
  CHECK(named(copilot, "context7").include_tools == strings{"get-library-docs"});
}

TEST_CASE("dialects: Cline and Roo count timeouts in seconds", "[config][dialect]") {
  const gateway cline = load_sample("cline_mcp_settings.json");
  REQUIRE(names_of(cline) == strings{"local", "streamable", "legacy", "old-http"});
  CHECK(cline.servers[0].call_timeout == milliseconds{1'800'000});
  CHECK(cline.servers[1].call_timeout == milliseconds{60'000});
  CHECK(cline.servers[1].kind == transport::http);
  CHECK(cline.servers[2].kind == transport::sse);
  CHECK(cline.servers[3].kind == transport::http);
  const gateway roo = load_sample("roo_mcp_settings.json");
  CHECK(named(roo, "puppeteer").call_timeout == milliseconds{3'600'000});
  CHECK(named(roo, "puppeteer").exclude_tools == strings{"eval"});
  CHECK(named(roo, "puppeteer").cwd == "/srv");
  CHECK(named(roo, "net").kind == transport::http);
}

TEST_CASE("dialects: Zed is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("zed_settings.json");
  REQUIRE(names_of(value) == strings{"new", "older", "remote"});
  CHECK(value.servers[1].argv == strings{"npx", "-y", "some-server"});
  CHECK(value.servers[1].env.at("A") == "1");
  CHECK(value.servers[2].url == "https://zed.example/mcp");
}

TEST_CASE("dialects: Codex TOML is read unchanged, strings literally", "[config][dialect][toml]") {
  const gateway value = load_sample("codex_config.toml");
  REQUIRE(names_of(value) == strings{"context7", "figma", "shell"});
  const server& context = value.servers[0];
  CHECK(context.handshake_timeout == milliseconds{20'000});
  CHECK(context.call_timeout == milliseconds{45'500});
  CHECK(context.include_tools == strings{"resolve", "docs"});
  CHECK(context.exclude_tools == strings{"docs"});
  CHECK(context.env ==
        std::map<std::string, std::string>{{"MY_ENV", "literal $HOME"}, {"COUNT", "5"}});
  CHECK(context.position.line == 4);
  const server& figma = value.servers[1];
  CHECK(figma.headers == header_list{{"Authorization", "Bearer k3y"},
                                     {"X-Figma-Region", "us-east-1"},
                                     {"X-Key", "k3y"}});
  const server& shell = value.servers[2];
  CHECK(shell.argv.at(2) ==
        "TOKEN=$(pass show x) exec server --token ${TOKEN} --pct %HOME% {env:HOME}");
  CHECK(shell.handshake_timeout == milliseconds{1500});
  CHECK(shell.cwd == "/tmp");
}

TEST_CASE("dialects: opencode is read unchanged", "[config][dialect]") {
  const gateway value = load_sample("opencode.jsonc");
  REQUIRE(names_of(value) == strings{"everything", "jira"});
  CHECK(value.servers[0].argv == strings{"npx", "-y", "@modelcontextprotocol/server-everything"});
  CHECK(value.servers[0].env.at("KEY") == "k3y");
  CHECK(value.servers[0].env.at("CERT") == "from a file");
  CHECK(value.servers[0].call_timeout == milliseconds{5000});
  CHECK(value.servers[1].call_timeout == milliseconds{500});
  CHECK(value.servers[1].headers == header_list{{"Authorization", "Bearer k3y"}});
}

TEST_CASE("dialects: a bare map of servers is read", "[config][dialect]") {
  const gateway value = load_sample("bare_map.json");
  REQUIRE(names_of(value) == strings{"one", "two"});
  CHECK(value.servers[0].argv == strings{"one", "k3y"});
}

TEST_CASE("dialects: the gateway's own file sets everything", "[config][dialect]") {
  const gateway value = load_sample("nexus.json");
  CHECK(value.listen == "127.0.0.1:3100");
  CHECK(value.workers == 4);
  CHECK(value.reactor == "epoll");
  CHECK(value.names == naming::bare);
  CHECK(value.log_level == nexus::log::level::debug);
  CHECK(value.log_format == nexus::log::format::json);
  CHECK(value.allowed_hosts == strings{"mcp.example.org"});
  CHECK(value.allowed_origins == strings{"https://app.example.org"});
  CHECK_FALSE(value.insecure_listen);
  CHECK(value.limits.header_count == 50);
  CHECK(value.limits.header_bytes == 16 * 1024);
  CHECK(value.limits.body_bytes == 1048576);
  CHECK(value.limits.response_bytes == 1572864);
  CHECK(value.limits.connections == 100);
  CHECK(value.limits.sessions == 200);
  CHECK(value.limits.calls_in_flight == 300);
  CHECK(value.limits.header_timeout == milliseconds{5000});
  CHECK(value.limits.body_timeout == milliseconds{2500});
  CHECK(value.limits.idle_timeout == milliseconds{60'000});
  CHECK(value.limits.session_idle_timeout == milliseconds{7'200'000});
  CHECK(value.limits.drain_timeout == milliseconds{500});
  const server& files = named(value, "files");
  CHECK(files.argv == strings{"mcp-files", "--root", "/home/ada/project"});
  CHECK(files.env_unset == strings{"GONE"});
  CHECK(files.cwd == "/home/ada/data");
  CHECK(files.call_timeout == milliseconds{90'000});
  CHECK(files.connect_timeout == milliseconds{2000});
  CHECK(files.handshake_timeout == milliseconds{60'000});
  CHECK(files.concurrency == 8);
  CHECK(files.lazy);
  CHECK(files.include_tools == strings{"read_*"});
  CHECK(files.exclude_tools == strings{"read_secret"});
  const server& search = named(value, "search");
  CHECK(search.url == "https://search.example.org:8443/mcp");
  CHECK(search.headers == header_list{{"Authorization", "Bearer"}});
  CHECK_FALSE(search.tls.verify);
  CHECK(search.tls.ca_file == "/cfg/secret.txt");
  CHECK(search.era == era_pin::modern);
  CHECK(search.call_timeout == milliseconds{750});
}

TEST_CASE("dialects: every spelling of a transport is known", "[config][dialect]") {
  struct row {
    const char* type;
    transport kind;
  };
  const row rows[] = {{"stdio", transport::stdio},         {"local", transport::stdio},
                      {"http", transport::http},           {"streamable-http", transport::http},
                      {"streamableHttp", transport::http}, {"streamable_http", transport::http},
                      {"remote", transport::http},         {"sse", transport::sse}};
  for (const row& entry : rows) {
    for (const char* key : {"type", "transport", "transportType"}) {
      CAPTURE(entry.type, key);
      const server value = one_server(std::string(R"({"command": "c", "url": "http://h/", ")") +
                                      key + R"(": ")" + entry.type + "\"}");
      CHECK(value.kind == entry.kind);
    }
  }
}

TEST_CASE("dialects: URLs and commands have an order", "[config][dialect]") {
  CHECK(
      one_server(R"({"serverUrl": "http://a/", "httpUrl": "http://b/", "url": "http://c/"})").url ==
      "http://a/");
  CHECK(one_server(R"({"url": "http://c/", "httpUrl": "http://b/", "command": "x"})").url ==
        "http://b/");
  CHECK(one_server(R"({"command": "x", "url": "http://c/"})").kind == transport::http);
  CHECK(one_server(R"({"command": "x", "url": "http://c/", "type": "stdio"})").url.empty());
}

TEST_CASE("dialects: timeouts follow the unit of their key", "[config][dialect]") {
  struct row {
    const char* member;
    int expected_ms;
  };
  const row rows[] = {{R"("timeout": 30)", 30'000},
                      {R"("timeout": 999)", 999'000},
                      {R"("timeout": 1000)", 1000},
                      {R"("timeout": 90000)", 90'000},
                      {R"("timeout": "250ms")", 250},
                      {R"("timeout": "1.5s")", 1500},
                      {R"("timeout": "2m")", 120'000},
                      {R"("timeout": "1h")", 3'600'000},
                      {R"("timeoutMs": 30)", 30},
                      {R"("timeout_ms": 30)", 30},
                      {R"("timeout_sec": 30)", 30'000},
                      {R"("tool_timeout_sec": 0.5)", 500},
                      {R"("tool_timeout_ms": 7)", 7},
                      {R"("timeout": 7200000)", 3'600'000},
                      {R"("timeout": 0)", 60'000},
                      {R"("timeout": null)", 60'000},
                      {R"("timeout": 30, "autoApprove": [])", 30'000},
                      {R"("timeout": 1800, "alwaysAllow": [])", 1'800'000},
                      {R"("timeout": 5000, "alwaysAllow": [])", 5000}};
  for (const row& entry : rows) {
    CAPTURE(entry.member);
    const server value = one_server(std::string(R"({"command": "c", )") + entry.member + "}");
    CHECK(value.call_timeout == milliseconds{entry.expected_ms});
  }
}
