#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/batch.hpp"
#include "engine/change_watch.hpp"
#include "engine/exchange.hpp"
#include "engine/replay_log.hpp"
#include "engine/request_facts.hpp"
#include "engine/worker.hpp"
#include "http/message.hpp"
#include "net/stream.hpp"

namespace nexus::engine {

class http_guest;

/// A client's HTTP connection: one request at a time, answered as JSON, as a stream of events that
/// ends in the answer, or as a listening stream without an end.
class http_connection final : private net::stream_handler,
                              private client_adapter,
                              private batch_sink,
                              private listening_stream {
 public:
  /// @param own the port that it came to, when that is a virtual MCP's
  http_connection(worker& owner, std::uint64_t id, net::stream_ptr stream,
                  own_port_ptr own = nullptr);
  ~http_connection() override;

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] const own_port* own() const noexcept { return own_.get(); }
  /// The process stops: closes when nothing is under way, else after the answer.
  void drain();
  /// The log of the session whose stream this connection reads has more, or has ended.
  void follow();
  /// Another connection has taken the stream over.
  void lose_stream(const session& of, std::uint32_t stream);

 private:
  enum class state : std::uint8_t {
    reading,   ///< a request, or waiting for one
    answering, ///< an exchange is under way
    listening, ///< the event stream of a modern listen, without an end
    following, ///< reads a stream of a session's replay log
    hosting,   ///< what follows is not HTTP any more: see http_guest
    closed,
  };

  // Bytes
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_error(const error& reason) override;
  void on_drained() override;
  void consume(std::string_view bytes);
  /// Goes on with what came while an answer was under way, or was not being read.
  void consume_pending();
  /// True while no further request is served, because the answers before it are not being read.
  [[nodiscard]] bool is_backed_up() const noexcept;
  /// True when the client has taken a good part of its last answer since this was asked last.
  [[nodiscard]] bool is_being_read() noexcept;
  void client_gone();
  void on_tick();
  void close();
  /// As close(), but what was written still leaves.
  void close_after_flush();
  void leave_streams();
  /// The exchange goes on without this connection, or ends.
  void leave_answer();

  // The dialects that keep a connection, in http_guests.cpp
  friend class http_guest;
  friend class sse_client;
  friend class websocket_client;
  void serve_event_stream(view_scope scope);
  void serve_guest_message(view_scope scope);
  void serve_websocket(view_scope scope);
  void part_from_guest();

  // Requests, in http_requests.cpp
  void serve_request();
  void serve_mcp(view_scope scope);
  void serve_post(view_scope scope);
  void serve_get(view_scope scope); // in http_listening.cpp
  void serve_delete(view_scope scope);
  void serve_preflight();
  void serve_message(exchange& x);
  /// @pre the session of the exchange, a batch, is known
  void serve_batch(exchange& x);
  void with_session(exchange& x, std::string_view id);
  void session_found(exchange& x, session_ptr found);
  void take_up_stream(session_ptr owner); // in http_listening.cpp
  void end_following();
  void leave_log();
  /// Begins a long answer as a stream, so that it can be resumed.
  void begin_early();
  /// An MCP address: what it shows, and what follows that in the path.
  struct address {
    view_scope scope;
    std::string_view tail; ///< "/mcp", "/sse", "/ws" or "/message"
  };
  /// The address that a path is; nothing for any other path and an unknown name.
  [[nodiscard]] std::optional<address> address_of(std::string_view path) const;
  /// @returns false when it is none of MCP
  [[nodiscard]] bool serve_address(const address& at);
  void serve_operations(std::string_view path);
  /// Answers for a virtual MCP that is not made yet, or ends. @returns whether it did
  [[nodiscard]] bool refuse_unready_vmcp(const vmcp_endpoint& endpoint);
  void refuse_message(exchange& x, mcp::errc code, unsigned status, std::string_view message,
                      std::string_view data);
  // The API, in http_api.cpp
  void serve_api();
  /// What GET /api/v1/tools/search asks for.
  struct tool_request {
    std::string text;
    std::size_t limit = limits::meta_search_default;
    std::string server = {}; ///< empty: all
    bool with_schema = false;
  };
  void serve_tool_search();
  void answer_tool_search(const tool_request& asked);
  void serve_vmcps();
  void ask_control(vmcp_request request);
  /// An error as the API tells it. @param message what went wrong and what helps
  void refuse_api(unsigned status, std::string_view message, std::string_view extra_fields = {});
  [[nodiscard]] std::string servers_json() const;
  // What is known of all tools, in http_api_registry.cpp
  /// @returns false for an address that is none of it
  [[nodiscard]] bool serve_registry();
  void serve_pin_acceptance();
  /// Answers the request at hand from any thread, unless its client has gone.
  [[nodiscard]] std::function<void(unsigned status, std::string body)> later_answer();

