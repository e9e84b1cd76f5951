#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "catalog/list_view.hpp"
#include "engine/http_pool.hpp"
#include "engine/session.hpp"
#include "engine/vmcps.hpp"
#include "gateway/pieces.hpp"
#include "mcp/message.hpp"
#include "mcp/revision.hpp"
#include "metrics/counters.hpp"
#include "net/timer.hpp"

namespace nexus::engine {

class call_group;
class dialogue;
class exchange;
class worker;
class upstream;

/// The client's side of exchanges: turns what they yield into its own framing.
/// @thread the exchange's worker
class client_adapter {
 public:
  virtual ~client_adapter() = default;
  /// A message that belongs to the exchange and precedes its answer (progress, log).
  virtual void send_notification(exchange& x, const gateway::pieces& message) = 0;
  /// The answer: the last thing that an exchange says. `http_status` matters over HTTP alone.
  /// The exchange is gone when this returns.
  virtual void send_answer(exchange& x, const gateway::pieces& message, unsigned http_status) = 0;
  /// Starts a listening stream for a modern `subscriptions/listen`. Releases the exchange.
  virtual void listen(exchange& x) = 0;
  /// The client cancelled the exchange: whatever its framing still wants is sent.
  virtual void send_cancelled(exchange& x) = 0;
  /// A request of a server, or what it says about one, in the middle of the exchange. @returns
  /// false when this client reads nothing but the answer
  [[nodiscard]] virtual bool ask(exchange& x, std::string_view request) = 0;
  /// The fields of the HTTP request that brought the exchange; null over any other transport.
  [[nodiscard]] virtual const http::header_fields* request_headers() noexcept { return nullptr; }
};

/// An answer of a legacy server whose event stream ended before it, and is taken up again.
struct broken_answer {
  std::string last_id;
  std::string session_id; ///< at the server
  milliseconds delay = limits::server_retry_delay_default;
  net::timer again;
};

/// One message of a client on its way: the request's text, whose it is, where it goes and by when.
/// Lives on one worker from the request's last byte to the answer's first; pooled.
class exchange final : public http_call_handler {
 public:
  exchange();
  ~exchange() override;

  // Every call reads and writes most of this: it is together, because many exchanges share a cache.
  // `request` is large and last.

  enum class stage : std::uint8_t {
    idle,    ///< in the pool
    local,   ///< being answered without a server
    waiting, ///< for a server that connects, a permit or the queue
    sent,
    elsewhere, ///< takes part in a parked call; `parked_at` says where
  };
  stage at = stage::idle;
  mcp::era era = mcp::era::legacy;
  mcp::revision revision = mcp::newest_legacy;
  mcp::log_level log_level = mcp::log_level::off; ///< least severity of log messages wanted
  bool wraps_output = false;                      ///< as catalog::item
  bool safe_to_repeat = false;  ///< the tool says that it is read-only or idempotent
  bool has_permit = false;      ///< of its server
  bool resent = false;          ///< sent again once already
  bool relisted = false;        ///< sent again with headers after a new tools/list
  bool asked_again = false;     ///< looked for its resource a second time
  bool resolve_later = false;   ///< waits for a server's catalogue, then is dispatched again
  bool opened_session = false;  ///< `caller` was opened by this request
  bool embedding_asked = false; ///< of its query, and there was time for an answer
  view_scope scope;
  std::uint32_t slot = 0;           ///< of the server that it goes to
  std::uint32_t answer_stream = 0;  ///< of its session's replay_log, once the client is absent
  client_adapter* client = nullptr; ///< null once the client is gone
  upstream* via = nullptr;          ///< set while waiting or sent
  http_call* call = nullptr;        ///< the HTTP request that carries it
  session_ptr caller;               ///< null for stateless clients
  std::uint64_t sequence = 0;       ///< changes with every use of a pooled object
  std::int64_t downstream_id = 0;
  time_point started{};
  time_point sent_at{};
  std::chrono::milliseconds timeout{0};
  net::lazy_timer deadline;
  // Lists of the worker: all exchanges in use, and the pool
  exchange* next = nullptr;
  exchange* previous = nullptr;
  /// What the server calls it: the tool's or prompt's own name, or the resource's URI.
  std::string target_name;
  std::string text; ///< owns every slice of `request`

  // What few have
  std::shared_ptr<vmcp_runtime> within;  ///< whose limits it counts for; usually null
  catalog::merged_tool_ptr merged;       ///< the tool's servers when it has several; usually null
  std::uint64_t tried = 0;               ///< bit per member of `merged` that the call was given to
  std::unique_ptr<dialogue> talk;        ///< about what the server wants to know; usually none
  std::unique_ptr<broken_answer> broken; ///< usually none
  std::unique_ptr<call_group> group;     ///< the calls that it consists of; usually none
  std::pair<worker_id, std::uint64_t> parked_at; ///< worker and sequence
  std::string target_task; ///< the task's own id: who knows it may follow the task, so no log does
  std::string target_ref;  ///< of a completion: params.ref with the server's own name, or empty
  std::string unwrapped;   ///< of a call through a meta-tool: its own name and arguments
  std::string completed;   ///< arguments with those that a virtual MCP adds
  std::string parameter_fields; ///< header lines that repeat arguments, for HTTP servers
  std::string server_state;     ///< JSON: the requestState that a modern server gave

  mcp::message request;

  /// The client's id as it was written; empty for notifications.
  [[nodiscard]] std::string_view id() const noexcept { return request.id.raw; }

 private:
  void on_message(http_call& from, std::string_view body) override;
  void on_end(http_call& from, const http::response_head& head, std::string_view body) override;
  void on_failure(http_call& from, const error& reason, bool untouched) override;
};

} // namespace nexus::engine
