#include "engine/learned_uris.hpp"

#include <utility>

#include "json/scan.hpp"

namespace nexus::engine {
namespace {

std::string_view without_space(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

/// The string that `text` begins with, quotes included; empty when it begins with none.
std::string_view leading_string(std::string_view text) noexcept {
  if (!text.starts_with('"'))
    return {};
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return text.substr(0, i + 1);
  }
  return {};
}

} // namespace

std::optional<std::uint32_t> learned_uris::find(std::string_view uri) const {
  if (const auto found = young_.find(uri); found != young_.end())
    return found->second;
  if (const auto found = old_.find(uri); found != old_.end())
    return found->second;
  return std::nullopt;
}

bool learned_uris::add(std::string_view uri, std::uint32_t slot) {
  if (const auto found = young_.find(uri); found != young_.end())
    return std::exchange(found->second, slot) != slot;
  const auto known = find(uri);
  if (young_.size() >= half) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.emplace(uri, slot);
  return known != slot;
}

void learned_uris::forget(std::uint32_t slot) {
  const auto theirs = [slot](const auto& entry) { return entry.second == slot; };
  std::erase_if(young_, theirs);
  std::erase_if(old_, theirs);
}

std::vector<std::string> mentioned_uris(std::string_view text) {
  // A key inside a string has its quotes escaped, so this form stands for a key or a whole value.
  constexpr std::string_view key = R"("uri")";
  std::vector<std::string> uris;
  for (auto at = text.find(key); at != std::string_view::npos; at = text.find(key, at)) {
    at += key.size();
    auto rest = without_space(text.substr(at));
    if (!rest.starts_with(':'))
      continue;
    const auto value = leading_string(without_space(rest.substr(1)));
    if (value.size() <= 2 || value.size() > limits::resource_uri_bytes_max ||
        value.find(':') == std::string_view::npos)
      continue;
    uris.push_back(json::unquote({value, json::kind::string}));
    if (uris.size() == limits::learned_uris_per_result_max)
      break;
  }
  return uris;
}

} // namespace nexus::engine
