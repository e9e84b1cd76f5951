#include "bench/retrieval/tool_file.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "json/scan.hpp"
#include "json/walk.hpp"

namespace nexus::bench {
namespace {

[[noreturn]] void give_up(const std::string& path, std::size_t line, const char* why) {
  std::fprintf(stderr, "%s:%zu: %s\n", path.c_str(), line, why);
  std::exit(2);
}

template <class Line>
void each_line(const std::string& path, Line use) {
  std::ifstream file(path);
  if (!file)
    give_up(path, 0, "cannot be read");
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    json::ensure_padding(line);
    if (!use(line))
      give_up(path, number, "not what a line of this file is");
  }
}

} // namespace

std::vector<search::document> read_tools(const std::string& path) {
  std::vector<search::document> out;
  json::scanner scanner;
  each_line(path, [&](const std::string& line) {
    auto tool = search::read_document(scanner, line);
    if (tool)
      out.push_back(std::move(*tool));
    return tool.has_value();
  });
  return out;
}

std::vector<std::string> read_strings(const std::string& path, const std::string& member) {
  std::vector<std::string> out;
  json::scanner scanner;
  each_line(path, [&](const std::string& line) {
    const auto value = scanner.validate(line);
    const json::slice text = value ? json::find_member(*value, member) : json::slice{};
    if (text.is(json::kind::string))
      out.push_back(json::unquote(text));
    return text.is(json::kind::string);
  });
  return out;
}

} // namespace nexus::bench
