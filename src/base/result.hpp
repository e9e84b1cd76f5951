#pragma once

#include <expected>
#include <string>
#include <system_error>
#include <utility>

namespace nexus {

/// What a peer, an upstream or the environment did wrong.
/// `message` may be shown to a client; `detail` is for the log. Neither holds a secret.
struct error {
  std::error_code code;
  std::string message;
  std::string detail;
};

/// The return type of everything that can fail for a reason outside this program.
template <class T = void>
using result = std::expected<T, error>;

/// Builds the failing side of a `result`.
[[nodiscard]] inline std::unexpected<error> fail(std::error_code code, std::string message,
                                                 std::string detail = {}) {
  return std::unexpected<error>(error{code, std::move(message), std::move(detail)});
}

} // namespace nexus
