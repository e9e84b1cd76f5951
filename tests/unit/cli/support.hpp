#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "cli/program.hpp"

namespace nexus::cli::test {

/// Records what it is asked for; with_gateway() leads to an address that the test gives.
class fake_gateway final : public gateway_port {
 public:
  int serve(config::gateway given, const serve_options& with) override {
    return take("serve", std::move(given), with);
  }
  int stdio(config::gateway given, const serve_options& with) override {
    return take("stdio", std::move(given), with);
  }
  int with_gateway(config::gateway given,
                   const std::function<int(const net::endpoint&)>& work) override {
    asked = "with_gateway";
    settings = std::move(given);
    return work(address);
  }

  std::string asked; ///< the last method; empty when there was none
  config::gateway settings;
  serve_options options;
  net::endpoint address;
  int code = 0;

 private:
  int take(const char* method, config::gateway given, const serve_options& with) {
    asked = method;
    settings = std::move(given);
    options = with;
    return code;
  }
};

/// A process without a process: files, environment, streams.
struct world {
  std::map<std::string, std::string> files;
  config::environment env;
  std::istringstream in;
  std::ostringstream out, err;
  fake_gateway gateway;
  system_clock_source time;
  bool terminal = false;
  bool colour = true;

  world() {
    env.home = "/home/ada";
    env.working_directory = "/home/ada";
    env.read_file = [this](const std::string& path) -> std::optional<std::string> {
      const auto found = files.find(path);
      return found == files.end() ? std::nullopt : std::optional(found->second);
    };
  }

  int run(const std::vector<std::string>& arguments) {
    out.str({});
    err.str({});
    console io{in, out, err, terminal, terminal, colour, 0};
    return run_program(arguments, {io, env, time, gateway});
  }
};

inline const std::string two_servers = R"({"mcpServers": {
  "files": {"command": "cat"},
  "search": {"url": "http://127.0.0.1:9/mcp", "lazy": true}}})";

} // namespace nexus::cli::test
