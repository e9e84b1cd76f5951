#pragma once

#include <string>
#include <vector>

#include "net/child_process.hpp"

/// fork and exec without fork: the part of child_process that knows the kernel.
namespace nexus::net::detail {

/// What the child gets as descriptors 0, 1 and 2. All three are above 2.
struct child_descriptors {
  int in = -1;
  int out = -1;
  int err = -1;
};

/// A command with everything that the child needs between clone and exec already in memory, since
/// nothing may be allocated there.
class prepared_command {
 public:
  /// @errors spawn_failed: what cannot be said to execve (no command, NUL bytes, bad names)
  [[nodiscard]] static result<prepared_command> prepare(const spawn_options& options);

  /// Starts the command as leader of a process group of its own. Returns once exec succeeded or
  /// failed; a failed child is reaped already.
  /// @returns the process id
  /// @errors spawn_failed: the command, the errno text and a remedy
  /// @pre the caller keeps the reaper from looking until it knows the process id
  [[nodiscard]] result<int> launch(child_descriptors descriptors);

 private:
  prepared_command() = default;
  [[nodiscard]] std::size_t image_bytes() const noexcept;
  [[nodiscard]] std::unexpected<error> exec_failure(int reason, std::size_t candidate) const;
  [[nodiscard]] std::unexpected<error> chdir_failure(int reason) const;
  [[nodiscard]] std::string from_cwd(const std::string& path) const;

  std::vector<std::string> argv_;
  std::vector<std::string> env_;        ///< NAME=VALUE
  std::vector<std::string> candidates_; ///< paths to try in turn
  std::string cwd_;
  std::string search_path_; ///< empty when the command is a path itself
};

} // namespace nexus::net::detail
