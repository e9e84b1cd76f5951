#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/exchange.hpp"
#include "engine/session.hpp"

namespace nexus::engine {

class batch;

/// The client's side of a batch.
class batch_sink {
 public:
  virtual ~batch_sink() = default;
  /// A message that belongs to one of the batch's requests and precedes the answers.
  virtual void batch_notification(const gateway::pieces& message) = 0;
  /// Everything is answered: the last callback. @param answers a JSON array, or empty when nothing
  /// in the batch wants an answer
  virtual void batch_done(batch& which, const std::string& answers) = 0;
};

/// Several JSON-RPC messages in one array, which revision 2025-03-26 has and no other: each request
/// becomes an exchange, and they are answered together once the last of them has ended.
class batch final : private client_adapter {
 public:
  /// Reads all messages before any of them is served. @pre json::padding_bytes follow `text`
  /// @errors parse_error, invalid_request: an empty array, or an element that is no message, or
  ///         that may not stand in a batch
  [[nodiscard]] static result<std::unique_ptr<batch>>
  open(worker& on, std::string_view text, const session_ptr& caller, batch_sink& sink);
  /// Releases what start() has not served.
  ~batch() override;
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;

  /// Serves the messages; the sink may hear everything before this returns.
  void start();
  /// Somebody else hears of it from here on.
  void hand_over(batch_sink& to) noexcept { sink_ = &to; }
  /// The client has gone: what is under way goes on without it, and the sink hears nothing.
  void leave();

 private:
  batch(worker& on, batch_sink& sink) : worker_(on), sink_(&sink) {}
  [[nodiscard]] result<> add(std::string_view text, const session_ptr& caller);
  void ended(exchange& x);
  void end_if_done();

  void send_notification(exchange& x, const gateway::pieces& message) override;
  void send_answer(exchange& x, const gateway::pieces& message, unsigned http_status) override;
  void listen(exchange& x) override;
  void send_cancelled(exchange& x) override;
  [[nodiscard]] bool ask(exchange& x, std::string_view request) override;

  worker& worker_;
  batch_sink* sink_; ///< null once the client has gone
  std::vector<exchange*> unserved_;
  std::vector<exchange*> under_way_;
  std::string answers_;
  bool starting_ = false;
};

} // namespace nexus::engine
