#include <filesystem>
#include <fstream>

#include <stdlib.h>
#include <sys/stat.h>

#include "support.hpp"

using namespace nexus;
using namespace nexus::cli;
using Catch::Matchers::Contains;
using test::two_servers;

namespace {

class temporary_folder {
 public:
  temporary_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "nexus-cli-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_CASE("serve merges its flags into the file's settings", "[cli][serve]") {
  test::world w;
  w.files["a.json"] = R"({"listen":"127.0.0.1:1","workers":2,"reactor":"io_uring",
                          "mcpServers":{"x":{"command":"cat"}}})";
  w.gateway.code = 7;
  CHECK(w.run({"serve", "-c", "a.json"}) == 7);
  CHECK(w.gateway.asked == "serve");
  CHECK(w.gateway.settings.listen == "127.0.0.1:1");
  CHECK(w.gateway.settings.workers == 2);
  CHECK(w.gateway.settings.reactor == "io_uring");
  CHECK(w.gateway.options.config_path == "a.json");
  w.run({"serve", "-c", "a.json", "--listen", "localhost:0", "--workers", "4", "--reactor", "epoll",
         "--quiet"});
  CHECK(w.gateway.settings.listen == "localhost:0");
  CHECK(w.gateway.settings.workers == 4);
  CHECK(w.gateway.settings.reactor == "epoll");
  CHECK(w.gateway.options.listen == "localhost:0");
  CHECK(w.gateway.options.quiet);
  CHECK(w.out.str().empty());
}

TEST_CASE("serve takes ./nexus.json without -c and says how to get one", "[cli][serve]") {
  test::world w;
  CHECK(w.run({"serve"}) == exit_failed);
  CHECK(w.gateway.asked.empty());
  CHECK_THAT(w.err.str(),
             Contains("nexus.json") && Contains("-c FILE") && Contains("nexus import"));
  w.files["nexus.json"] = two_servers;
  CHECK(w.run({"serve"}) == exit_ok);
  CHECK(w.gateway.settings.servers.size() == 2);
  CHECK(w.gateway.options.config_path == "nexus.json");
}

TEST_CASE("serve beyond loopback has to be asked for in the file", "[cli][serve]") {
  test::world w;
  w.files["nexus.json"] = two_servers;
  CHECK(w.run({"serve", "--listen", "0.0.0.0:80"}) == exit_failed);
  CHECK(w.gateway.asked.empty());
  CHECK_THAT(w.err.str(), Contains("--listen 0.0.0.0:80") && Contains("insecureListen"));
  w.files["nexus.json"] = R"({"insecureListen": true, "mcpServers": {}})";
  CHECK(w.run({"serve", "--listen", "0.0.0.0:80"}) == exit_ok);
  CHECK(w.gateway.settings.listen == "0.0.0.0:80");
}

TEST_CASE("serve and stdio refuse a bad file on stderr alone", "[cli][serve]") {
  test::world w;
  w.files["bad.json"] = "{\n  \"mcpServers\": 5}";
  for (const std::string command : {"serve", "stdio"}) {
    CHECK(w.run({command, "-c", "bad.json"}) == exit_failed);
    CHECK(w.out.str().empty());
    CHECK_THAT(w.err.str(), Contains("bad.json:2:"));
    CHECK(w.run({command, "-c", "missing.json"}) == exit_failed);
    CHECK(w.out.str().empty());
    CHECK_THAT(w.err.str(), Contains("missing.json"));
  }
  CHECK(w.gateway.asked.empty());
}

TEST_CASE("stdio takes its file from -c, then MCP_SERVER_LIST, then the folder", "[cli][stdio]") {
  test::world w;
  w.files["nexus.json"] = w.files["env.json"] = w.files["flag.json"] = two_servers;
  CHECK(w.run({"stdio"}) == exit_ok);
  CHECK(w.gateway.options.config_path == "nexus.json");
  w.env.variables["MCP_SERVER_LIST"] = "env.json";
  CHECK(w.run({"stdio"}) == exit_ok);
  CHECK(w.gateway.asked == "stdio");
  CHECK(w.gateway.options.config_path == "env.json");
  CHECK(w.run({"stdio", "-c", "flag.json"}) == exit_ok);
  CHECK(w.gateway.options.config_path == "flag.json");
  CHECK(w.out.str().empty());
}

