#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

/// The revisions of the Model Context Protocol and their two eras.
namespace nexus::mcp {

enum class revision : std::uint8_t {
  r2024_11_05,
  r2025_03_26,
  r2025_06_18,
  r2025_11_25,
  r2026_07_28,
};

/// Legacy revisions have a handshake and sessions; modern ones carry everything in each request.
enum class era : std::uint8_t { legacy, modern };

inline constexpr std::array<std::string_view, 5> revision_names{
    "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"};
inline constexpr revision newest_legacy = revision::r2025_11_25;
inline constexpr revision newest_modern = revision::r2026_07_28;

[[nodiscard]] constexpr std::string_view to_string(revision r) noexcept {
  return revision_names[static_cast<std::size_t>(r)];
}
[[nodiscard]] constexpr std::string_view to_string(era e) noexcept {
  return e == era::modern ? "modern" : "legacy";
}
[[nodiscard]] constexpr era era_of(revision r) noexcept {
  return r >= revision::r2026_07_28 ? era::modern : era::legacy;
}
[[nodiscard]] constexpr std::optional<revision> parse_revision(std::string_view text) noexcept {
  for (std::size_t i = 0; i < revision_names.size(); ++i)
    if (revision_names[i] == text)
      return static_cast<revision>(i);
  return std::nullopt;
}

/// What `initialize` answers: the client's revision when it is a legacy one that is served, else
/// the newest legacy one. @source MCP 2025-11-25 "lifecycle", version negotiation
[[nodiscard]] constexpr revision negotiate_legacy(std::string_view requested) noexcept {
  const auto known = parse_revision(requested);
  return known && era_of(*known) == era::legacy ? *known : newest_legacy;
}

/// Severity of log notifications (RFC 5424), least first.
enum class log_level : std::uint8_t {
  debug,
  info,
  notice,
  warning,
  error,
  critical,
  alert,
  emergency,
  off
};
inline constexpr std::array<std::string_view, 8> log_level_names{
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};
[[nodiscard]] constexpr std::optional<log_level> parse_log_level(std::string_view text) noexcept {
  for (std::size_t i = 0; i < log_level_names.size(); ++i)
    if (log_level_names[i] == text)
      return static_cast<log_level>(i);
  return std::nullopt;
}

} // namespace nexus::mcp
