// The child shares this process's memory until it execs (CLONE_VM | CLONE_VFORK, as posix_spawn
// does it), so a gateway of any size starts children in constant time and a failed exec is reported
// through plain memory. The price: between clone and exec the child may call the kernel and nothing
// else. It runs on a stack of its own, with all signals blocked, through raw system calls, and
// outside the sanitizers, whose bookkeeping belongs to the suspended parent.

#include "net/child_launch.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace nexus::net::detail {
namespace {

/// Where commands are looked up when the child's environment has no PATH.
constexpr std::string_view default_search_path = "/usr/local/bin:/usr/bin:/bin";
/// The child calls a handful of leaf functions; glibc gives its own spawn helper 32 KiB.
constexpr std::size_t child_stack_bytes = 64 * 1024;
/// The kernel's SIGRTMAX; glibc's hides the signals that it keeps for itself.
constexpr int signal_count = 64;

enum class launch_step : std::uint8_t { none, setup, chdir, exec };

/// Shared between the parent, which sleeps, and the child, which fills the last three members in.
struct child_start {
  char* const* argv;
  char* const* env;
  const char* const* candidates;
  const char* cwd;
  child_descriptors descriptors;
  pid_t parent;
  unsigned descriptors_max;
  launch_step failed_at = launch_step::none;
  int reason = 0;
  std::size_t candidate = 0;
};

#define NEXUS_IN_CHILD [[gnu::no_sanitize("address", "thread", "undefined")]]

NEXUS_IN_CHILD void reset_signal_handling() {
  // The kernel's own struct sigaction (handler, flags, restorer, mask): all zero is SIG_DFL.
  const std::uint64_t by_default[4] = {0, 0, 0, 0};
  for (int number = 1; number <= signal_count; ++number)
    syscall(SYS_rt_sigaction, number, by_default, nullptr, sizeof(std::uint64_t));
}

NEXUS_IN_CHILD void close_all_but_standard(unsigned descriptors_max) {
  if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
    return;
  // Kernels before 5.9, and seccomp filters that are older than the call.
  for (unsigned descriptor = 3; descriptor < descriptors_max; ++descriptor)
    syscall(SYS_close, descriptor);
}

/// @returns the errno that stopped the search
NEXUS_IN_CHILD int exec_first_match(child_start& start) {
  int reason = ENOENT;
  for (std::size_t i = 0; start.candidates[i] != nullptr; ++i) {
    syscall(SYS_execve, start.candidates[i], start.argv, start.env);
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ESTALE:
    case ETIMEDOUT:
      break;
    case EACCES: // Another folder may hold one that can be run, as for a shell.
      if (reason != EACCES)
        start.candidate = i;
      reason = EACCES;
      break;
    default:
      start.candidate = i;
      return errno;
    }
  }
  return reason;
}

NEXUS_IN_CHILD int fail_at(child_start& start, launch_step step, int reason) {
  start.failed_at = step;
  start.reason = reason;
  return 127;
}

NEXUS_IN_CHILD int child_main(void* argument) {
  auto& start = *static_cast<child_start*>(argument);
  if (syscall(SYS_setpgid, 0, 0) != 0 ||
      syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
    return fail_at(start, launch_step::setup, errno);
  // A parent that died before prctl sends no signal any more.
  if (syscall(SYS_getppid) != start.parent)
    return fail_at(start, launch_step::setup, ESRCH);
  reset_signal_handling();
  if (syscall(SYS_dup3, start.descriptors.in, 0, 0) < 0 ||
      syscall(SYS_dup3, start.descriptors.out, 1, 0) < 0 ||
      syscall(SYS_dup3, start.descriptors.err, 2, 0) < 0)
    return fail_at(start, launch_step::setup, errno);
  close_all_but_standard(start.descriptors_max);
  if (start.cwd != nullptr && syscall(SYS_chdir, start.cwd) != 0)
    return fail_at(start, launch_step::chdir, errno);
  const std::uint64_t no_signals = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
  return fail_at(start, launch_step::exec, exec_first_match(start));
}

#undef NEXUS_IN_CHILD

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer's clone() takes every clone for a fork and marks, in the memory that child and
// parent share here, that it is in the child. glibc's function has a second name.
extern "C" int plain_clone(int (*run)(void*), void* stack, int flags, void* argument,
                           ...) __asm__("__clone");
#else
constexpr auto& plain_clone = ::clone;
#endif

/// Runs `child_main` with every signal blocked, so that no handler of ours runs in the child.
/// @returns the process id, or -1 with errno
int clone_blocked(child_start& start) {
  struct stack {
    alignas(16) std::array<std::byte, child_stack_bytes> bytes;
  };
  const auto memory = std::make_unique_for_overwrite<stack>();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // The stack grows downwards on every machine that glibc's clone supports but PA-RISC.
  const int pid = plain_clone(child_main, memory->bytes.data() + memory->bytes.size(),
                              CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
  const int reason = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = reason;
  return pid;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

unsigned descriptors_max() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return 1024;
  return static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1U << 20));
}

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

std::string reason_text(int reason) {
  return std::generic_category().message(reason);
}

std::unexpected<error> cannot_start(const std::string& command, std::string_view why) {
  return fail(errc::spawn_failed, fmt::format("cannot start \"{}\": {}", command, why));
}

/// The program that a script's first line names; empty when it names none.
std::string interpreter_of(const std::string& script) {
  std::array<char, 256> head{}; // The kernel reads as much (BINPRM_BUF_SIZE).
  std::ifstream(script, std::ios::binary).read(head.data(), head.size() - 1);
  std::string_view line(head.data());
  line = line.substr(0, line.find('\n'));
  if (!line.starts_with("#!"))
    return {};
  line.remove_prefix(2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return std::string(line.substr(0, line.find_first_of(" \t\r")));
}

} // namespace

