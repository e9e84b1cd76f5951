#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "net/child_launch.hpp"

/// The one place where this process waits for its children.
namespace nexus::net::detail {

/// A started child, shared by its owner, the reaper and the notice on its way between them.
struct child_watch {
  int pid = 0;
  reactor* notify = nullptr; ///< where the owner lives; guarded by the reaper's mutex
  bool reaped = false;       ///< guarded by the reaper's mutex
  unique_function<void(exit_status)> on_exit; ///< set and called on the owner's thread alone
};

/// Starts and reaps every child of the process, and reaps orphans that the kernel gives to it.
///
/// One thread sleeps in waitid() and leaves the dead one a zombie until it has taken the mutex,
/// under which children are also started and signalled. Hence no exit is seen before its owner is
/// known, and no signal reaches a process id, or a process group, that has been recycled.
/// @pre nothing else in this process forks: its children would be taken for orphans
class child_reaper {
 public:
  /// Never destroyed: its thread sleeps until the process ends.
  [[nodiscard]] static child_reaper& instance();

  /// @errors of prepared_command::launch
  [[nodiscard]] result<std::shared_ptr<child_watch>>
  start(prepared_command& command, child_descriptors descriptors, reactor& notify);
  /// Signals the whole group of a child that is not reaped yet.
  void signal_group(const child_watch& watch, int signal);
  /// Kills the group and forgets the owner: on_exit does not run any more.
  void abandon(child_watch& watch);

 private:
  child_reaper();
  void run();
  void reap(int pid);
  void drop_lost();
  void finish(std::shared_ptr<child_watch> watch, exit_status status);

  std::mutex mutex_;
  std::condition_variable started_;
  std::unordered_map<int, std::shared_ptr<child_watch>> children_; ///< by process id, not reaped
};

} // namespace nexus::net::detail
