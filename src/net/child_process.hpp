#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/reactor.hpp"

/// Child processes without a shell.
namespace nexus::net {

struct spawn_options {
  std::vector<std::string> argv; ///< argv[0] is looked up in the child's PATH
  std::vector<std::pair<std::string, std::string>> env; ///< the whole environment of the child
  std::string cwd;                                      ///< empty: this process's
};

/// How a child ended.
struct exit_status {
  int code = 0; ///< exit code when signal is 0
  int signal = 0;
  [[nodiscard]] std::string to_string() const; ///< "exit code 1", "killed by signal 9 (SIGKILL)"
};

/// A running child in a process group of its own, with PR_SET_PDEATHSIG, all descriptors but its
/// three closed, default signal handling and an empty signal mask.
/// The kernel's death signal is tied to the thread that spawned, not to the process: spawn on
/// threads that live as long as the process.
/// @lifetime ends before its reactor's
class child_process {
 public:
  using exit_handler = unique_function<void(exit_status)>;

  /// Starts a child. exec errors (missing binary, EACCES, ENOEXEC, missing cwd) are reported here.
  /// `on_exit` runs on the reactor's thread once the child is reaped, and may destroy the child.
  /// What it wrote before may still be on its way in io(); a descendant that has left the group
  /// may even keep that open.
  /// @errors spawn_failed: names the command, the errno text and a remedy
  [[nodiscard]] static result<std::unique_ptr<child_process>>
  spawn(reactor& on, const spawn_options& options, exit_handler on_exit);
  /// Kills the whole process group (SIGKILL) when it still runs and reaps it in the background.
  virtual ~child_process() = default;

  /// stdin (write side) and stdout (read side) as one stream. Moved out by the owner.
  [[nodiscard]] virtual stream_ptr& io() = 0;
  /// stderr, read side.
  [[nodiscard]] virtual stream_ptr& errors() = 0;
  [[nodiscard]] virtual int pid() const noexcept = 0;
  [[nodiscard]] virtual bool running() const noexcept = 0;
  /// Polite end: closes stdin; after `grace` SIGTERM to the group; after `grace` again SIGKILL to
  /// the group. Descendants that outlive the child in its group are killed with it.
  virtual void stop(milliseconds grace) = 0;
};

/// Makes this process reap orphaned descendants of its children (PR_SET_CHILD_SUBREAPER), so that
/// double-forked grandchildren do not become zombies of init. @thread main, once
void become_subreaper();

} // namespace nexus::net
