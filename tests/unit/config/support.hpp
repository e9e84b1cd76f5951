#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "config/config.hpp"

namespace nexus::config::test {

inline std::filesystem::path folder() {
  return std::filesystem::path(__FILE__).parent_path();
}
inline std::filesystem::path tree() {
  return folder().parent_path().parent_path().parent_path();
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A small world: nothing of the machine that runs the test.
inline environment world() {
  environment env;
  env.variables = {{"API_KEY", "k3y"},
                   {"HOME", "/home/ada"},
                   {"WORKSPACE", "/ws"},
                   {"DB_URL", "pg://db"},
                   {"MCP_HOST", "wind.example"},
                   {"NEXUS_INPUT_GIVEN", "gift"},
                   {"EMPTY", ""},
                   {"RECURSIVE", "${API_KEY} $API_KEY {env:API_KEY}"}};
  env.home = "/home/ada";
  env.working_directory = "/home/ada/project";
  env.read_file = [](const std::string& path) -> std::optional<std::string> {
    if (path == "/cfg/secret.txt")
      return "from a file\n";
    if (path == "/home/ada/project/.env")
      return "# c\nFROM_FILE=1\nexport QUOTED=\"a b\\n\"\nDEBUG=9\n";
    return std::nullopt;
  };
  return env;
}

inline std::string sample(const std::string& name) {
  return read_file(folder() / "samples" / name);
}

inline std::string all_findings(const std::vector<diagnostic>& list) {
  std::string out;
  for (const diagnostic& entry : list)
    out += entry.to_string() + "\n";
  return out;
}

/// Loads and expects no error.
inline gateway must_load(const std::string& text, const std::string& file = "/cfg/nexus.json") {
  const loaded out = load_text(text, file, world());
  INFO(all_findings(out.findings));
  REQUIRE(out.value.has_value());
  return *out.value;
}

inline gateway load_sample(const std::string& name) {
  return must_load(sample(name), "/cfg/" + name);
}

inline const server& named(const gateway& from, const std::string& name) {
  for (const server& entry : from.servers) {
    if (entry.name == name)
      return entry;
  }
  FAIL("no server " << name);
  return from.servers.front();
}

/// The servers of a file that holds this one.
inline server one_server(const std::string& body) {
  const gateway value = must_load("{\"mcpServers\": {\"s\": " + body + "}}");
  REQUIRE(value.servers.size() == 1);
  return value.servers.front();
}

} // namespace nexus::config::test
