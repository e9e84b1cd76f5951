#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "http/message.hpp"
#include "http/sse.hpp"
#include "net/reactor.hpp"

/// One worker's connections to one HTTP server.
namespace nexus::engine {

class http_call;

/// Receives what one HTTP request to a server yields. The http_call is gone after on_end() and
/// on_failure(), and may be cancelled within on_message().
class http_call_handler {
 public:
  virtual ~http_call_handler() = default;
  /// A JSON text: the whole body, or the data of one event. json::padding_bytes follow it.
  virtual void on_message(http_call& call, std::string_view text) = 0;
  /// The response is whole. Bodies that are neither JSON nor events are in `body`, cut short.
  virtual void on_end(http_call& call, const http::response_head& head, std::string_view body) = 0;
  /// No whole response came. `untouched`: no byte of one came, over a connection that had served
  /// before; the server may have closed it without seeing the request.
  virtual void on_failure(http_call& call, const error& reason, bool untouched) = 0;
};

/// How far an event stream has come, so that a legacy server can be asked for the rest of it.
struct event_position {
  std::string last_id; ///< fit for a header field; empty: the stream cannot be taken up again
  std::optional<milliseconds> retry; ///< what the server wants to be waited before that
};

struct http_pool_options {
  net::endpoint address;
  std::optional<net::tls_client_options> tls;
  milliseconds connect_timeout{10'000};
  std::size_t response_bytes_max = limits::http_response_body_bytes_max;
};

/// Lends connections to requests, one request each at a time, the most recently used first.
class http_pool {
 public:
  http_pool(net::reactor& on, http_pool_options options);
  ~http_pool(); ///< closes everything; no handler is called
  http_pool(const http_pool&) = delete;
  http_pool& operator=(const http_pool&) = delete;

  /// Sends a whole request. @pre handler outlives the call
  /// @param request is copied into the connection's buffer
  /// @param body    follows it there, when `request` is a head that ends with its empty line
  http_call& start(std::string_view request, http_call_handler& handler,
                   std::string_view body = {});
  /// As start(), for a request whose answer nobody waits for.
  void send(std::string_view request);
  /// Gives a call up: its connection is closed, its handler is not called any more.
  void cancel(http_call& call);
  /// The caller has what it wanted: the rest of the response is read and dropped, so that the
  /// connection serves again. The handler is not called any more.
  void detach(http_call& call);
  /// The status and headers of a call whose head has arrived.
  [[nodiscard]] static const http::response_head& head_of(const http_call& call);
  /// How far the events of a call's response have come.
  [[nodiscard]] static const event_position& position_of(const http_call& call);
  [[nodiscard]] std::size_t open_connections() const noexcept { return connections_.size(); }

 private:
  friend class http_call;
  void give_back(http_call& connection);
  void discard(http_call& connection);

  net::reactor& reactor_;
  const http_pool_options options_;
  std::vector<std::unique_ptr<http_call>> connections_;
  std::vector<http_call*> idle_; // most recently used last
  /// Connections that ended within their own callback; freed by the next turn.
  std::vector<std::unique_ptr<http_call>> ended_;
  net::timer bury_;
};

} // namespace nexus::engine
