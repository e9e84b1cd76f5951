#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/batch.hpp"
#include "engine/change_watch.hpp"
#include "engine/exchange.hpp"
#include "engine/stdio_channel.hpp"
#include "engine/worker.hpp"
#include "net/stream.hpp"

namespace nexus::engine {

/// The one client of `nexus stdio`: newline-delimited JSON over two descriptors, many exchanges at
/// a time.
class stdio_client final : private net::stream_handler,
                           private client_adapter,
                           private batch_sink,
                           private listening_stream {
 public:
  /// @param on_finished called once the client has gone and its last answer is written
  stdio_client(worker& owner, int read_fd, int write_fd, std::function<void()> on_finished);
  ~stdio_client() override;

 private:
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_error(const error& reason) override;
  void on_drained() override;
  void serve_line(std::string& line);
  void serve_message(exchange& x);
  void serve_batch(exchange& x);
  void refuse(exchange& x, mcp::errc code, std::string_view message, std::string_view data = {});
  void write_line(std::string_view text);
  void one_less();
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

  [[nodiscard]] view_scope scope() const noexcept override { return {}; }
  [[nodiscard]] session* owner() const noexcept override { return session_.get(); }
  void lists_changed() override;
  void resource_updated(std::uint32_t slot, std::string_view subscribed,
                        std::string_view uri) override;
  void subscription_settled(std::uint64_t subscriber, std::string_view uri, bool stands) override;
  void log_message(std::string_view notification) override;
  void finish() override;

  worker& worker_;
  net::stream_ptr stream_;
  line_splitter lines_;
  std::function<void()> on_finished_;
  session_ptr session_;
  std::unique_ptr<change_watch> session_watch_;
  std::vector<std::unique_ptr<change_watch>> listens_; ///< modern ones
  std::vector<std::unique_ptr<batch>> batches_;        ///< under way
  std::size_t under_way_ = 0;
  bool ended_ = false;
};

} // namespace nexus::engine