TEST_CASE("check prints findings and a summary", "[cli][check]") {
  test::world w;
  w.files["nexus.json"] = two_servers;
  CHECK(w.run({"check"}) == exit_ok);
  CHECK(w.out.str() ==
        "nexus.json: good; 2 servers (1 stdio, 1 http; 1 lazy), listening on 127.0.0.1:3000\n");
  w.files["warn.json"] = "{\"mcpServers\": {\n\"a\": {\"comand\": \"x\", \"command\": \"cat\"}}}";
  CHECK(w.run({"check", "-c", "warn.json"}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("warn.json:2:7: warning") && Contains("good with 1 warning;") &&
                              Contains("1 server (1 stdio)"));
  w.files["bad.json"] = "{\n \"listen\": \"nowhere\",\n \"mcpServers\": {}}";
  CHECK(w.run({"check", "-c", "bad.json"}) == exit_failed);
  CHECK_THAT(w.out.str(), Contains("bad.json:2:") && Contains("bad.json: 1 error\n"));
  CHECK(w.run({"check", "-c", "missing.json"}) == exit_failed);
  CHECK_THAT(w.out.str(), Contains("missing.json"));
  CHECK(w.gateway.asked.empty());
}

TEST_CASE("check speaks JSON", "[cli][check]") {
  test::world w;
  w.files["nexus.json"] = two_servers;
  CHECK(w.run({"check", "--json"}) == exit_ok);
  CHECK(w.out.str() == R"({"file":"nexus.json","valid":true,"findings":[],)"
                       R"("listen":"127.0.0.1:3000","servers":[)"
                       R"({"name":"files","transport":"stdio","lazy":false},)"
                       R"({"name":"search","transport":"http","lazy":true}]})"
                       "\n");
  w.files["bad.json"] = "{\n \"listen\": \"nowhere\",\n \"mcpServers\": {}}";
  CHECK(w.run({"check", "--json", "-c", "bad.json"}) == exit_failed);
  CHECK_THAT(w.out.str(), Contains(R"("valid":false)") && Contains(R"("level":"error")") &&
                              Contains(R"("line":2)") && !Contains("servers\":"));
}

TEST_CASE("colour is for terminals without NO_COLOR", "[cli][check]") {
  test::world w;
  w.files["nexus.json"] = two_servers;
  w.run({"check"});
  CHECK_THAT(w.out.str(), !Contains("\x1b"));
  w.terminal = true;
  w.run({"check"});
  CHECK_THAT(w.out.str(), Contains("\x1b[32mgood\x1b[0m"));
  w.colour = false;
  w.run({"check"});
  CHECK_THAT(w.out.str(), !Contains("\x1b"));
}

TEST_CASE("import writes our form to stdout and findings to stderr", "[cli][import]") {
  test::world w;
  w.files["mcp.json"] = R"({"servers": {"c": {"type": "stdio", "command": "cat", "odd": 1}}})";
  CHECK(w.run({"import", "mcp.json"}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("\"mcpServers\"") && Contains("\"cat\""));
  w.files["again.json"] = w.out.str();
  CHECK(w.run({"check", "-c", "again.json"}) == exit_ok);
  w.in.str(R"({"servers": {"d": {"type": "stdio", "command": "cat"}}})");
  CHECK(w.run({"import", "-"}) == exit_ok);
  CHECK_THAT(w.out.str(), Contains("\"d\""));
  w.files["bad.json"] = "[1, 2";
  CHECK(w.run({"import", "bad.json"}) == exit_failed);
  CHECK(w.out.str().empty());
  CHECK_THAT(w.err.str(), Contains("bad.json:1:"));
  CHECK(w.run({"import", "missing.json"}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("missing.json"));
}

TEST_CASE("import never overwrites unasked", "[cli][import]") {
  const temporary_folder folder;
  const std::string out = folder.file("out.json");
  test::world w;
  w.files["mcp.json"] = two_servers;
  CHECK(w.run({"import", "mcp.json", "-o", out}) == exit_ok);
  CHECK(w.out.str().empty());
  const std::string first = read_file(out);
  CHECK_THAT(first, Contains("files"));
  struct stat status {};
  REQUIRE(::stat(out.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600);
  w.files["mcp.json"] = R"({"mcpServers": {"other": {"command": "cat"}}})";
  CHECK(w.run({"import", "mcp.json", "-o", out}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("--force"));
  CHECK(read_file(out) == first);
  CHECK(w.run({"import", "mcp.json", "-o", out, "--force"}) == exit_ok);
  CHECK_THAT(read_file(out), Contains("other") && !Contains("files"));
  CHECK(w.run({"import", "mcp.json", "-o", folder.file("no/such/folder")}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("cannot be written"));
}

TEST_CASE("output that cannot be written is a failure", "[cli]") {
  test::world w;
  w.files["nexus.json"] = two_servers;
  std::ostringstream broken;
  broken.setstate(std::ios::badbit);
  console io{w.in, broken, w.err};
  const std::vector<std::string> arguments{"check"};
  CHECK(run_program(arguments, {io, w.env, w.time, w.gateway}) == exit_failed);
  CHECK_THAT(w.err.str(), Contains("cannot be written"));
}
