#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/duplex_client.hpp"
#include "net/stream.hpp"
#include "websocket/codec.hpp"

namespace nexus::engine {

class http_connection;

/// What an HTTP connection turned into for the rest of its life.
/// @thread its worker; the connection owns it
class http_guest : public duplex_client {
 public:
  /// Bytes that the client sent.
  virtual void on_bytes(std::string_view bytes) = 0;
  /// What was to be sent has left.
  virtual void on_drained() {}
  /// Nothing was written for a while.
  virtual void keep_alive() = 0;
  /// Ends the connection the way its protocol wants.
  virtual void hang_up() = 0;

 protected:
  http_guest(http_connection& host, worker& on, view_scope shown)
      : duplex_client(on, shown), host_(host) {}
  [[nodiscard]] bool slow() const override;
  /// What is under way is answered first.
  void finish() override;
  void on_idle() override;

  http_connection& host_;
};

/// A 2024-11-05 client: the event stream that answers its GET; its messages come as POSTs of other
/// connections, wherever these are. @source MCP 2024-11-05 "HTTP with SSE"
class sse_client final : public http_guest {
 public:
  sse_client(http_connection& host, worker& on, view_scope shown);
  ~sse_client() override;
  /// Names the stream in the address of its POSTs: as long and as random as a session's id.
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

 private:
  void on_bytes(std::string_view) override {} // there is nothing left to say on this connection
  void keep_alive() override;
  void hang_up() override;
  void write(std::string_view text) override;

  const std::string id_;
};

/// A client that speaks JSON-RPC in text messages of a WebSocket.
class websocket_client final : public http_guest, private websocket::handler {
 public:
  websocket_client(http_connection& host, worker& on, view_scope shown);

 private:
  void on_bytes(std::string_view bytes) override;
  void on_drained() override;
  void keep_alive() override;
  void hang_up() override;
  void write(std::string_view text) override;
  void on_text(std::string& message) override;
  void on_close(std::uint16_t code, std::string_view reason) override;
  /// Takes bytes while the client takes the answers. @returns how many
  [[nodiscard]] std::size_t take(std::string_view bytes);
  /// Sends what the codec has queued; ends the connection when it is closed.
  void flush();

  websocket::codec codec_;
  std::string unread_; ///< came before reading was paused
  bool feeding_ = false;
};

} // namespace nexus::engine
