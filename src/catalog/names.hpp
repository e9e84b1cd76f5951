#pragma once

#include <string>
#include <string_view>

/// The names under which tools are shown to clients.
namespace nexus::catalog {

/// True when every model provider accepts `name` as a function name: 1 to 64 of [A-Za-z0-9_-].
[[nodiscard]] bool is_portable_name(std::string_view name) noexcept;

/// `server__tool` when that is portable. Otherwise a stable alias: the same with every other
/// character as '_', cut to fit, and ended by '_' and eight hexadecimal digits of a hash over both
/// original names, so that it depends on nothing else in the catalogue.
[[nodiscard]] std::string prefixed_name(std::string_view server, std::string_view tool);

/// The alias form always: for the second of two pairs that share a prefixed name.
[[nodiscard]] std::string aliased_name(std::string_view server, std::string_view tool);

/// The tool's own name when it is portable, else its alias.
[[nodiscard]] std::string bare_name(std::string_view server, std::string_view tool);

/// 16 hexadecimal digits of a SHA-256 over `text`: tells contents apart, and keeps no secret.
[[nodiscard]] std::string content_fingerprint(std::string_view text);

} // namespace nexus::catalog
