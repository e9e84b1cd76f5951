#include "net/child_reaper.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace nexus::net::detail {
namespace {

exit_status status_of(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED)
    return {.code = info.si_status, .signal = 0};
  return {.code = 0, .signal = info.si_status};
}

/// @returns 1 when the child is dead, 0 when it lives, -1 when it is no child of this process
int wait_for(int pid, siginfo_t& info, int flags) {
  info.si_pid = 0;
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | flags) < 0)
    if (errno != EINTR)
      return -1;
  return info.si_pid == pid ? 1 : 0;
}

} // namespace

child_reaper& child_reaper::instance() {
  static auto* const reaper = new child_reaper;
  return *reaper;
}

child_reaper::child_reaper() {
  // Whoever started this process may have left SIGCHLD ignored, and then the kernel drops every
  // exit status.
  struct sigaction current {};
  if (sigaction(SIGCHLD, nullptr, &current) == 0 && current.sa_handler == SIG_IGN)
    signal(SIGCHLD, SIG_DFL);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([this] { run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

result<std::shared_ptr<child_watch>>
child_reaper::start(prepared_command& command, child_descriptors descriptors, reactor& notify) {
  auto watch = std::make_shared<child_watch>();
  watch->notify = &notify;
  {
    const std::lock_guard lock(mutex_);
    const result<int> pid = command.launch(descriptors);
    if (!pid)
      return std::unexpected(pid.error());
    watch->pid = *pid;
    const bool inserted = children_.emplace(*pid, watch).second;
    NEXUS_ASSERT(inserted);
  }
  started_.notify_one();
  return watch;
}

void child_reaper::signal_group(const child_watch& watch, int signal) {
  const std::lock_guard lock(mutex_);
  if (!watch.reaped)
    kill(-watch.pid, signal);
}

void child_reaper::abandon(child_watch& watch) {
  watch.on_exit = {};
  const std::lock_guard lock(mutex_);
  watch.notify = nullptr;
  if (!watch.reaped)
    kill(-watch.pid, SIGKILL);
}

void child_reaper::run() {
  pthread_setname_np(pthread_self(), "nexus-reaper");
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0) {
      reap(info.si_pid);
    } else if (errno == ECHILD) {
      // An orphan is a descendant of a child: without children none can come before the next start.
      drop_lost();
      std::unique_lock lock(mutex_);
      started_.wait(lock, [this] { return !children_.empty(); });
    }
  }
}

void child_reaper::reap(int pid) {
  const std::lock_guard lock(mutex_);
  // What waitid() saw may be gone: a start that failed has reaped its own child, and the process id
  // may even belong to the next one.
  siginfo_t info{};
  if (wait_for(pid, info, WNOWAIT) != 1)
    return;
  auto watch = children_.extract(pid);
  // While its leader is a zombie the group's id is taken, so this reaches its members and no other.
  if (!watch.empty())
    kill(-pid, SIGKILL);
  wait_for(pid, info, 0);
  if (!watch.empty())
    finish(std::move(watch.mapped()), status_of(info));
}

void child_reaper::drop_lost() {
  const std::lock_guard lock(mutex_);
  std::erase_if(children_, [this](auto& entry) {
    siginfo_t info{};
    if (wait_for(entry.first, info, WNOWAIT) >= 0)
      return false;
    log::error("net", "child_status_lost", {{"pid", entry.first}});
    finish(entry.second, {.code = 255, .signal = 0});
    return true;
  });
}

void child_reaper::finish(std::shared_ptr<child_watch> watch, exit_status status) {
  watch->reaped = true;
  if (watch->notify == nullptr)
    return;
  // Under the mutex: abandon() waits for it, so the reactor is still there.
  watch->notify->post([watch, status] {
    if (auto on_exit = std::exchange(watch->on_exit, {}))
      on_exit(status);
  });
}

} // namespace nexus::net::detail
