#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"

/// References in strings: `$VAR ${VAR} ${VAR:-default} ${env:VAR} {env:VAR} %VAR% {file:path}
/// ${input:id}` and the folders that clients know (`${userHome}`, `${workspaceFolder}`, ...).
/// Every string is expanded once: what a variable holds is never looked at again.
namespace nexus::config::detail {

/// What an unset variable becomes.
enum class unset_policy : std::uint8_t {
  error,   ///< the server that needs it cannot be used
  empty,   ///< nothing, as Gemini CLI does
  literal, ///< the reference as written, as Claude Code does
};

struct scope {
  const environment& env;
  unset_policy unset = unset_policy::error;
  std::string folder;           ///< of the configuration file
  const node* inputs = nullptr; ///< `inputs[]` of the file
};

struct expansion {
  std::string text;
  /// Why the text cannot be used; the first reason, empty when it can.
  std::string problem;
  std::string remedy;
  /// References that stay as written because nobody knows them.
  std::vector<std::string> unknown;
  /// Variables that are unset and replaced as the policy says.
  std::vector<std::string> unset;
};

/// In a URL, `%41` is a percent escape and no variable.
enum class text_kind : std::uint8_t { plain, url };

[[nodiscard]] expansion expand(std::string_view text, const scope& within, text_kind kind);

/// `text` such that expand() yields it again.
[[nodiscard]] std::string escape_literal(std::string_view text);

/// The variable that gives the input `id` its value: NEXUS_INPUT_<ID>.
[[nodiscard]] std::string input_variable(std::string_view id);

/// The folder of `file_name`, absolute when the working directory is known.
[[nodiscard]] std::string folder_of(std::string_view file_name, const environment& env);
/// `~/x` and relative paths, made absolute.
[[nodiscard]] std::string resolve_path(std::string_view path, std::string_view folder,
                                       const environment& env);

} // namespace nexus::config::detail
