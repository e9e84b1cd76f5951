#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "bench/load/pacer.hpp"
#include "bench/load/target.hpp"
#include "bench/load/workload.hpp"
#include "net/reactor.hpp"

namespace nexus::load {

enum class session_scope {
  connection, ///< each connection opens a session of its own
  shared,     ///< the first connection of each thread opens one, and all of the thread use it
};

/// One run.
struct run_options {
  target to;
  workload work;
  std::vector<std::string> headers; ///< whole lines
  std::vector<stage> stages;        ///< with rates: open loop
  arrivals spacing = arrivals::even;
  session_scope session = session_scope::connection;
  net::reactor_kind reactor = net::reactor_kind::automatic;
  std::string ca_file;
  bool verify_tls = true;
  int connections = 64;
  int in_flight = 1; ///< calls at once on each session of stdio and HTTP+SSE
  int threads = 1;
  int idle_sessions = 0;
  double seconds = 10; ///< measured window
  double warmup_seconds = 1;
  double timeout_seconds = 10;
  std::vector<pid_t> watched;
  bool progress = true;

  [[nodiscard]] bool open_loop() const noexcept {
    return !stages.empty() && stages[0].connections == 0;
  }
};

/// How to reach the server of a run over TCP. @pre it is not over stdio
[[nodiscard]] net::connect_options connect_options_of(const run_options& run);

/// What a rate must keep to count as carried.
struct capacity_bounds {
  double p99_ms = 10;
  double errors_share = 0;
  double precision = 0.05; ///< relative width of the last bracket
  double first_rate = 0;   ///< 0: half of what a closed loop reaches
};

struct options {
  run_options run;
  std::optional<capacity_bounds> capacity;
  bool json = false; ///< standard output is JSON, not text
  std::string json_file, html_file;
};

/// Reads the command line. When there is nothing to run (--help, or a mistake, which it prints)
/// `exit_code` is set.
/// @errors invalid_argument: what is wrong with the options together, or with a file they name
[[nodiscard]] result<options> parse_options(int argc, char** argv, std::optional<int>& exit_code);

} // namespace nexus::load
