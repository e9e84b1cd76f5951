#include "config/interpolate.hpp"
#include "tests/unit/config/support.hpp"

using namespace nexus::config;
using namespace nexus::config::test;
using detail::expand;
using detail::text_kind;
using detail::unset_policy;

TEST_CASE("interpolation: every syntax is expanded", "[config][interpolation]") {
  struct row {
    const char* text;
    const char* expected;
  };
  const row rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"$API_KEY", "k3y"},
      {"${API_KEY}", "k3y"},
      {"${env:API_KEY}", "k3y"},
      {"{env:API_KEY}", "k3y"},
      {"%API_KEY%", "k3y"},
      {"a$API_KEY.b", "ak3y.b"},
      {"$API_KEY$API_KEY", "k3yk3y"},
      {"${API_KEY}x${API_KEY}", "k3yxk3y"},
      {"${MISSING:-d}", "d"},
      {"${MISSING:-}", ""},
      {"${env:MISSING:-d}", "d"},
      {"{env:MISSING:-d}", "d"},
      {"${EMPTY}", ""},
      {"${EMPTY:-d}", "d"},
      {"${API_KEY:-d}", "k3y"},
      {"${MISSING:-${API_KEY}}", "k3y"},
      {"${MISSING:-${ALSO_MISSING:-deep}}", "deep"},
      {"${MISSING:-{\"a\":{}}}", "{\"a\":{}}"},
      {"${MISSING:-a{b}", "a{b"},
      {"${MISSING:-https://x/?a=1&b=$API_KEY}", "https://x/?a=1&b=k3y"},
      {"${userHome}/x", "/home/ada/x"},
      {"${workspaceFolder}", "/home/ada/project"},
      {"${workspaceFolder:name}", "/home/ada/project"},
      {"${workspaceFolderBasename}", "project"},
      {"${workspacePath}${/}a${pathSeparator}b", "/home/ada/project/a/b"},
      {"${extensionPath}", "/cfg"},
      {"${cwd}", "/home/ada/project"},
      {"{file:./secret.txt}", "from a file"},
      {"{file:secret.txt}", "from a file"},
      {"{file:/cfg/secret.txt}!", "from a file!"},
      {"${input:given}", "gift"},
      // What a value holds is not looked at again.
      {"${RECURSIVE}", "${API_KEY} $API_KEY {env:API_KEY}"},
      {"%RECURSIVE%", "${API_KEY} $API_KEY {env:API_KEY}"},
      {"${MISSING:-$RECURSIVE}", "${API_KEY} $API_KEY {env:API_KEY}"},
      // No references.
      {"$", "$"},
      {"$$", "$$"},
      {"$5", "$5"},
      {"a $ b", "a $ b"},
      {"${", "${"},
      {"${API_KEY", "${API_KEY"},
      {"{env:API_KEY", "{env:API_KEY"},
      {"{other:API_KEY}", "{other:API_KEY}"},
      {"100%", "100%"},
      {"%MISSING%", "%MISSING%"},
      {"%20%API_KEY%", "%20k3y"},
      {"50%API_KEY", "50%API_KEY"},
      {"{\"json\": true}", "{\"json\": true}"},
      // Escapes.
      {"${$}API_KEY", "$API_KEY"},
      {"${$}{API_KEY}", "${API_KEY}"},
      {"${%}API_KEY%", "%API_KEY%"},
      {"${{}env:API_KEY}", "{env:API_KEY}"},
  };
  const environment env = world();
  const detail::scope within{env, unset_policy::error, "/cfg", nullptr};
  for (const row& entry : rows) {
    CAPTURE(entry.text);
    const auto out = expand(entry.text, within, text_kind::plain);
    CHECK(out.text == entry.expected);
    CHECK(out.problem.empty());
    CHECK(out.unknown.empty());
  }
}

TEST_CASE("interpolation: per cent escapes of a URL are no variables", "[config][interpolation]") {
  environment env = world();
  env.variables["C3"] = "wrong";
  const detail::scope within{env, unset_policy::error, "/cfg", nullptr};
  CHECK(expand("http://h/%C3%A9", within, text_kind::url).text == "http://h/%C3%A9");
  CHECK(expand("http://%MCP_HOST%/", within, text_kind::url).text == "http://wind.example/");
}