result<prepared_command> prepared_command::prepare(const spawn_options& options) {
  if (options.argv.empty() || options.argv.front().empty())
    return fail(errc::spawn_failed, "cannot start a server without a command; set \"command\"");
  const std::string& command = options.argv.front();
  if (has_nul(options.cwd) || std::any_of(options.argv.begin(), options.argv.end(), has_nul))
    return cannot_start(command, "the command, an argument or \"cwd\" holds a NUL byte");

  prepared_command prepared;
  prepared.argv_ = options.argv;
  prepared.cwd_ = options.cwd;
  std::string_view search_path = default_search_path;
  for (const auto& [name, value] : options.env) {
    if (name.empty() || has_nul(name) || has_nul(value) || name.find('=') != std::string::npos)
      return cannot_start(command, fmt::format("the environment variable \"{}\" has an invalid "
                                               "name or a NUL byte in its value",
                                               name));
    prepared.env_.push_back(name + '=' + value);
    if (name == "PATH")
      search_path = value;
  }
  if (command.find('/') != std::string::npos) {
    prepared.candidates_.push_back(command);
    return prepared;
  }
  prepared.search_path_ = search_path;
  while (!search_path.empty()) {
    const std::string_view folder = search_path.substr(0, search_path.find(':'));
    search_path.remove_prefix(std::min(folder.size() + 1, search_path.size()));
    // POSIX takes an empty entry for the current folder, where a file may wait to be found.
    if (!folder.empty())
      prepared.candidates_.push_back(fmt::format("{}/{}", folder, command));
  }
  return prepared;
}

result<int> prepared_command::launch(child_descriptors descriptors) {
  NEXUS_ASSERT(std::min({descriptors.in, descriptors.out, descriptors.err}) > 2);
  const std::vector<char*> argv = pointers_to(argv_);
  const std::vector<char*> env = pointers_to(env_);
  const std::vector<char*> candidates = pointers_to(candidates_);
  child_start start{.argv = argv.data(),
                    .env = env.data(),
                    .candidates = candidates.data(),
                    .cwd = cwd_.empty() ? nullptr : cwd_.c_str(),
                    .descriptors = descriptors,
                    .parent = getpid(),
                    .descriptors_max = descriptors_max()};
  const int pid = clone_blocked(start);
  if (pid < 0)
    return cannot_start(argv_.front(),
                        fmt::format("{}; raise the limit of processes (ulimit -u, or pids.max of "
                                    "the control group) or free memory",
                                    reason_text(errno)));
  if (start.failed_at == launch_step::none)
    return pid;

  siginfo_t unused{};
  while (waitid(P_PID, static_cast<id_t>(pid), &unused, WEXITED) < 0 && errno == EINTR) {
  }
  switch (start.failed_at) {
  case launch_step::chdir:
    return chdir_failure(start.reason);
  case launch_step::exec:
    return exec_failure(start.reason, start.candidate);
  default:
    return cannot_start(argv_.front(),
                        fmt::format("{} while preparing the process", reason_text(start.reason)));
  }
}

std::unexpected<error> prepared_command::chdir_failure(int reason) const {
  return cannot_start(argv_.front(),
                      fmt::format("working directory \"{}\": {}; correct \"cwd\" or create the "
                                  "directory",
                                  cwd_, reason_text(reason)));
}

std::unexpected<error> prepared_command::exec_failure(int reason, std::size_t candidate) const {
  const std::string& command = argv_.front();
  const std::string text = reason_text(reason);
  const std::string path = candidates_.empty() ? command : from_cwd(candidates_[candidate]);
  struct stat info {};
  switch (reason) {
  case E2BIG:
    return cannot_start(command, fmt::format("{}: arguments and environment take {} bytes; "
                                             "shorten \"args\" or \"env\"",
                                             text, image_bytes()));
  case ENOEXEC:
    return cannot_start(command, fmt::format("{}: \"{}\" is neither a program for this machine nor "
                                             "a script with a #! line; name its interpreter as the "
                                             "command",
                                             text, path));
  case EACCES:
    if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
      return cannot_start(
          command, fmt::format("{}: \"{}\" is a directory; name the program in it", text, path));
    return cannot_start(command, fmt::format("{}: \"{}\" is not executable; chmod +x it, and check "
                                             "its folders and its interpreter",
                                             text, path));
  case ENOENT:
    // Of a script, execve also says ENOENT when the interpreter is missing.
    for (const std::string& tried : candidates_) {
      const std::string script = from_cwd(tried);
      if (stat(script.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
        continue;
      const std::string interpreter = interpreter_of(script);
      return cannot_start(command, fmt::format("{}: \"{}\" exists but its interpreter{} does not; "
                                               "install that or correct the file",
                                               text, script,
                                               interpreter.empty() ? std::string(" or loader")
                                                                   : " \"" + interpreter + '"'));
    }
    if (command.find('/') == std::string::npos)
      return cannot_start(command, fmt::format("{}: not found in PATH={}; install it or give its "
                                               "full path",
                                               text, search_path_));
    return cannot_start(command, fmt::format("{}; correct the path", text));
  default:
    return cannot_start(command, text);
  }
}

std::string prepared_command::from_cwd(const std::string& path) const {
  return cwd_.empty() || path.starts_with('/') ? path : cwd_ + '/' + path;
}

std::size_t prepared_command::image_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const auto* strings : {&argv_, &env_})
    for (const std::string& text : *strings)
      bytes += text.size() + 1;
  return bytes;
}

} // namespace nexus::net::detail
