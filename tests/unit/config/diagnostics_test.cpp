#include "tests/unit/config/support.hpp"

#include "config/address.hpp"

using namespace nexus::config;
using namespace nexus::config::test;

namespace {

struct row {
  const char* name;
  std::string text;
  const char* expected; ///< every finding, one a line
};

void check(const row& entry, const char* file = "f.json") {
  CAPTURE(entry.name, entry.text);
  const loaded out = load_text(entry.text, file, world());
  CHECK(all_findings(out.findings) == std::string(entry.expected));
  CHECK(out.value.has_value() == !all_findings(out.findings).contains(": error: "));
}

} // namespace

TEST_CASE("diagnostics: servers are checked key by key", "[config][diagnostics]") {
  const auto in = [](const std::string& body) { return "{\"mcpServers\": {\"s\": " + body + "}}"; };
  const row rows[] = {
      {"wrong kinds", in(R"({"command": "c", "lazy": "yes", "args": "-y", "env": [], "era": 1})"),
       "f.json:1:47: error: expected a boolean for \"lazy\", found a string\n"
       "f.json:1:62: error: expected a list of strings for \"args\", found a string\n"
       "f.json:1:75: error: expected an object of names and values for \"env\", found a list\n"
       "f.json:1:86: error: expected \"auto\", \"legacy\" or \"2026-07-28\" for \"era\", found a "
       "number\n"},
      {"elements", in(R"({"command": "c", "args": ["a", null, ["b"]], "include": [{}]})"),
       "f.json:1:53: error: expected a string for \"args\", found null\n"
       "f.json:1:59: error: expected a string for \"args\", found a list\n"
       "f.json:1:79: error: expected a string for \"include\", found an object\n"},
      {"near misses",
       in(R"({"comand": "c", "url": "http://h/", "header": {}, "timeot": 1, "zzzzz": 1})"),
       "f.json:1:23: warning: unknown key \"comand\" in server \"s\" (did you mean \"command\"?)\n"
       "f.json:1:58: warning: unknown key \"header\" in server \"s\" (did you mean \"headers\"?)\n"
       "f.json:1:72: warning: unknown key \"timeot\" in server \"s\" (did you mean \"timeout\"?)\n"
       "f.json:1:85: warning: unknown key \"zzzzz\" in server \"s\" (it has no effect)\n"},
      {"a choice nearly", in(R"({"command": "c", "era": "2026-07-27"})"),
       "f.json:1:46: error: expected \"auto\", \"legacy\" or \"2026-07-28\" for \"era\", found "
       "\"2026-07-27\" (did you mean \"2026-07-28\"?)\n"},
      {"nothing to start", in("{}"),
       "f.json:1:22: error: server \"s\" has no \"command\" and no \"url\" "
       "(a program to start, or an address to connect to)\n"},
      {"typed without a URL", in(R"({"type": "http", "command": "c"})"),
       "f.json:1:22: error: server \"s\" has no \"url\" (\"type\" is \"http\")\n"},
      {"empty command", in(R"({"command": ""})"),
       "f.json:1:34: error: expected a program for \"command\", found nothing\n"},
      {"empty command list", in(R"({"command": []})"),
       "f.json:1:34: error: expected a program for \"command\", found nothing\n"},
      {"command of the wrong kind", in(R"({"command": 5})"),
       "f.json:1:34: error: expected a string for \"command\", found a number\n"},
      {"a command line", in(R"({"command": "npx -y server"})"),
       "f.json:1:34: warning: \"command\" is one program, not a command line "
       "(put the words behind the first one into \"args\")\n"},
      {"unknown type", in(R"({"type": "htp", "url": "http://h/"})"),
       "f.json:1:31: error: expected \"stdio\", \"http\" or \"sse\" for \"type\", found \"htp\" "
       "(streamable-http, local and remote are read too)\n"},
      {"no object", in("5"),
       "f.json:1:22: error: expected an object with \"command\" or \"url\" for "
       "\"s\", found a number\n"},
      {"scheme", in(R"({"url": "ftp://h/"})"),
       "f.json:1:30: error: \"url\" of server \"s\": expected a URL that begins with http:// or "
       "https://\n"},
      {"user info", in(R"({"url": "https://me:secret@h/"})"),
       "f.json:1:30: error: \"url\" of server \"s\": a name or password does not belong in a URL "
       "(send it in \"headers\", as \"Authorization\": \"Basic ...\")\n"},
      {"port", in(R"({"url": "https://h:70000/"})"),
       "f.json:1:30: error: \"url\" of server \"s\": expected a port from 1 to 65535\n"},
      {"no host", in(R"({"url": "https:///mcp"})"),
       "f.json:1:30: error: \"url\" of server \"s\": the host is missing\n"},
      {"header names", in(R"({"url": "http://h/", "headers": {"A B": "1", "X": "a\nb"}})"),
       "f.json:1:55: error: \"A B\" is no name of a header\n"
       "f.json:1:72: error: the value of header \"X\" holds a control character\n"},
      {"header twice", in(R"({"url": "http://h/", "headers": {"X-A": "1", "x-a": "2"}})"),
       "f.json:1:67: error: header \"x-a\" is given twice (names of headers are the same in either "
       "case)\n"},
      {"reserved header", in(R"({"url": "http://h/", "headers": {"Host": "x"}})"),
       "f.json:1:55: warning: header \"Host\" is left out (the gateway writes it itself)\n"},
      {"secret as a variable", in(R"({"url": "http://h/", "bearer_token_env_var": "sk-123"})"),
       "f.json:1:67: error: expected the name of an environment variable "
       "(the value itself goes into \"headers\")\n"},
      {"environment names", in(R"({"command": "c", "env": {"": "1", "A=B": "2"}})"),
       "f.json:1:47: error: \"\" is no name of an environment variable\n"
       "f.json:1:56: error: \"A=B\" is no name of an environment variable\n"},
      {"times", in(R"({"command": "c", "connectTimeout": "10 parsecs", "timeoutMs": -1})"),
       "f.json:1:57: error: expected a number of milliseconds or a time such as \"10s\" for "
       "\"connectTimeout\", found \"10 parsecs\" (units are ms, s, m and h)\n"
       "f.json:1:84: error: expected a number of milliseconds or a time such as \"10s\" for "
       "\"timeoutMs\", found -1 (units are ms, s, m and h)\n"},
      {"longest deadline", in(R"({"command": "c", "timeout": "2h"})"),
       "f.json:1:50: warning: \"timeout\" is 2h; the longest, 1h, holds\n"},
      {"concurrency", in(R"({"command": "c", "concurrency": 0})"),
       "f.json:1:54: error: \"concurrency\" is 0; expected 1 to 65536\n"},
      {"fraction", in(R"({"command": "c", "concurrency": 1.5})"),
       "f.json:1:54: error: expected a whole number for \"concurrency\", found 1.5\n"},
      {"tls", in(R"({"url": "https://h/", "tls": {"cert": "c", "verfy": true}})"),
       "f.json:1:51: error: \"cert\" and \"key\" of \"tls\" go together\n"
       "f.json:1:60: warning: server \"s\" cannot be used: \"cert\" of \"tls\": "
       "\"/home/ada/project/c\" "
       "cannot be read (relative paths begin at the configuration's folder)\n"
       "f.json:1:65: warning: unknown key \"verfy\" in \"tls\" (did you mean \"verify\"?)\n"},
      {"empty include", in(R"({"command": "c", "include": []})"),
       "f.json:1:50: warning: \"include\" is empty: no tool of server \"s\" is offered "
       "(leave it out to offer all of them)\n"},
      {"errors of a server that is off are warnings",
       in(R"({"command": 5, "lazy": 1, "disabled": true})"),
       "f.json:1:34: warning: expected a string for \"command\", found a number\n"
       "f.json:1:45: warning: expected a boolean for \"lazy\", found a number\n"},
      {"a URL from a variable", in(R"({"url": "${DB_URL}"})"),
       "f.json:1:30: warning: server \"s\" cannot be used: \"url\": expected a URL that begins "
       "with "
       "http:// or https://\n"},
      {"decoration is silent",
       in(R"({"command": "c", "trust": true, "autoApprove": [], "alwaysAllow": [], "oauth": {},
             "icons": [], "_comment": "x", "//": "y", "description": "d"})"),
       ""},
  };
  for (const row& entry : rows)
    check(entry);
}

TEST_CASE("diagnostics: names of servers are checked", "[config][diagnostics]") {
  const row rows[] = {
      {"empty", R"({"mcpServers": {"": {"command": "c"}}})",
       "f.json:1:17: error: a server's name has 1 to 64 bytes, this one has 0 "
       "(it becomes part of tool names)\n"},
      {"long", "{\"mcpServers\": {\"" + std::string(65, 'n') + "\": {\"command\": \"c\"}}}",
       "f.json:1:17: error: a server's name has 1 to 64 bytes, this one has 65 "
       "(it becomes part of tool names)\n"},
      {"control", R"({"mcpServers": {"a\u0007": {"command": "c"}}})",
       "f.json:1:17: error: a server's name has only visible characters and no space at its ends "
       "(it becomes part of tool names)\n"},
      {"space at the end", R"({"mcpServers": {"a ": {"command": "c"}}})",
       "f.json:1:17: error: a server's name has only visible characters and no space at its ends "
       "(it becomes part of tool names)\n"},
      {"same prefix", R"({"mcpServers": {"a b": {"command": "c"}, "a.b": {"command": "c"}}})",
       "f.json:1:42: error: servers \"a b\" and \"a.b\" both give their tools the prefix \"a_b__\" "
       "(rename one of them)\n"},
      {"across keys",
       "{\"mcpServers\": {\"a\": {\"command\": \"c\"}},\n\"servers\": {\"a\": {\"command\": "
       "\"d\"}}}",
       "f.json:2:13: error: server \"a\" stands twice, first in line 1 (rename one of them)\n"},
      {"underscores alone are fine", R"({"mcpServers": {"a__b": {"command": "c"}}})", ""},
      {"underscores beside the shorter name",
       R"({"mcpServers": {"a": {"command": "c"}, "a__b": {"command": "c"}}})",
       "f.json:1:40: warning: tools of server \"a__b\" may look like tools of server \"a\" "
       "(\"__\" stands between server and tool; avoid it in names)\n"},
      {"a disabled one is in nobody's way",
       R"({"mcpServers": {"a b": {"command": "c", "disabled": true}, "a.b": {"command": "c"}}})",
       ""},
  };
  for (const row& entry : rows)
    check(entry);
}

TEST_CASE("diagnostics: the gateway's own keys are checked", "[config][diagnostics]") {
  const row rows[] = {
      {"no servers", "{}",
       "f.json:1:1: warning: no servers are configured "
       "(name them in \"mcpServers\")\n"},
      {"nearly mcpServers", "{\n  \"mcpServer\": {}\n}",
       "f.json:2:3: error: unknown key \"mcpServer\"; expected \"mcpServers\" "
       "(did you mean \"mcpServers\"?)\n"},
      {"something else", "{\"version\": 1}",
       "f.json:1:1: error: expected \"mcpServers\" in this object "
       "(servers, context_servers, mcp and [mcp_servers] are read too)\n"},
      {"servers as a list", "{\"mcpServers\": []}",
       "f.json:1:16: error: expected an object of servers for \"mcpServers\", found a list\n"},
      {"unknown keys", "{\"mcpServers\": {}, \"listn\": \"x\", \"quux\": 1}",
       "f.json:1:20: warning: unknown key \"listn\" in the configuration (did you mean "
       "\"listen\"?)\n"
       "f.json:1:34: warning: unknown key \"quux\" in the configuration (it has no effect)\n"},
      {"listen beyond loopback", R"({"mcpServers": {}, "listen": "0.0.0.0:3000"})",
       "f.json:1:30: error: \"listen\" \"0.0.0.0:3000\": this address is reachable from other "
       "machines, and the gateway does not ask callers who they are (listen on 127.0.0.1 behind a "
       "proxy that authenticates, or set \"insecureListen\": true)\n"},
      {"listen asked for in words",
       R"({"mcpServers": {}, "listen": "0.0.0.0:3000", "insecureListen": true})", ""},
      {"listen without a port", R"({"mcpServers": {}, "listen": "localhost"})",
       "f.json:1:30: error: \"listen\" \"localhost\": expected HOST:PORT "
       "(127.0.0.1:3000, [::1]:3000 or localhost:3000)\n"},
      {"choices",
       R"({"mcpServers": {}, "names": "prefix", "reactor": "uring", "log": {"level": "warning", "form": 1}})",
       "f.json:1:29: error: expected \"prefixed\" or \"bare\" for \"names\", found \"prefix\" "
       "(did you mean \"prefixed\"?)\n"
       "f.json:1:50: error: expected \"auto\", \"io_uring\" or \"epoll\" for \"reactor\", found "
       "\"uring\"\n"
       "f.json:1:76: error: expected \"trace\", \"debug\", \"info\", \"warn\", \"error\" or "
       "\"off\" for "
       "\"level\", found \"warning\"\n"
       "f.json:1:87: warning: unknown key \"form\" in \"log\" (did you mean \"format\"?)\n"},
      {"limits",
       R"({"mcpServers": {}, "limits": {"bodyBytes": "4 furlongs", "headerBytes": 10, "headerCount": "many", "idleTimeout": "48h", "sesions": 1}})",
       "f.json:1:44: error: expected a number of bytes or a size such as \"4MiB\" for "
       "\"bodyBytes\", "
       "found \"4 furlongs\"\n"
       "f.json:1:73: error: \"headerBytes\" is 10 bytes; expected 1KiB to 1GiB\n"
       "f.json:1:92: error: expected a whole number for \"headerCount\", found a string\n"
       "f.json:1:115: error: \"idleTimeout\" is 48h; expected 1ms to 24h\n"
       "f.json:1:122: warning: unknown key \"sesions\" in \"limits\" (did you mean "
       "\"sessions\"?)\n"},
      {"hosts and origins",
       R"({"mcpServers": {}, "allowedHosts": ["http://a"], "allowedOrigins": ["*", "https://a/b"]})",
       "f.json:1:37: error: \"allowedHosts\" \"http://a\": expected a host name without scheme and "
       "path "
       "(mcp.example.org)\n"
       "f.json:1:69: error: \"allowedOrigins\" \"*\": expected an origin such as "
       "https://app.example.org\n"
       "f.json:1:74: error: \"allowedOrigins\" \"https://a/b\": an origin has no path "
       "(https://app.example.org)\n"},
      {"extensions",
       R"({"mcpServers": {}, "extensions": ["a/b", "no-prefix", "a/", "a/-b", "a/b/c"]})",
       "f.json:1:42: error: \"extensions\" \"no-prefix\": not the id of an extension "
       "(a prefix and a name, as in \"com.example/name\")\n"
       "f.json:1:55: error: \"extensions\" \"a/\": not the id of an extension "
       "(a prefix and a name, as in \"com.example/name\")\n"
       "f.json:1:61: error: \"extensions\" \"a/-b\": not the id of an extension "
       "(a prefix and a name, as in \"com.example/name\")\n"
       "f.json:1:69: error: \"extensions\" \"a/b/c\": not the id of an extension "
       "(a prefix and a name, as in \"com.example/name\")\n"},
      {"workers", R"({"mcpServers": {}, "workers": 5000})",
       "f.json:1:31: error: \"workers\" is 5000; expected 0 to 128\n"},
      {"a client's settings keep their other keys to themselves",
       R"({"context_servers": {}, "vim_mode": true, "log": {"client": "warn"}, "workers": "x"})",
       "f.json:1:51: warning: unknown key \"client\" in \"log\" (it has no effect)\n"
       "f.json:1:81: warning: expected a whole number for \"workers\", found a string\n"},
  };
  for (const row& entry : rows)
    check(entry);
}

TEST_CASE("diagnostics: addresses to listen on", "[config][address]") {
  struct address_row {
    const char* text;
    bool valid, loopback;
  };
  const address_row rows[] = {{"127.0.0.1:3000", true, true},  {"127.8.8.8:1", true, true},
                              {"[::1]:3000", true, true},      {"localhost:0", true, true},
                              {"0.0.0.0:3000", true, false},   {":3000", true, false},
                              {"[::]:3000", true, false},      {"10.0.0.1:80", true, false},
                              {"my-host.lan:80", true, false}, {"", false, false},
                              {"3000", false, false},          {"127.0.0.1", false, false},
                              {"127.0.0.1:", false, false},    {"127.0.0.1:65536", false, false},
                              {"127.0.0.1:-1", false, false},  {"127.0.0.1:3000x", false, false},
                              {"127.0.0:3000", false, false},  {"::1:3000", false, false},
                              {"[::1", false, false},          {"[::g]:1", false, false},
                              {"a b:1", false, false},         {"-a:1", false, false},
                              {"a..b:1", false, false},        {"[::1]x:1", false, false}};
  for (const address_row& entry : rows) {
    CAPTURE(entry.text);
    CHECK(listen_problem(entry.text, true).has_value() == !entry.valid);
    CHECK(listen_problem(entry.text, false).has_value() == !entry.loopback);
    if (entry.valid)
      CHECK(is_loopback_listen(entry.text) == entry.loopback);
  }
}

TEST_CASE("diagnostics: URLs of servers", "[config][address]") {
  for (const char* url : {"http://localhost/", "https://a.example.org:8443/mcp?x=1", "HTTP://h",
                          "http://[::1]:80/x", "http://10.0.0.1", "http://a_b/%41"}) {
    CAPTURE(url);
    CHECK_FALSE(url_problem(url).has_value());
  }
  for (const char* url :
       {"", "h", "http:/h", "http://", "http://:80/", "http://h:0/", "http://h:/",
        "http://h:99999/", "http://u@h/", "http://h/#f", "http://h/a b", "http://[::1/",
        "http://[zz]/", "http://1.2.3.999/", "file:///x", "http://h\n/", "http://-h/"}) {
    CAPTURE(url);
    CHECK(url_problem(url).has_value());
  }
}

TEST_CASE("diagnostics: findings print like a compiler's", "[config][diagnostics]") {
  const diagnostic full{severity::warning, {"a.json", 3, 4}, "message", "hint"};
  CHECK(full.to_string() == "a.json:3:4: warning: message (hint)");
  const diagnostic bare{severity::error, {"a.json", 0, 0}, "message", ""};
  CHECK(bare.to_string() == "a.json: error: message");
}

TEST_CASE("diagnostics: a client's own file needs few words", "[config][diagnostics]") {
  for (const auto& entry : std::filesystem::directory_iterator(folder() / "samples")) {
    const std::string name = entry.path().filename().string();
    const loaded out = load_text(sample(name), "/cfg/" + name, world());
    CAPTURE(name, all_findings(out.findings));
    CHECK(out.value.has_value());
    for (const diagnostic& finding : out.findings) {
      CHECK_FALSE(finding.message.contains("unknown key"));
    }
  }
}
