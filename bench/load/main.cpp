// nexus-bench: load-tests an MCP server.

#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <optional>

#include "bench/load/capacity.hpp"
#include "bench/load/options.hpp"
#include "bench/load/report.hpp"
#include "bench/load/run.hpp"

namespace {

constexpr int not_possible = 1;
constexpr int wrong_answers = 2;

int failed(const nexus::error& why) {
  fmt::print(stderr, "nexus-bench: {}\n", why.message);
  return not_possible;
}

bool write_file(const std::string& path, const std::string& text) {
  if (path.empty())
    return true;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file)
    return true;
  fmt::print(stderr, "nexus-bench: {}: cannot be written\n", path);
  return false;
}

int report(const nexus::load::options& options, const nexus::load::report_input& of) {
  using namespace nexus::load;
  const auto json = json_report(of) + "\n";
  std::fputs(options.json ? json.c_str() : text_report(of).c_str(), stdout);
  const bool written =
      write_file(options.json_file, json) &
      (options.html_file.empty() || write_file(options.html_file, html_report(of)));
  if (!written)
    return not_possible;
  const auto& seen = of.found.seen;
  return seen.errors.total() == 0 && seen.calls > 0 ? 0 : wrong_answers;
}

} // namespace

int main(int argc, char** argv) {
  using namespace nexus::load;
  std::signal(SIGPIPE, SIG_IGN);
  std::optional<int> exit_code;
  const auto options = parse_options(argc, argv, exit_code);
  if (exit_code)
    return *exit_code;
  if (!options)
    return failed(options.error());
  for (const int number : {SIGINT, SIGTERM})
    std::signal(number, [](int) { interrupt_run(); });
  if (options->capacity) {
    const auto found = find_capacity(options->run, *options->capacity);
    if (!found)
      return failed(found.error());
    const int code = report(*options, {options->run, found->best, found->trials});
    return best_rate(found->trials) > 0 ? code : wrong_answers;
  }
  const auto found = run_load(options->run);
  if (!found)
    return failed(found.error());
  return report(*options, {options->run, *found, {}});
}
