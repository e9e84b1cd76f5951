#include "net/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/net/recorder.hpp"

namespace nexus::net {
namespace {

using namespace std::string_literals;
using test::make_reactor;
using test::recorder;
using test::run_for;
using test::run_until;

const std::pair<std::string, std::string> usual_path{"PATH", "/usr/local/bin:/usr/bin:/bin"};

spawn_options command(std::vector<std::string> argv) {
  return {.argv = std::move(argv), .env = {usual_path}, .cwd = {}};
}
/// The shell stands for a server of any behaviour.
spawn_options script(std::string text) {
  return command({"/bin/sh", "-c", std::move(text)});
}

/// A child with recorders on its streams.
struct running_child {
  running_child(reactor& on, const spawn_options& options) : loop(on) {
    auto started = child_process::spawn(on, options, [this](exit_status s) { status = s; });
    INFO((started ? ""s : started.error().message));
    REQUIRE(started.has_value());
    process = std::move(*started);
    process->io()->set_handler(output);
    process->errors()->set_handler(errors);
  }
  bool wait_exit() {
    return run_until(loop, [this] { return status.has_value(); });
  }
  /// Until the child is gone and everything that it wrote is here.
  bool wait_all() {
    return run_until(loop, [this] { return status && output.ends > 0 && errors.ends > 0; });
  }

  reactor& loop;
  recorder output, errors;
  std::optional<exit_status> status;
  std::unique_ptr<child_process> process;
};

/// A folder that goes away with the test.
struct temporary_folder {
  temporary_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "nexus-child-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~temporary_folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name, const std::string& text, mode_t mode) const {
    const std::string full = path / name;
    std::ofstream(full) << text;
    REQUIRE(chmod(full.c_str(), mode) == 0);
    return full;
  }
  std::filesystem::path path;
};

std::string spawn_error(reactor& on, const spawn_options& options) {
  auto started = child_process::spawn(on, options, [](exit_status) { FAIL("on_exit of nobody"); });
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().code == errc::spawn_failed);
  return started.error().message;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

bool gone(int pid) {
  return kill(pid, 0) != 0 && errno == ESRCH;
}

bool no_child_left() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

auto any_reactor() {
  return make_reactor(GENERATE(reactor_kind::epoll, reactor_kind::io_uring));
}

} // namespace

TEST_CASE("exit_status says how a child ended", "[net][child_process]") {
  CHECK(exit_status{.code = 0, .signal = 0}.to_string() == "exit code 0");
  CHECK(exit_status{.code = 1, .signal = 0}.to_string() == "exit code 1");
  CHECK(exit_status{.code = 0, .signal = SIGKILL}.to_string() == "killed by signal 9 (SIGKILL)");
  CHECK(exit_status{.code = 0, .signal = 250}.to_string() == "killed by signal 250");
}

TEST_CASE("child_process carries bytes both ways and sees stdin end", "[net][child_process]") {
  const auto loop = any_reactor();
  running_child child(*loop, command({"cat"}));
  CHECK(child.process->running());
  CHECK(getpgid(child.process->pid()) == child.process->pid());
  test::send(*child.process->io(), "hello\n");
  REQUIRE(run_until(*loop, [&] { return child.output.data == "hello\n"; }));
  child.process->io()->shutdown_write();
  REQUIRE(child.wait_all());
  CHECK(child.status->to_string() == "exit code 0");
  CHECK_FALSE(child.process->running());
  CHECK(gone(child.process->pid()));
  CHECK_FALSE(child.output.failure);
}

TEST_CASE("child_process fills the pipes both ways without a deadlock", "[net][child_process]") {
  const auto loop = any_reactor();
  running_child child(*loop, command({"cat"}));
  const std::string block(8 * 1024 * 1024, 'x');
  test::send(*child.process->io(), block);
  child.process->io()->shutdown_write();
  REQUIRE(child.wait_all());
  CHECK(child.output.data.size() == block.size());
}

TEST_CASE("child_process keeps stderr apart", "[net][child_process]") {
  const auto loop = any_reactor();
  running_child child(*loop, script("echo out; echo err >&2"));
  REQUIRE(child.wait_all());
  CHECK(child.output.data == "out\n");
  CHECK(child.errors.data == "err\n");
}

