/// The composition root: signals, logging, and the gateway behind the command line.

#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "actors/system.hpp"
#include "base/log.hpp"
#include "cli/cli.hpp"
#include "cli/settings.hpp"
#include "config/config.hpp"
#include "config/reload.hpp"
#include "net/child_process.hpp"

namespace nexus {
namespace {

/// SIGTERM, SIGINT and SIGHUP as a descriptor; blocked for every thread started afterwards.
class signal_source {
 public:
  signal_source() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1})
      sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~signal_source() { ::close(fd_); }
  signal_source(const signal_source&) = delete;
  signal_source& operator=(const signal_source&) = delete;

  /// @returns the signal, or 0 after `wait`
  [[nodiscard]] int next(milliseconds wait) const {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(wait.count())) <= 0)
      return 0;
    signalfd_siginfo info{};
    return ::read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  int fd_;
};

/// The line that shows how far connecting the servers has come, on a terminal.
class progress_line {
 public:
  explicit progress_line(bool quiet) : shown_(!quiet && ::isatty(STDERR_FILENO) != 0) {}
  /// @returns false once there is nothing left to wait for
  bool update(const gateway_system::progress& p) {
    const bool busy = p.ready + p.down + p.idle < p.all;
    if (!shown_)
      return busy;
    std::fputs(fmt::format("\r\033[Kconnecting {}/{} servers{}", p.ready, p.all,
                           p.down > 0 ? fmt::format(", {} down", p.down) : "")
                   .c_str(),
               stderr);
    if (!busy)
      std::fputs("\n", stderr);
    return busy;
  }

 private:
  bool shown_;
};

class gateway_runner final : public cli::gateway_port {
 public:
  int serve(config::gateway settings, const cli::serve_options& options) override {
    const auto at = net::endpoint::parse(settings.listen);
    if (!at)
      return failed(at.error());
    const signal_source signals;
    prepare(settings);
    auto gateway = gateway_system::start(settings, engine::own_ports::all);
    if (!gateway)
      return failed(gateway.error());
    const auto bound = (*gateway)->listen(*at);
    if (!bound)
      return failed(bound.error());
    log::info("gateway", "listening", {{"address", bound->to_string()}});
    run(**gateway, signals, settings, options);
    return finish(std::move(*gateway));
  }

  int stdio(config::gateway settings, const cli::serve_options& options) override {
    const signal_source signals;
    prepare(settings);
    auto gateway = gateway_system::start(settings, engine::own_ports::made_here);
    if (!gateway)
      return failed(gateway.error());
    (*gateway)->serve_stdio(STDIN_FILENO, STDOUT_FILENO, [] { ::kill(::getpid(), SIGUSR1); });
    auto quiet = options;
    quiet.quiet = true;
    run(**gateway, signals, settings, quiet);
    return finish(std::move(*gateway));
  }

  int with_gateway(config::gateway settings,
                   const std::function<int(const net::endpoint& address)>& work) override {
    const signal_source signals;
    if (settings.log_level == log::level::info)
      settings.log_level = log::level::warn;
    prepare(settings);
    auto gateway = gateway_system::start(settings, engine::own_ports::none);
    if (!gateway)
      return failed(gateway.error());
    const auto bound = (*gateway)->listen({"127.0.0.1", 0});
    if (!bound)
      return failed(bound.error());
    const int code = work(*bound);
    finish(std::move(*gateway));
    return code;
  }

 private:
  static void prepare(const config::gateway& settings) {
    log::start(settings.log_level, settings.log_format);
    net::become_subreaper();
  }

  static int failed(const error& reason) {
    log::error("gateway", "failed", {{"reason", reason.message}});
    log::stop();
    return 1;
  }

  static void run(gateway_system& gateway, const signal_source& signals,
                  const config::gateway& started_with, const cli::serve_options& options) {
    progress_line progress(options.quiet);
    bool connecting = true;
    for (;;) {
      const int number = signals.next(connecting ? milliseconds(200) : milliseconds(60'000));
      if (connecting)
        connecting = progress.update(gateway.servers());
      if (number == 0)
        continue;
      if (number != SIGHUP) {
        log::info("gateway", "stopping", {{"signal", number}});
        return;
      }
      reload(gateway, started_with, options);
    }
  }

  static void reload(gateway_system& gateway, const config::gateway& started_with,
                     const cli::serve_options& options) {
    const auto loaded = cli::load_settings(options, config::environment::of_process());
    for (const auto& finding : loaded.findings) {
      if (finding.level == config::severity::error)
        log::error("config", "finding", {{"text", finding.to_string()}});
      else
        log::warn("config", "finding", {{"text", finding.to_string()}});
    }
    gateway.count_reload(loaded.value.has_value());
    if (!loaded.value)
      return log::error("config", "reload_refused",
                        {{"remedy", "the running configuration stays; mend the file and send "
                                    "SIGHUP again"}});
    const auto& fresh = *loaded.value;
    const auto late = config::keys_that_need_a_restart(started_with, fresh);
    if (!late.empty())
      log::warn("config", "needs_restart", {{"keys", fmt::format("{}", fmt::join(late, ", "))}});
    log::set_level(fresh.log_level);
    gateway.apply(fresh);
    log::info("config", "reloaded", {{"servers", fresh.servers.size()}});
  }

  static int finish(std::unique_ptr<gateway_system> gateway) {
    gateway->drain();
    gateway.reset();
    log::info("gateway", "stopped");
    log::stop();
    return 0;
  }
};

} // namespace
} // namespace nexus

int main(int argc, char** argv) {
  nexus::gateway_runner runner;
  return nexus::cli::run(argc, argv, runner);
}
