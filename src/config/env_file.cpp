#include "base/text.hpp"
#include "config/resolve.hpp"

namespace nexus::config::detail {
namespace {

std::string unquoted(std::string_view text) {
  const char mark = text.empty() ? '\0' : text.front();
  if (mark != '"' && mark != '\'') {
    // A comment begins at a '#' that follows a space.
    const std::size_t comment = text.find(" #");
    return std::string(trim(text.substr(0, comment)));
  }
  std::string out;
  for (std::size_t i = 1; i < text.size() && text[i] != mark; ++i) {
    if (mark == '"' && text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i] == 'r' ? '\r' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}

} // namespace

std::map<std::string, std::string> parse_env_file(std::string_view text) {
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with("export "))
      line = trim(line.substr(7));
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos)
      continue;
    const std::string_view name = trim(line.substr(0, equals));
    if (name.empty() || name.contains('\0'))
      continue;
    out[std::string(name)] = unquoted(trim(line.substr(equals + 1)));
  }
  return out;
}

} // namespace nexus::config::detail
