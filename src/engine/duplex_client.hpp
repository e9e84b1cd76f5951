#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/batch.hpp"
#include "engine/change_watch.hpp"
#include "engine/exchange.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

/// A client whose connection carries every message in both directions, many exchanges at a time:
/// stdio, WebSocket, and the 2024-11-05 event stream with its POST address. What differs between
/// these is how a message is written. A legacy session lives as long as the connection.
/// @thread its worker
class duplex_client : private client_adapter, private batch_sink, private listening_stream {
 public:
  ~duplex_client() override;
  duplex_client(const duplex_client&) = delete;
  duplex_client& operator=(const duplex_client&) = delete;

  /// Serves one message; the text is taken out of the string.
  void serve(std::string& text);
  /// The connection is gone: what is under way is cancelled, the session is closed.
  void leave();
  [[nodiscard]] view_scope scope() const noexcept final { return scope_; }

 protected:
  duplex_client(worker& owner, view_scope shown);

  /// Sends one message. The text may contain line breaks.
  virtual void write(std::string_view text) = 0;
  /// Whether the client takes less than it is sent, so that the dispensable is left out.
  [[nodiscard]] virtual bool slow() const = 0;
  /// The last exchange has ended.
  virtual void on_idle() {}
  /// The process stops, or the session was ended elsewhere.
  void finish() override {}

  [[nodiscard]] worker& on() noexcept { return worker_; }
  [[nodiscard]] bool is_idle() const noexcept { return under_way_ == 0; }
  /// From now on requests are refused; answers to those under way are given.
  void take_no_more() noexcept { takes_more_ = false; }
  [[nodiscard]] bool takes_more() const noexcept { return takes_more_; }

 private:
  void serve_message(exchange& x);
  void serve_batch(exchange& x);
  void refuse(exchange& x, mcp::errc code, std::string_view message, std::string_view data = {});
  void one_less();
  void close_session();
  /// Writes what the client is due to hear; empty texts are nothing.
  void tell(const std::vector<std::string>& messages);
  /// @param id of a modern listen, JSON
  void end_listen(std::string_view id);

  void send_notification(exchange& x, const gateway::pieces& message) override;
  void send_answer(exchange& x, const gateway::pieces& message, unsigned http_status) override;
  void listen(exchange& x) override;
  void send_cancelled(exchange& x) override;
  [[nodiscard]] bool ask(exchange& x, std::string_view request) override;

  void batch_notification(const gateway::pieces& message) override;
  void batch_done(batch& which, const std::string& answers) override;

  [[nodiscard]] session* owner() const noexcept override { return session_.get(); }
  void lists_changed() override;
  void resource_updated(std::uint32_t slot, std::string_view subscribed,
                        std::string_view uri) override;
  void subscription_settled(std::uint64_t subscriber, std::string_view uri, bool stands) override;
  void tasks_told(const task_news& news) override;
  void pass_on(std::string_view message) override { write(message); }
  void log_message(std::string_view notification) override;

  worker& worker_;
  const view_scope scope_;
  session_ptr session_;
  std::unique_ptr<change_watch> session_watch_;
  std::vector<std::unique_ptr<change_watch>> listens_; ///< modern ones
  std::vector<std::unique_ptr<batch>> batches_;        ///< under way
  std::size_t under_way_ = 0;
  bool left_ = false;
  bool takes_more_ = true;
};

} // namespace nexus::engine
