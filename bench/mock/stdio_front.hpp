#pragma once

#include <string>

#include "bench/mock/delay_queue.hpp"
#include "bench/mock/mcp_server.hpp"
#include "net/reactor.hpp"

namespace nexus::mock {

/// One server of the fleet on stdin and stdout: newline-delimited JSON, answers as they are due.
class stdio_front final : net::stream_handler {
 public:
  /// @lifetime `settings` and `on` outlive it
  stdio_front(const options& settings, net::reactor& on);

  /// Until the input has ended and all is answered. @returns the exit status
  [[nodiscard]] int run();

 private:
  void on_data(std::string_view bytes) override;
  void on_end() override { ended_ = true; }
  void on_error(const error&) override { status_ = 1; }
  void take_line();

  net::reactor& reactor_;
  mcp_server server_;
  std::string line_;
  delay_queue<reply> waiting_;
  net::stream_ptr stream_;
  bool ended_ = false;
  std::optional<int> status_; ///< set when the process ends before its input
};

} // namespace nexus::mock
