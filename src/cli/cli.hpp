#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "config/config.hpp"
#include "net/reactor.hpp"

/// The `nexus` program but for the gateway itself: its command line, and the commands that read
/// configurations and talk to a gateway.
namespace nexus::cli {

/// What the flags of `serve` and `stdio` say. They win over the file.
struct serve_options {
  std::string config_path; ///< as resolved: ./nexus.json without -c
  std::string listen;      ///< "": the file's
  std::size_t workers = 0; ///< 0: the file's
  std::string reactor;     ///< "": the file's
  std::string exposure;    ///< "": the file's, else `usual_exposure`
  config::exposure_mode usual_exposure = config::exposure_mode::tools;
  bool quiet = false; ///< no progress line
};

/// What main.cpp provides: the gateway.
class gateway_port {
 public:
  virtual ~gateway_port() = default;
  /// Runs until a signal ends it. @param settings merged with the flags already
  /// @returns the exit code
  virtual int serve(config::gateway settings, const serve_options& options) = 0;
  /// Serves one client on stdin and stdout until stdin ends. @returns the exit code
  virtual int stdio(config::gateway settings, const serve_options& options) = 0;
  /// Runs `work` with a gateway on a free loopback port, then stops it.
  /// @returns what `work` returns, or 1 when the gateway cannot start
  virtual int with_gateway(config::gateway settings,
                           const std::function<int(const net::endpoint& address)>& work) = 0;
};

/// Exit codes of the program, for scripts.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;      ///< what was asked for failed
inline constexpr int exit_usage = 2;       ///< the command line is wrong
inline constexpr int exit_unreachable = 3; ///< no gateway answers

/// Runs the program on the process's streams and environment. @returns the exit code
int run(int argc, char** argv, gateway_port& gateway);

} // namespace nexus::cli
