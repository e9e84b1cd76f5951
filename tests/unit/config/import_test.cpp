#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;

namespace {

/// import_text() and what it yields when loaded.
struct trip {
  std::string text;
  gateway value;
};

trip import(const std::string& text, const std::string& file) {
  const imported out = import_text(text, file, world());
  INFO(all_findings(out.findings));
  REQUIRE_FALSE(out.text.empty());
  return {out.text, must_load(out.text)};
}

void check_round_trip(const std::string& text, const std::string& file) {
  CAPTURE(file, text);
  const gateway before = must_load(text, file);
  const trip after = import(text, file);
  CAPTURE(after.text);
  REQUIRE(after.value.servers.size() == before.servers.size());
  for (std::size_t i = 0; i < before.servers.size(); ++i) {
    CAPTURE(before.servers[i].name);
    CHECK(after.value.servers[i] == before.servers[i]);
  }
  // What is ours already stays as it is.
  CHECK(import(after.text, "/cfg/nexus.json").value.servers == before.servers);
}

} // namespace

TEST_CASE("import: every dialect yields the same servers in our format", "[config][import]") {
  for (const auto& entry : std::filesystem::directory_iterator(folder() / "samples")) {
    const std::string name = entry.path().filename().string();
    check_round_trip(sample(name), "/cfg/" + name);
  }
}

TEST_CASE("import: awkward values survive", "[config][import]") {
  for (
      const char* body :
      {R"({"command": "a \"b\" \\ \u0001 \u007f é 😀", "args": ["", " ", "\n", "${API_KEY}", "${$}X"]})",
       R"({"command": "c", "env": {"A": "1"}, "environment": {"A": "2", "B": null}})",
       R"({"command": "c", "env": {"A": null}, "environment": {"A": "2"}})",
       R"({"command": "c", "timeout": 0.0005, "connectTimeout": 1500, "startup_timeout_sec": 0.25})",
       R"({"command": "c", "include": [], "exclude": ["*"]})",
       R"({"command": ["c", "d"], "args": ["e"]})",
       R"({"url": "http://h/", "headers": {"A": "${NOPE}", "B": "${EMPTY}"}})",
       R"({"url": "ws://h/", "type": "WS"})",
       R"({"url": "http://h/", "tls": {"verify": false, "ca": "~/none", "cert": "x", "key": "y"}})",
       R"({"command": "c", "trust": true, "a\nb": 1, "envFile": "/none"})"}) {
    check_round_trip(std::string("{\"mcpServers\": {\"odd \\\"name\\\"\": ") + body + "}}",
                     "/cfg/x.json");
  }
}

TEST_CASE("import: what means the file's folder means it elsewhere, too", "[config][import]") {
  const std::string text = R"({"mcpServers": {
    "a": {"command": "${extensionPath}/run", "args": ["-c", "x=${extensionPath}${/}y", "{file:k}"],
          "env": {"K": "{file:secrets/key}", "L": "{file:/abs}", "M": "{file:~/m}"},
          "envFile": "./some.env", "cwd": "${extensionPath}"},
    "b": {"command": "c", "envFile": "${userHome}/b.env"},
    "c": {"url": "http://h/", "headers": {"A": "Bearer {file:token}"},
          "tls": {"ca": "ca.pem", "cert": "sub/c.pem", "key": "~/k.pem"}}}})";
  const imported out = import_text(text, "/cfg/ext/x.json", world());
  CAPTURE(out.text);
  auto there = must_load(text, "/cfg/ext/x.json").servers;
  auto elsewhere = must_load(out.text, "/else/where/nexus.json").servers;
  for (auto* servers : {&there, &elsewhere})
    for (auto& one : *servers)
      one.unusable_reason.clear(); // it names files as they are written
  CHECK(elsewhere == there);
  for (const char* const written :
       {R"("{file:/cfg/ext/k}")", R"("{file:/cfg/ext/secrets/key}")", R"("{file:/abs}")",
        R"("{file:~/m}")", R"("Bearer {file:/cfg/ext/token}")"})
    CHECK(out.text.contains(written));
}

TEST_CASE("import: a Gemini CLI extension's manifest has keys of its own", "[config][import]") {
  const std::string text =
      R"({"name": "x", "version": "1.0.0", "mcpServers": {"a": {"command": "c"}}})";
  const imported out = import_text(text, "/cfg/gemini-extension.json", world());
  CHECK(all_findings(out.findings).empty());
  CHECK(must_load(out.text).servers.size() == 1);
}

