#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "bench/load/options.hpp"
#include "bench/load/recorder.hpp"
#include "http/message.hpp"
#include "net/reactor.hpp"

namespace nexus::load {

class http_link;

/// Who uses a link. Callbacks must not destroy it, and on_head() and on_body() not close it.
class http_link_owner {
 public:
  virtual ~http_link_owner() = default;
  virtual void on_connected(http_link& link) = 0;
  virtual void on_head(http_link& link) = 0;
  virtual void on_body(http_link& link, std::string_view bytes) = 0;
  /// The response is whole, and the link ready for the next request unless it closed meanwhile.
  virtual void on_response(http_link& link) = 0;
  /// Bytes are taken, and the link may be closed for what on_head() or on_body() found in them.
  virtual void on_taken(http_link& /*link*/) {}
  /// The connection is gone; the link is closed.
  virtual void on_lost(http_link& link, error_class what, std::string_view why) = 0;
  virtual void count_bytes(std::size_t in, std::size_t out) = 0;
};

/// One HTTP/1.1 connection as a client, with one request at a time. @thread its reactor's
class http_link final : private net::stream_handler, private http::response_handler {
 public:
  http_link(net::reactor& on, const run_options& run, http_link_owner& owner);

  /// Connects, again if need be; on_connected() or on_lost() follows.
  void open();
  void close();
  [[nodiscard]] bool connected() const noexcept { return stream_ != nullptr; }
  /// Where a request is appended; send() lets it go. @pre connected()
  [[nodiscard]] std::string& out() { return stream_->out(); }
  void send(std::size_t bytes);

  [[nodiscard]] unsigned status() const noexcept { return status_; }
  [[nodiscard]] bool is_event_stream() const noexcept { return is_event_stream_; }
  /// The session that the server named in the last response, or nothing.
  [[nodiscard]] const std::string& session_id() const noexcept { return session_id_; }
  /// Whether the server, having answered, ends the connection.
  [[nodiscard]] bool closes() const noexcept { return closes_; }

 private:
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_error(const error& reason) override;
  void on_head(const http::response_head& head) override;
  void on_body(std::string_view bytes) override { owner_.on_body(*this, bytes); }
  void on_done() override { done_ = true; }
  void lose(error_class what, std::string_view why);

  net::reactor& on_;
  const run_options& run_;
  http_link_owner& owner_;
  std::unique_ptr<net::pending_connect> connecting_;
  net::stream_ptr stream_;
  http::response_parser parser_;
  std::string session_id_;
  unsigned status_ = 0;
  bool is_event_stream_ = false;
  bool closes_ = false;
  bool done_ = false;
};

} // namespace nexus::load
