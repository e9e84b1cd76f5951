#include "net/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "net/child_reaper.hpp"

namespace nexus::net {
namespace {

using detail::child_reaper;

/// A descriptor that is closed unless it is given away.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int number) : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor() {
    if (number_ >= 0)
      ::close(number_);
  }
  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

struct pipe_pair {
  descriptor read_end;
  descriptor write_end;
};

/// A pipe whose ends are above 2, where the child's own ends will be, even when this process was
/// started without standard descriptors.
/// @returns the errno
std::expected<pipe_pair, int> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return std::unexpected(errno);
  pipe_pair made{descriptor(ends[0]), descriptor(ends[1])};
  for (descriptor* end : {&made.read_end, &made.write_end}) {
    if (end->get() > 2)
      continue;
    const int moved = fcntl(end->get(), F_DUPFD_CLOEXEC, 3);
    if (moved < 0)
      return std::unexpected(errno);
    *end = descriptor(moved);
  }
  return made;
}

/// The stream over stdin and stdout. stop() closes stdin also after the owner has moved it out, so
/// the stream says where it is for as long as it is.
class child_io final : public stream {
 public:
  child_io(stream_ptr pipes, std::shared_ptr<stream*> here)
      : pipes_(std::move(pipes)), here_(std::move(here)) {
    *here_ = this;
  }
  void set_handler(stream_handler& handler) override { pipes_->set_handler(handler); }
  std::string& out() override { return pipes_->out(); }
  void flush() override { pipes_->flush(); }
  [[nodiscard]] std::size_t queued_bytes() const noexcept override {
    return pipes_->queued_bytes();
  }
  [[nodiscard]] std::size_t unread_bytes() const noexcept override {
    return pipes_->unread_bytes();
  }
  void pause_reading() override { pipes_->pause_reading(); }
  void resume_reading() override { pipes_->resume_reading(); }
  void shutdown_write() override { pipes_->shutdown_write(); }

 protected:
  void release() noexcept override {
    *here_ = nullptr;
    delete this;
  }
  void release_after_flush() noexcept override {
    close_after_flush(std::move(pipes_));
    release();
  }

 private:
  ~child_io() override = default;
  stream_ptr pipes_;
  std::shared_ptr<stream*> here_;
};

class spawned_child final : public child_process {
 public:
  spawned_child(reactor& on, std::shared_ptr<detail::child_watch> watch, exit_handler on_exit,
                stream_ptr pipes, stream_ptr errors)
      : on_(on), watch_(std::move(watch)), on_exit_(std::move(on_exit)),
        io_(new child_io(std::move(pipes), io_here_)), errors_(std::move(errors)),
        stop_timer_([this] { stop_harder(); }) {
    // The notice is posted to this thread, so none can have run yet.
    watch_->on_exit = [this](exit_status status) { exited(status); };
  }
  ~spawned_child() override { child_reaper::instance().abandon(*watch_); }

  stream_ptr& io() override { return io_; }
  stream_ptr& errors() override { return errors_; }
  [[nodiscard]] int pid() const noexcept override { return watch_->pid; }
  [[nodiscard]] bool running() const noexcept override { return running_; }

  void stop(milliseconds grace) override {
    if (!running_ || stopping_)
      return;
    stopping_ = true;
    grace_ = grace;
    on_.arm(stop_timer_, grace);
    if (*io_here_ != nullptr)
      (*io_here_)->shutdown_write();
  }

 private:
  void exited(exit_status status) {
    running_ = false;
    stop_timer_.cancel();
    // The handler may destroy this object.
    if (auto handler = std::exchange(on_exit_, {}))
      handler(status);
  }
  void stop_harder() {
    child_reaper::instance().signal_group(*watch_, next_signal_);
    if (std::exchange(next_signal_, SIGKILL) == SIGTERM)
      on_.arm(stop_timer_, grace_);
  }

  reactor& on_;
  std::shared_ptr<detail::child_watch> watch_;
  exit_handler on_exit_;
  std::shared_ptr<stream*> io_here_ = std::make_shared<stream*>(nullptr);
  stream_ptr io_;
  stream_ptr errors_;
  timer stop_timer_;
  milliseconds grace_{0};
  int next_signal_ = SIGTERM;
  bool running_ = true;
  bool stopping_ = false;
};

std::unexpected<error> no_pipes(const spawn_options& options, int reason) {
  return fail(errc::spawn_failed,
              fmt::format("cannot start \"{}\": {} for its pipes; raise the limit of open files "
                          "(ulimit -n)",
                          options.argv.front(), std::generic_category().message(reason)));
}

} // namespace

// PR_SET_PDEATHSIG is tied to the thread that starts the child, not to the process: the kernel
// kills the child when that thread ends. Children are started on the thread of their reactor,
// which is a worker's and lives until the process ends.
result<std::unique_ptr<child_process>>
child_process::spawn(reactor& on, const spawn_options& options, exit_handler on_exit) {
  result<detail::prepared_command> command = detail::prepared_command::prepare(options);
  if (!command)
    return std::unexpected(std::move(command.error()));
  auto in = make_pipe();
  auto out = in ? make_pipe() : std::unexpected(in.error());
  auto err = out ? make_pipe() : std::unexpected(out.error());
  if (!err)
    return no_pipes(options, err.error());

  auto watch = child_reaper::instance().start(
      *command,
      {.in = in->read_end.get(), .out = out->write_end.get(), .err = err->write_end.get()}, on);
  if (!watch)
    return std::unexpected(std::move(watch.error()));
  stream_ptr pipes = on.adopt(out->read_end.release(), in->write_end.release());
  stream_ptr errors = on.adopt(err->read_end.release(), -1);
  return std::make_unique<spawned_child>(on, std::move(*watch), std::move(on_exit),
                                         std::move(pipes), std::move(errors));
}

std::string exit_status::to_string() const {
  if (signal == 0)
    return fmt::format("exit code {}", code);
  const char* const name = sigabbrev_np(signal);
  return name == nullptr ? fmt::format("killed by signal {}", signal)
                         : fmt::format("killed by signal {} (SIG{})", signal, name);
}

void become_subreaper() {
  // Kernels know it since 3.4. Without it orphans go to init, which reaps them as well.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

} // namespace nexus::net