TEST_CASE("child_process tells the end at once", "[net][child_process]") {
  const auto loop = any_reactor();
  struct row {
    const char* text;
    const char* expected;
  };
  const auto [text, expected] =
      GENERATE(row{"exit 0", "exit code 0"}, row{"exit 1", "exit code 1"},
               row{"exit 127", "exit code 127"}, row{"kill -9 $$", "killed by signal 9 (SIGKILL)"},
               row{"kill -TERM $$", "killed by signal 15 (SIGTERM)"},
               row{"kill -SEGV $$", "killed by signal 11 (SIGSEGV)"});
  running_child child(*loop, script(text));
  REQUIRE(child.wait_exit());
  CHECK(child.status->to_string() == expected);
}

TEST_CASE("child_process reports what cannot be executed", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  const temporary_folder folder;
  const std::size_t descriptors_before = open_descriptors();
  const auto contains = [](const char* text) { return Catch::Matchers::Contains(text); };

  SECTION("a command that is in no folder of PATH") {
    const std::string text = spawn_error(
        *loop, {.argv = {"no-such-server"}, .env = {{"PATH", "/bin:/sbin"}}, .cwd = {}});
    CHECK_THAT(text, contains("\"no-such-server\"") && contains("No such file or directory") &&
                         contains("not found in PATH=/bin:/sbin"));
  }
  SECTION("an environment without PATH") {
    CHECK_THAT(spawn_error(*loop, {.argv = {"no-such-server"}, .env = {}, .cwd = {}}),
               contains("PATH=/usr/local/bin:/usr/bin:/bin"));
  }
  SECTION("an empty PATH, and entries of PATH that mean the current folder") {
    folder.file("server", "#!/bin/sh\n", 0755);
    const auto path = GENERATE("", ":", "/bin:", ":/bin", "/bin::/usr/bin");
    CHECK_THAT(
        spawn_error(*loop, {.argv = {"server"}, .env = {{"PATH", path}}, .cwd = folder.path}),
        contains("not found in PATH="));
  }
  SECTION("a path to nothing") {
    CHECK_THAT(spawn_error(*loop, command({"/no/such/server"})),
               contains("\"/no/such/server\"") && contains("No such file or directory"));
  }
  SECTION("a file without the x bit") {
    CHECK_THAT(spawn_error(*loop, command({folder.file("plain", "#!/bin/sh\n", 0644)})),
               contains("Permission denied") && contains("not executable") && contains("chmod"));
  }
  SECTION("a folder") {
    CHECK_THAT(spawn_error(*loop, command({folder.path})),
               contains("Permission denied") && contains("is a directory"));
  }
  SECTION("a file of no known format is not given to a shell") {
    const std::string witness = folder.path / "witness";
    CHECK_THAT(spawn_error(*loop, command({folder.file("text", "touch " + witness + "\n", 0755)})),
               contains("Exec format error") && contains("#!"));
    CHECK_FALSE(std::filesystem::exists(witness));
  }
  SECTION("a script whose interpreter is missing") {
    const std::string path = folder.file("run.py", "#! /no/such/python -u\nprint()\n", 0755);
    CHECK_THAT(spawn_error(*loop, command({path})),
               contains("\"/no/such/python\"") && contains("interpreter"));
    CHECK_THAT(spawn_error(*loop, {.argv = {"./run.py"}, .env = {}, .cwd = folder.path}),
               contains("\"/no/such/python\""));
  }
  SECTION("a working directory that does not exist") {
    CHECK_THAT(spawn_error(*loop, {.argv = {"/bin/cat"}, .env = {}, .cwd = "/no/such/folder"}),
               contains("\"/bin/cat\"") && contains("working directory \"/no/such/folder\"") &&
                   contains("cwd"));
  }
  SECTION("a working directory that is a file") {
    CHECK_THAT(spawn_error(*loop, {.argv = {"/bin/cat"}, .env = {}, .cwd = "/etc/passwd"}),
               contains("Not a directory"));
  }
  SECTION("arguments beyond what the kernel takes") {
    CHECK_THAT(spawn_error(*loop, command({"/bin/cat", std::string(4 << 20, 'a')})),
               contains("Argument list too long") && contains("bytes"));
    spawn_options large = command({"/bin/cat"});
    for (int i = 0; i < 100; ++i)
      large.env.emplace_back("NAME" + std::to_string(i), std::string(100'000, 'v'));
    CHECK_THAT(spawn_error(*loop, large), contains("Argument list too long"));
  }
  SECTION("what C strings cannot say") {
    CHECK_THAT(spawn_error(*loop, {}), contains("command"));
    CHECK_THAT(spawn_error(*loop, command({""})), contains("command"));
    CHECK_THAT(spawn_error(*loop, command({"cat", "a\0b"s})), contains("NUL"));
    CHECK_THAT(spawn_error(*loop, {.argv = {"cat"}, .env = {}, .cwd = "/tmp\0/x"s}),
               contains("NUL"));
    CHECK_THAT(spawn_error(*loop, {.argv = {"cat"}, .env = {{"A", "b\0c"s}}, .cwd = {}}),
               contains("\"A\""));
    CHECK_THAT(spawn_error(*loop, {.argv = {"cat"}, .env = {{"A=B", "c"}}, .cwd = {}}),
               contains("\"A=B\""));
    CHECK_THAT(spawn_error(*loop, {.argv = {"cat"}, .env = {{"", "c"}}, .cwd = {}}),
               contains("environment"));
  }
  CHECK(open_descriptors() == descriptors_before);
  CHECK(no_child_left());
}

TEST_CASE("child_process says when descriptors run out", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = open_descriptors() + 2;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  auto started = child_process::spawn(*loop, command({"cat"}), [](exit_status) {});
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_FALSE(started.has_value());
  CHECK_THAT(started.error().message, Catch::Matchers::Contains("Too many open files") &&
                                          Catch::Matchers::Contains("ulimit"));
}

TEST_CASE("child_process looks a command up in the child's PATH", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  const temporary_folder blocked, good;
  blocked.file("server", "#!/bin/sh\necho blocked\n", 0644);
  good.file("server", "#!/bin/sh\necho good \"$0\" \"$1\"\n", 0755);
  const std::string path = "/no/such:" + blocked.path.string() + ":" + good.path.string();
  running_child child(*loop, {.argv = {"server", "a b"}, .env = {{"PATH", path}}, .cwd = {}});
  REQUIRE(child.wait_all());
  CHECK(child.output.data == "good " + (good.path / "server").string() + " a b\n");
}

TEST_CASE("child_process takes relative commands from cwd", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  const temporary_folder folder;
  folder.file("server", "#!/bin/sh\npwd -P\n", 0755);
  running_child child(*loop, {.argv = {"./server"}, .env = {}, .cwd = folder.path});
  REQUIRE(child.wait_all());
  CHECK(child.output.data == std::filesystem::canonical(folder.path).string() + "\n");
}

TEST_CASE("child_process gives exactly the environment asked for", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  REQUIRE(setenv("NEXUS_TEST_SECRET", "leaked", 1) == 0);
  running_child child(
      *loop,
      {.argv = {"/usr/bin/env"}, .env = {{"B", "2=3"}, {"A", ""}, {"C", "with space"}}, .cwd = {}});
  REQUIRE(child.wait_all());
  CHECK(child.output.data == "B=2=3\nA=\nC=with space\n");
}

TEST_CASE("child_process hands down no descriptors but three", "[net][child_process]") {
  const auto loop = any_reactor();
  const int leaky = open("/etc/passwd", O_RDONLY); // NOLINT: without O_CLOEXEC on purpose
  REQUIRE(leaky > 2);
  running_child child(*loop, command({"/bin/ls", "/proc/self/fd"}));
  REQUIRE(child.wait_all());
  close(leaky);
  CHECK(child.output.data == "0\n1\n2\n3\n"); // The fourth is the folder that ls reads.
}

TEST_CASE("child_process starts without standard descriptors of its own", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  const int kept = fcntl(0, F_DUPFD_CLOEXEC, 100);
  REQUIRE(kept >= 0);
  close(0);
  {
    running_child child(*loop, script("cat; echo done >&2"));
    test::send(*child.process->io(), "in");
    child.process->io()->shutdown_write();
    CHECK(child.wait_all());
    CHECK(child.output.data == "in");
    CHECK(child.errors.data == "done\n");
  }
  REQUIRE(dup2(kept, 0) == 0);
  close(kept);
}

TEST_CASE("child_process resets signals", "[net][child_process]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  const auto pipe_before = signal(SIGPIPE, SIG_IGN);
  const auto hup_before = signal(SIGHUP, SIG_IGN);
  sigset_t blocked, mask_before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &mask_before);
  running_child child(*loop, command({"/bin/cat", "/proc/self/status"}));
  sigset_t mask_after;
  pthread_sigmask(SIG_SETMASK, &mask_before, &mask_after);
  CHECK(sigismember(&mask_after, SIGUSR1) == 1);
  CHECK(sigismember(&mask_after, SIGINT) == 0);
  CHECK(signal(SIGPIPE, pipe_before) == SIG_IGN);
  signal(SIGHUP, hup_before);
  REQUIRE(child.wait_all());
  for (const char* line : {"\nSigBlk:\t0000000000000000\n", "\nSigIgn:\t0000000000000000\n",
                           "\nSigCgt:\t0000000000000000\n"})
    CHECK_THAT(child.output.data, Catch::Matchers::Contains(line));
}

TEST_CASE("child_process stop closes stdin first", "[net][child_process]") {
  const auto loop = any_reactor();
  running_child child(*loop, script("trap 'echo term' TERM; cat; echo ended"));
  const stream_ptr moved = std::move(child.process->io());
  child.process->stop(seconds(20));
  child.process->stop(milliseconds(0)); // A second call changes nothing.
  REQUIRE(child.wait_all());
  CHECK(child.status->to_string() == "exit code 0");
  CHECK(child.output.data == "ended\n");
}

TEST_CASE("child_process stop goes on to SIGTERM", "[net][child_process]") {
  const auto loop = any_reactor();
  running_child child(*loop, command({"sleep", "60"}));
  child.process->io().reset(); // The owner has closed it before.
  child.process->stop(milliseconds(20));
  REQUIRE(child.wait_exit());
  CHECK(child.status->to_string() == "killed by signal 15 (SIGTERM)");
}

TEST_CASE("child_process stop ends in SIGKILL", "[net][child_process]") {
  const auto loop = any_reactor();
  const auto text = GENERATE("trap '' TERM; echo ready; while :; do sleep 0.05; done",
                             "echo ready; kill -STOP $$");
  running_child child(*loop, script(text));
  REQUIRE(run_until(*loop, [&] { return child.output.data == "ready\n"; }));
  const auto before = std::chrono::steady_clock::now();
  child.process->stop(milliseconds(50));
  REQUIRE(child.wait_all());
  CHECK(std::chrono::steady_clock::now() - before >= milliseconds(100));
  CHECK(child.status->to_string() == "killed by signal 9 (SIGKILL)");
}

TEST_CASE("child_process kills what a dead child leaves in its group", "[net][child_process]") {
  become_subreaper();
  const auto loop = any_reactor();
  // The grandchild holds stdout and stderr: only its death ends them.
  running_child child(*loop, script("sleep 60 & echo $!; exit 3"));
  REQUIRE(child.wait_all());
  CHECK(child.status->to_string() == "exit code 3");
  const int grandchild = std::stoi(child.output.data);
  CHECK(run_until(*loop, [&] { return gone(grandchild); }));
}

TEST_CASE("child_process reaps a daemon that forked twice", "[net][child_process]") {
  become_subreaper();
  const auto loop = make_reactor(reactor_kind::epoll);
  running_child child(*loop, script("(setsid sh -c 'echo $$; exec sleep 0.2' &); cat"));
  REQUIRE(run_until(*loop, [&] { return child.output.data.ends_with('\n'); }));
  const int daemon = std::stoi(child.output.data);
  child.process->io()->shutdown_write();
  REQUIRE(child.wait_exit());
  CHECK_FALSE(gone(daemon)); // It has left the group, so the child's end does not touch it.
  CHECK(run_until(*loop, [&] { return gone(daemon); }));
}

TEST_CASE("child_process tells that stdout ends while the child runs", "[net][child_process]") {
  const auto loop = any_reactor();
  running_child child(*loop, script("exec >&-; cat >/dev/null"));
  REQUIRE(run_until(*loop, [&] { return child.output.ends == 1; }));
  CHECK(child.process->running());
  child.process->stop(seconds(20));
  REQUIRE(child.wait_exit());
  CHECK(child.status->to_string() == "exit code 0");
}

TEST_CASE("child_process kills its group when destroyed", "[net][child_process]") {
  become_subreaper();
  const auto loop = any_reactor();
  bool told = false;
  auto child = child_process::spawn(*loop, script("sleep 60 & echo $!; sleep 60"),
                                    [&](exit_status) { told = true; });
  REQUIRE(child.has_value());
  recorder output;
  (*child)->io()->set_handler(output);
  REQUIRE(run_until(*loop, [&] { return output.data.ends_with('\n'); }));
  const int leader = (*child)->pid();
  const int member = std::stoi(output.data);
  child->reset();
  CHECK(run_until(*loop, [&] { return gone(leader) && gone(member); }));
  run_for(*loop, milliseconds(20));
  CHECK_FALSE(told);
}

TEST_CASE("child_process may be destroyed by its own callbacks", "[net][child_process]") {
  const auto loop = any_reactor();
  std::unique_ptr<child_process> process;
  recorder output;
  SECTION("on_exit") {
    bool told = false;
    auto child = child_process::spawn(*loop, script("exit 5"), [&](exit_status status) {
      CHECK_FALSE(process->running());
      process.reset();
      told = status.code == 5;
    });
    REQUIRE(child.has_value());
    process = std::move(*child);
    CHECK(run_until(*loop, [&] { return told; }));
  }
  SECTION("on_data") {
    auto child = child_process::spawn(*loop, script("echo x; sleep 60"),
                                      [](exit_status) { FAIL("told after its end"); });
    REQUIRE(child.has_value());
    process = std::move(*child);
    const int pid = process->pid();
    output.when_data = [&] { process.reset(); };
    process->io()->set_handler(output);
    CHECK(run_until(*loop, [&] { return !process && gone(pid); }));
  }
}

TEST_CASE("child_process outlasts a storm of short children", "[net][child_process]") {
  const auto loop = any_reactor();
  {
    running_child warm_up(*loop, script("exit 0"));
    REQUIRE(warm_up.wait_all());
  }
  loop->poll();
  const std::size_t descriptors_before = open_descriptors();
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<running_child>> children;
    for (int i = 0; i < 20; ++i)
      children.push_back(
          std::make_unique<running_child>(*loop, script("exit " + std::to_string(i))));
    for (int i = 0; i < 20; ++i) {
      REQUIRE(children[static_cast<std::size_t>(i)]->wait_all());
      CHECK(children[static_cast<std::size_t>(i)]->status->code == i);
    }
  }
  CHECK(run_until(*loop, [&] { return open_descriptors() == descriptors_before; }));
  CHECK(no_child_left());
}

