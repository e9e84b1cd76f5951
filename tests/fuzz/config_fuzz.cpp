/// Any bytes as a configuration: no crash, no exception, errors instead of a value, and an import
/// that means what the file meant.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace {

using namespace nexus::config;

const environment& world() {
  static const environment env{{{"A", "1"}, {"TOKEN", "t"}, {"EMPTY", ""}, {"NEXUS_INPUT_X", "in"}},
                               "/home/u",
                               "/home/u/work",
                               [](const std::string& path) -> std::optional<std::string> {
                                 if (path == "/cfg/f")
                                   return "text";
                                 return std::nullopt;
                               }};
  return env;
}

bool has_error(const std::vector<diagnostic>& list) {
  for (const diagnostic& entry : list) {
    if (entry.level == severity::error)
      return true;
    if (entry.to_string().empty())
      std::abort();
  }
  return false;
}

void run(std::string_view text, const std::string& name) {
  const loaded direct = load_text(text, name, world());
  if (direct.value.has_value() == has_error(direct.findings))
    std::abort();
  const imported converted = import_text(text, name, world());
  if (converted.text.empty() != !direct.value.has_value())
    std::abort();
  if (!direct.value)
    return;
  const loaded again = load_text(converted.text, "/cfg/nexus.json", world());
  if (!again.value || again.value->servers != direct.value->servers)
    std::abort();
}

} // namespace

/// The first byte chooses the syntax.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with('T'))
    run(bytes.substr(1), "/cfg/config.toml");
  else
    run(bytes, "/cfg/mcp.json");
  return 0;
}
