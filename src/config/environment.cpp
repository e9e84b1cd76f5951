#include <pwd.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "config/config.hpp"

namespace nexus::config {
namespace {

std::optional<std::string> read_bounded(const std::string& path) {
  // A folder opens and reads as empty; pipes stay possible: -c <(generate).
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed))
    return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return std::nullopt;
  std::string text;
  std::array<char, 16 * 1024> chunk{};
  while (in.read(chunk.data(), chunk.size()), in.gcount() > 0) {
    text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > limits::config_file_bytes_max)
      return std::nullopt;
  }
  if (in.bad())
    return std::nullopt;
  return text;
}

std::string home_folder(const std::map<std::string, std::string>& variables) {
  const auto home = variables.find("HOME");
  if (home != variables.end() && !home->second.empty())
    return home->second;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_dir;
  }
  return {};
}

} // namespace

environment environment::of_process() {
  environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos)
      continue;
    out.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  out.home = home_folder(out.variables);
  std::error_code failed;
  out.working_directory = std::filesystem::current_path(failed).string();
  out.read_file = read_bounded;
  return out;
}

} // namespace nexus::config
