#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/gateway_client.hpp"
#include "cli/options.hpp"
#include "cli/program.hpp"

namespace nexus::cli {

/// `there is no WHAT 'name'; did you mean ...?`, or the names that there are when they are few.
[[nodiscard]] std::string unknown_name(std::string_view what, std::string_view name,
                                       std::span<const std::string> known);

/// One command's dealings with a gateway: its deadline, and how failures are told.
class remote_session {
 public:
  /// @lifetime `line` and `world` outlive the session
  remote_session(const command_line& line, const surroundings& world, const net::endpoint& at);

  [[nodiscard]] const command_line& line() const noexcept { return line_; }
  [[nodiscard]] console& io() const noexcept { return world_.io; }
  [[nodiscard]] time_point now() const noexcept { return world_.time.now(); }
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
  /// Gives what follows the whole time again.
  void restart_deadline();

  [[nodiscard]] http_client& http() noexcept { return client_.http(); }
  [[nodiscard]] const http_client& http() const noexcept { return client_.http(); }
  [[nodiscard]] result<server_list> servers() { return client_.servers(deadline_); }
  [[nodiscard]] result<std::vector<tool_row>> tools(std::string_view path) {
    return client_.tools(path, deadline_);
  }
  /// The tools that fit the line's query.
  [[nodiscard]] result<found_list> search() {
    return client_.search(line_.query, line_.server, line_.top, deadline_);
  }
  /// The JSON that an address of the API answers, as it came.
  [[nodiscard]] result<std::string> get(std::string_view path) {
    return client_.get(path, deadline_);
  }
  [[nodiscard]] result<std::string> post(std::string_view path, std::string_view body) {
    return client_.post(path, body, deadline_);
  }
  /// Calls the tool of the line. @param arguments JSON, an object
  [[nodiscard]] result<rpc_answer> call(std::string_view arguments);

  /// Prints what went wrong and what helps. @returns the exit code
  [[nodiscard]] int fail_with(const error& failure) const;
  /// As fail_with, for a server that the gateway does not have.
  [[nodiscard]] int unknown_server(const server_list& servers) const;
  /// As fail_with, for a call: finds out whether the server or the tool exists at all.
  [[nodiscard]] int explain_call(const error& failure);

 private:
  const command_line& line_;
  const surroundings& world_;
  time_point deadline_;
  status_line status_;
  gateway_client client_;
};

} // namespace nexus::cli