TEST_CASE("interpolation: an unset variable follows the policy", "[config][interpolation]") {
  const environment env = world();
  for (const char* text : {"$NOPE", "${NOPE}", "${env:NOPE}", "{env:NOPE}"}) {
    CAPTURE(text);
    const auto error = expand(text, {env, unset_policy::error, "", nullptr}, text_kind::plain);
    CHECK(error.problem == "environment variable NOPE is not set");
    CHECK(error.remedy == "set it, or give a default: ${NOPE:-...}");
    const auto empty = expand(text, {env, unset_policy::empty, "", nullptr}, text_kind::plain);
    CHECK(empty.text.empty());
    CHECK(empty.problem.empty());
    CHECK(empty.unset == std::vector<std::string>{"NOPE"});
    const auto literal = expand(text, {env, unset_policy::literal, "", nullptr}, text_kind::plain);
    CHECK(literal.text == text);
    CHECK(literal.problem.empty());
  }
}

TEST_CASE("interpolation: what only an editor knows makes a problem", "[config][interpolation]") {
  const environment env = world();
  const detail::scope within{env, unset_policy::empty, "/cfg", nullptr};
  const auto problem = [&](const char* text) {
    return expand(text, within, text_kind::plain).problem;
  };
  CHECK(problem("${command:ext.key}") == "only an editor can resolve ${command:ext.key}");
  CHECK(problem("${config:a.b}") == "only an editor can resolve ${config:a.b}");
  CHECK(problem("${file}") == "only an editor can resolve ${file}");
  CHECK(problem("${input:other-id.x}") == "input \"other-id.x\" has no value");
  CHECK(problem("{file:missing.txt}") == "file \"missing.txt\" cannot be read");
  const auto unknown = expand("a${some.thing}b", within, text_kind::plain);
  CHECK(unknown.text == "a${some.thing}b");
  CHECK(unknown.problem.empty());
  CHECK(unknown.unknown == std::vector<std::string>{"${some.thing}"});
}

TEST_CASE("interpolation: an escaped text comes back as it was", "[config][interpolation]") {
  const environment env = world();
  const detail::scope within{env, unset_policy::error, "/cfg", nullptr};
  for (const char* text :
       {"", "$API_KEY", "${API_KEY}", "$$API_KEY", "${$}", "%API_KEY%", "%%API_KEY%%",
        "{env:API_KEY}", "{file:x}", "${env:API_KEY}", "${{}", "a{b}c%20%", "$", "{{env:API_KEY}}",
        "$%API_KEY%", "${input:x}", "%{env:HOME}%"}) {
    CAPTURE(text);
    const auto out = expand(detail::escape_literal(text), within, text_kind::plain);
    CHECK(out.text == text);
    CHECK(out.problem.empty());
  }
}

TEST_CASE("interpolation: defaults nest without end of the stack", "[config][interpolation]") {
  const environment env = world();
  const detail::scope within{env, unset_policy::error, "/cfg", nullptr};
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += "${A:-";
  text += std::string(5000, '}');
  CHECK(expand(text, within, text_kind::plain).problem.empty());
}

TEST_CASE("interpolation: inputs have a variable each", "[config][interpolation]") {
  CHECK(detail::input_variable("perplexity-key") == "NEXUS_INPUT_PERPLEXITY_KEY");
  CHECK(detail::input_variable("a.b c_9") == "NEXUS_INPUT_A_B_C_9");
}

TEST_CASE("interpolation: one server without its variable leaves the others alone",
          "[config][interpolation]") {
  const loaded out = load_text(
      R"({"mcpServers": {"a": {"command": "c", "env": {"T": "${NOPE}"}}, "b": {"command": "d"}}})",
      "f.json", world());
  REQUIRE(out.value);
  CHECK(out.value->servers[0].unusable_reason ==
        "environment variable NOPE is not set, needed in \"T\" "
        "(set it, or give a default: ${NOPE:-...})");
  CHECK(out.value->servers[1].unusable_reason.empty());
  CHECK(all_findings(out.findings) ==
        "f.json:1:52: warning: server \"a\" cannot be used: environment variable NOPE is not set, "
        "needed in \"T\" (set it, or give a default: ${NOPE:-...})\n");
}

TEST_CASE("interpolation: a policy in the file holds for all servers", "[config][interpolation]") {
  const auto load_with = [](const std::string& policy) {
    return must_load(R"({"unsetVariables": ")" + policy +
                     R"(", "mcpServers": {"a": {"command": "c", "args": ["x${NOPE}y"]}}})")
        .servers.front();
  };
  CHECK(load_with("empty").argv[1] == "xy");
  CHECK(load_with("literal").argv[1] == "x${NOPE}y");
  CHECK_FALSE(load_with("error").unusable_reason.empty());
}

TEST_CASE("interpolation: a header that comes out empty is not sent", "[config][interpolation]") {
  const server value =
      one_server(R"({"url": "http://h/", "headers": {"A": "${EMPTY}", "B": " ${API_KEY}\n"}})");
  CHECK(value.headers == std::vector<std::pair<std::string, std::string>>{{"B", "k3y"}});
}
