#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "registry/pins.hpp"
#include "registry_fixture.hpp"

using namespace nexus;
using namespace nexus::registry;
using testing::tool_set;

namespace {

/// What real servers list; empty when the folder is not there.
tool_set real_tools() {
  // Beside the tree where there is one.
  const auto folder =
      std::filesystem::path(__FILE__).parent_path() / "../../../../shared/fleet/catalogues";
  std::error_code absent;
  tool_set out;
  if (!std::filesystem::is_directory(folder, absent)) {
    WARN("SKIPPED: there are no catalogues at " << folder.string());
    return out;
  }
  std::set<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    files.insert(file.path());
  json::scanner scanner;
  for (const auto& file : files) {
    std::ifstream in(file);
    std::string text(std::istreambuf_iterator<char>(in), {});
    json::ensure_padding(text);
    json::slice all = *scanner.validate(text);
    if (const json::slice named = json::find_member(all, "tools"))
      all = named;
    out.add(file.stem().string(), std::string(all.raw.substr(1, all.raw.size() - 2)));
  }
  return out;
}

double milliseconds_of(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

} // namespace

TEST_CASE("duplicates among the tools of real servers are those that people see",
          "[registry][slow]") {
  const tool_set real = real_tools();
  if (real.tools.empty())
    return;
  CHECK(real.tools.size() > 500);
  const auto since = std::chrono::steady_clock::now();
  const auto groups = find_duplicates(real.tools, {});
  const auto took = std::chrono::steady_clock::now() - since;
  CHECK(took < std::chrono::seconds(5));

  std::map<duplicate_kind, std::set<std::string>> found;
  std::string report;
  for (const duplicate_group& group : groups) {
    found[group.kind].insert(real.names(group));
    report += std::string(name_of(group.kind)) + ' ' + std::to_string(group.evidence.score) + ": " +
              real.names(group) + '\n';
  }
  INFO(report);
  WARN(real.tools.size() << " tools: " << found[duplicate_kind::exact].size() << " exact, "
                         << found[duplicate_kind::near].size() << " near, "
                         << found[duplicate_kind::same_name].size() << " same-name groups in "
                         << milliseconds_of(took) << " ms");
  // One server with two sets of options: each tool of the smaller set is one of the larger.
  CHECK(found[duplicate_kind::exact].size() == 25);
  CHECK(found[duplicate_kind::exact].contains(
      "playwright_mcp-all-caps/browser_click playwright_mcp/browser_click"));
  // One name for different things.
  CHECK(found[duplicate_kind::same_name] ==
        std::set<std::string>{"n8n-mcp/search_nodes server-memory/search_nodes",
                              "sentry_mcp-server/search_issues server-github/search_issues",
                              "sentry_mcp-server/update_issue server-github/update_issue"});
  for (const char* same : {
           "chrome-devtools-mcp/take_screenshot playwright_mcp-all-caps/browser_take_screenshot",
           "chrome-devtools-mcp/hover playwright_mcp-all-caps/browser_hover",
           "chrome-devtools-mcp/press_key playwright_mcp-all-caps/browser_press_key",
           "firecrawl-mcp/firecrawl_map tavily-mcp/tavily_map",
           "google-workspace/calendar.deleteEvent "
           "tools-for-mcp-server/delete_schedules_on_Google_Calendar",
           "google-workspace/time.getCurrentDate tools-for-mcp-server/get_current_date_time",
       })
    CHECK(found[duplicate_kind::near].contains(same));
  CHECK(found[duplicate_kind::near].size() <= 30);
}

TEST_CASE("duplicates are found among ten thousand tools", "[registry][slow]") {
  tool_set real = real_tools();
  if (real.tools.empty())
    return;
  const std::size_t once = real.tools.size();
  std::deque<std::string> servers;
  for (unsigned copy = 1; copy < 18; ++copy)
    for (std::size_t i = 0; i < once; ++i) {
      tool_entry made = real.tools[i];
      made.server = servers.emplace_back(std::string(made.server) + "-" + std::to_string(copy));
      made.digest[0] = static_cast<unsigned char>(made.digest[0] ^ copy);
      real.tools.push_back(made);
    }
  const auto since = std::chrono::steady_clock::now();
  const auto groups = find_duplicates(real.tools, {});
  const auto took = std::chrono::steady_clock::now() - since;
  WARN(real.tools.size() << " tools: " << groups.size() << " groups in " << milliseconds_of(took)
                         << " ms");
  CHECK(groups.size() > 400);
  CHECK(took < std::chrono::seconds(60));
}