TEST_CASE("import: comments tell what is dropped and what needs a look", "[config][import]") {
  const trip out = import(R"({"mcpServers": {
    "a": {"command": "c", "trust": true, "unheard": 1},
    "b": {"url": "http://h/", "headersHelper": "x", "headers": {"Host": "y"}},
    "c": {"command": "c", "env": {"K": "${NOPE}"}},
    "d": {"command": "c", "disabled": true}}})",
                          "/cfg/x.json");
  CHECK(out.text.starts_with("// Written by nexus import from /cfg/x.json\n{\n"));
  CHECK(out.text.contains("    // dropped \"trust\": the gateway has no use for it\n"));
  CHECK(out.text.contains("    // dropped \"unheard\": it is not known\n"));
  CHECK(out.text.contains("    // needs attention: \"headersHelper\" is not supported"));
  CHECK(out.text.contains("    // dropped header \"Host\": the gateway writes it itself\n"));
  CHECK(out.text.contains("    // needs attention: environment variable NOPE is not set"));
  CHECK(out.text.contains("\"K\": \"${NOPE}\""));
  CHECK(out.text.contains("\"disabled\": true"));
  CHECK(out.value.servers.size() == 3);
}

TEST_CASE("import: the text is ours, indented, references as written", "[config][import]") {
  const trip out = import(R"({"mcp": {"jira": {"type": "remote", "url": "https://j/mcp",
    "headers": {"Authorization": "Bearer {env:API_KEY}"}, "timeout": 5000}}})",
                          "/cfg/o.json");
  CHECK(out.text == R"(// Written by nexus import from /cfg/o.json
{
  "mcpServers": {
    "jira": {
      "type": "http",
      "url": "https://j/mcp",
      "headers": {
        "Authorization": "Bearer {env:API_KEY}"
      },
      "timeout": "5s"
    }
  }
}
)");
}

TEST_CASE("import: Codex's literal strings are escaped", "[config][import][toml]") {
  const trip out =
      import("[mcp_servers.a]\ncommand = 'sh'\nargs = ['-c', 'echo $HOME {env:A} %B%']\n",
             "/cfg/config.toml");
  CHECK(out.text.contains(R"("args": ["-c", "echo ${$}HOME ${{}env:A} ${%}B%"])"));
}

TEST_CASE("import: the gateway's own settings come along", "[config][import]") {
  const gateway value = import(sample("nexus.json"), "/cfg/nexus.json").value;
  CHECK(value.listen == "127.0.0.1:3100");
  CHECK(value.limits.drain_timeout == std::chrono::milliseconds{500});
  CHECK(value.names == naming::bare);
}

TEST_CASE("import: a client's settings that are called like ours stay behind", "[config][import]") {
  check_round_trip(R"({"context_servers": {"a": {"command": "c", "args": ["$NOPE"]}},
                       "unsetVariables": 5, "workers": "many", "names": "bare"})",
                   "/cfg/settings.json");
}

TEST_CASE("import: an error leaves no text", "[config][import]") {
  const imported out = import_text("{\"mcpServers\": {\"a\": {}}}", "x.json", world());
  CHECK(out.text.empty());
  CHECK(out.findings.size() == 1);
}

TEST_CASE("servers compare by what a reload has to act on", "[config]") {
  const auto of = [](const std::string& body) { return one_server(body); };
  const server base = of(R"({"command": "c"})");
  CHECK(base == of("\n\n  {\"command\": \"c\", \"trust\": true}"));
  for (const char* body :
       {R"({"command": "d"})", R"({"command": "c", "args": ["x"]})",
        R"({"command": "c", "env": {"A": "1"}})", R"({"command": "c", "env": {"A": null}})",
        R"({"command": "c", "cwd": "/x"})", R"({"url": "http://c/"})",
        R"({"command": "c", "timeout": "9s"})", R"({"command": "c", "connectTimeout": "9s"})",
        R"({"command": "c", "handshakeTimeout": "9s"})", R"({"command": "c", "concurrency": 1})",
        R"({"command": "c", "lazy": true})", R"({"command": "c", "include": ["x"]})",
        R"({"command": "c", "exclude": ["x"]})", R"({"command": "c", "description": "x"})",
        R"({"command": "c", "era": "legacy"})", R"({"command": "c", "sessions": "per-call"})",
        R"({"command": "c", "env": {"A": "${NOPE}"}})"}) {
    CAPTURE(body);
    CHECK_FALSE(base == of(body));
  }
  const server remote = of(R"({"url": "https://c/"})");
  for (const char* body : {R"({"url": "https://c/", "headers": {"A": "1"}})",
                           R"({"url": "https://c/", "type": "sse"})",
                           R"({"url": "https://c/", "tls": {"verify": false}})",
                           R"({"url": "https://c/", "tls": {"ca": "secret.txt"}})"}) {
    CAPTURE(body);
    CHECK_FALSE(remote == of(body));
  }
}
