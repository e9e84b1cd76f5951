#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/exchange.hpp"

namespace nexus::engine {

/// Several calls that one client asked for in one: each is an exchange of its own, and the client
/// is answered when the last of them has ended. Questions of servers are not passed on: the client
/// could not tell which of the calls they belong to. @thread the exchange's worker
class call_group final : private client_adapter {
 public:
  /// @param whole is answered in the end, and owns the group
  call_group(worker& on, exchange& whole) : worker_(on), whole_(whole) {}
  ~call_group() override;
  call_group(const call_group&) = delete;
  call_group& operator=(const call_group&) = delete;

  /// @param calls the arguments of call-tool, each an object; the group may be gone on return
  void start(const std::vector<json::slice>& calls);
  /// Nobody waits for what is still under way: it is given up.
  void end();

 private:
  struct part {
    exchange* under_way = nullptr;
    std::string server, tool;
    std::string answer; ///< members "result" or "error"; empty as long as there is none
    std::string text;   ///< for models
  };
  [[nodiscard]] exchange& open(std::size_t index, json::slice arguments);
  void take(exchange& x, std::string answer, std::string text);
  void answer_if_done();

  void send_notification(exchange&, const gateway::pieces&) override {}
  void send_answer(exchange& x, const gateway::pieces& message, unsigned http_status) override;
  void listen(exchange& x) override;
  void send_cancelled(exchange& x) override;
  [[nodiscard]] bool ask(exchange&, std::string_view) override { return false; }

  worker& worker_;
  exchange& whole_;
  std::vector<part> parts_;
  bool starting_ = false, ended_ = false;
};

} // namespace nexus::engine