TEST_CASE("child_process starts and reaps on several threads at once", "[net][child_process]") {
  std::atomic<int> good = 0;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker)
    workers.emplace_back([&good] {
      auto loop = reactor::create(reactor_kind::epoll);
      if (!loop)
        return;
      for (int i = 0; i < 15; ++i) {
        int code = -1;
        const std::string text = i % 3 == 0 ? "sleep 60" : "exit " + std::to_string(i);
        auto child = child_process::spawn(**loop, script(text),
                                          [&](exit_status status) { code = status.code; });
        if (!child)
          return;
        if (i % 3 == 0) // Destroyed while it runs, and some while they start.
          continue;
        if (run_until(**loop, [&] { return code >= 0; }) && code == i)
          ++good;
      }
    });
  for (std::thread& worker : workers)
    worker.join();
  CHECK(good == 4 * 10);
  const auto deadline = std::chrono::steady_clock::now() + test::patience;
  while (!no_child_left() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(milliseconds(5));
  CHECK(no_child_left());
}

namespace {
constexpr const char* helper_name = "a gateway that starts a child and is killed";
}

TEST_CASE(helper_name, "[.][helper]") {
  const auto loop = make_reactor(reactor_kind::epoll);
  running_child child(*loop, command({"sleep", "60"}));
  const std::string line = "pid " + std::to_string(child.process->pid()) + "\n";
  REQUIRE(write(1, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  run_for(*loop, seconds(60));
}

TEST_CASE("child_process dies with the gateway", "[net][child_process]") {
  become_subreaper();
  const auto loop = make_reactor(reactor_kind::epoll);
  running_child gateway(
      *loop, command({std::filesystem::read_symlink("/proc/self/exe").string(), helper_name}));
  REQUIRE(run_until(*loop, [&] { return gateway.output.data.ends_with('\n'); }));
  REQUIRE(gateway.output.data.starts_with("pid "));
  const int orphan = std::stoi(gateway.output.data.substr(4));
  CHECK_FALSE(gone(orphan));
  // The orphan leads a group of its own: nothing but the kernel's death signal reaches it.
  kill(gateway.process->pid(), SIGKILL);
  REQUIRE(gateway.wait_exit());
  CHECK(run_until(*loop, [&] { return gone(orphan); }));
}

} // namespace nexus::net