  // Answers
  void respond(unsigned status, std::string_view content_type, std::string_view body,
               std::string_view extra_fields = {});
  void begin_head(unsigned status);
  void begin_events();
  /// An event of the stream at hand, kept for a client that comes back if it is a session's.
  void append_event(std::string_view data, event_weight weight);
  void write_event(std::string_view data, std::string_view id = {});
  void append_comment(std::string_view text);
  /// Gives the answer at hand a stream in its session's log.
  void open_answer_stream();
  /// What of a session's stream lets the client come back to it before it has said anything.
  void prime(std::uint64_t sequence);
  [[nodiscard]] stream_reader self() const noexcept { return {worker_.id(), id_}; }
  /// Sends what a stream is due to hear; empty texts are nothing.
  void tell(const std::vector<std::string>& messages);
  void send_message(const gateway::pieces& message, event_weight weight);
  /// Answers with one JSON text, as JSON or as the last event of a stream.
  void finish_message(const gateway::pieces& message, unsigned http_status);
  void finish_response();
  void count_status(unsigned status);

  // client_adapter
  void send_notification(exchange& x, const gateway::pieces& message) override;
  void send_answer(exchange& x, const gateway::pieces& message, unsigned http_status) override;
  void listen(exchange& x) override;
  void send_cancelled(exchange& x) override;
  [[nodiscard]] bool ask(exchange& x, std::string_view request) override;
  [[nodiscard]] const http::header_fields* request_headers() noexcept override {
    return &parser_.message().headers;
  }

  // batch_sink
  void batch_notification(const gateway::pieces& message) override;
  void batch_done(batch& which, const std::string& answers) override;

  // listening_stream
  [[nodiscard]] view_scope scope() const noexcept override { return watch_->scope(); }
  [[nodiscard]] session* owner() const noexcept override { return nullptr; }
  void lists_changed() override;
  void resource_updated(std::uint32_t slot, std::string_view subscribed,
                        std::string_view uri) override;
  void subscription_settled(std::uint64_t subscriber, std::string_view uri, bool stands) override;
  void tasks_told(const task_news& news) override { tell(watch_->take(news)); }
  void pass_on(std::string_view message) override { log_message(message); }
  void log_message(std::string_view notification) override;
  void finish() override;

  // What every request needs is together: many connections share a cache.
  worker& worker_;
  const std::uint64_t id_;
  const own_port_ptr own_; ///< null on the gateway's own port
  net::stream_ptr stream_;
  http::request_parser parser_;
  exchange* active_ = nullptr;
  state state_ = state::reading;
  bool consuming_ = false; ///< consume() is on the stack and goes on by itself
  bool keep_alive_ = true;
  bool events_begun_ = false;
  bool stop_when_done_ = false;
  time_point since_; ///< when the current wait began
  time_point last_written_;
  net::lazy_timer early_;
  // A stream of a legacy session: the answer to a POST, or what is followed
  replay_log* log_ = nullptr;
  session_ptr stream_session_;
  std::uint32_t event_stream_ = 0;
  std::uint64_t position_ = 0; ///< the last event of it that was followed
  request_facts facts_;        ///< of the request at hand, or the last one
  std::string pending_;        ///< bytes of pipelined requests

  std::size_t unread_ = 0; ///< of answers, when is_being_read() last found some taken
  std::unique_ptr<batch> batch_;
  std::unique_ptr<http_guest> guest_;
  std::unique_ptr<change_watch> watch_; ///< of a modern listen
  net::timer tick_;
};

} // namespace nexus::engine
