#pragma once

#include <cstdint>
#include <string>

#include "bench/load/http_link.hpp"
#include "bench/load/request_set.hpp"
#include "http/sse.hpp"

namespace nexus::load {

/// A client that only listens and counts: the GET stream of a legacy session, or
/// subscriptions/listen. @thread its reactor's
class subscriber final : private http_link_owner, private http::sse_handler {
 public:
  /// `id` is that of its requests, of which it has one at a time.
  subscriber(net::reactor& on, const run_options& run, std::uint64_t id);

  void open();
  /// Opens again when the stream has ended. @returns whether there was need
  bool reopen_when_lost();

  [[nodiscard]] bool listening() const noexcept { return at_ == step::listening; }
  [[nodiscard]] std::uint64_t notifications() const noexcept { return notifications_; }
  [[nodiscard]] std::uint64_t opened() const noexcept { return opened_; }
  [[nodiscard]] std::uint64_t ended() const noexcept { return ended_; }
  /// Why it does not listen, if it has been refused.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  enum class step { lost, connecting, initializing, acknowledging, subscribing, asking, listening };

  void on_connected(http_link& link) override;
  void on_head(http_link& link) override;
  void on_body(http_link& link, std::string_view bytes) override;
  void on_response(http_link& link) override;
  void on_taken(http_link& link) override;
  void on_lost(http_link& link, error_class what, std::string_view why) override;
  void count_bytes(std::size_t /*in*/, std::size_t /*out*/) override {}
  void on_event(const http::sse_event& event) override;
  void post(std::string_view method, std::string_view params);
  void send_post(std::string_view method, std::string_view body);
  void notify_initialized();
  void subscribe_next();
  void listen();
  void lose(std::string why);
  void send(const std::string& bytes);

  const run_options& run_;
  http_link link_;
  std::uint64_t id_;
  step at_ = step::lost;
  std::string session_, body_, problem_, doomed_;
  std::size_t resource_ = 0; ///< the next to subscribe to
  http::sse_parser events_;
  std::uint64_t notifications_ = 0, opened_ = 0, ended_ = 0;
};

} // namespace nexus::load
