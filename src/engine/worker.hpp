#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/snapshot.hpp"
#include "engine/argument_checker.hpp"
#include "engine/control.hpp"
#include "engine/exchange.hpp"
#include "engine/learned_uris.hpp"
#include "engine/open_question.hpp"
#include "engine/process.hpp"
#include "engine/session.hpp"
#include "engine/tool_search.hpp"
#include "engine/vmcps.hpp"
#include "metrics/metrics.hpp"
#include "net/reactor.hpp"
#include "net/socket.hpp"
#include "seal/sealer.hpp"
#include "json/scan.hpp"

namespace nexus::engine {

class duplex_client;
class http_connection;
class http_pool;
class query_embeddings;
class session_streams;
class tool_embeddings;
class upstream;
struct task_news;

/// Who gets told on a worker when the visible catalogue changes or a server logs: the open
/// listening streams of clients.
class listening_stream {
 public:
  virtual ~listening_stream() = default;
  [[nodiscard]] virtual view_scope scope() const noexcept = 0;
  [[nodiscard]] virtual session* owner() const noexcept = 0;
  /// Some list that this client sees may have changed.
  virtual void lists_changed() = 0;
  /// A resource of a server was updated. @param subscribed the URI to which clients are subscribed:
  /// `uri`, or what contains it
  virtual void resource_updated(std::uint32_t slot, std::string_view subscribed,
                                std::string_view uri) = 0;
  /// What came of a listen's subscription to a resource.
  virtual void subscription_settled(std::uint64_t subscriber, std::string_view uri,
                                    bool stands) = 0;
  /// What a server says to the tasks of a listen.
  virtual void tasks_told(const task_news& news) = 0;
  /// A message for this session that must not be left out.
  virtual void pass_on(std::string_view message) = 0;
  /// A log message of a server, as a JSON-RPC notification.
  virtual void log_message(std::string_view notification) = 0;
  /// The process stops: end the stream the way its protocol wants.
  virtual void finish() = 0;
};

/// One thread's share of the data path: its reactor, its connections, its exchanges, its pools of
/// connections to every server, and its own reference to the current snapshot. Nothing in it is
/// shared, so nothing is locked.
class worker {
 public:
  worker(process& shared, worker_id id, std::unique_ptr<net::reactor> reactor);
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  [[nodiscard]] worker_id id() const noexcept { return id_; }
  [[nodiscard]] net::reactor& reactor() noexcept { return *reactor_; }
  [[nodiscard]] process& shared() noexcept { return shared_; }
  [[nodiscard]] json::scanner& scanner() noexcept { return scanner_; }
  [[nodiscard]] metrics::worker_block& metrics() noexcept { return metrics_; }
  [[nodiscard]] const catalog::snapshot& snapshot() const noexcept { return *snapshot_; }
  [[nodiscard]] time_point now() const noexcept { return reactor_->now(); }

  // ---- Exchanges
  /// A blank exchange; put it back with release().
  [[nodiscard]] exchange& acquire();
  void release(exchange& x);
  /// A request id towards servers, unique in the process and safe in JavaScript.
  [[nodiscard]] std::int64_t next_downstream_id() noexcept {
    return static_cast<std::int64_t>(id_.value) << id_sequence_bits | ++id_sequence_;
  }
  [[nodiscard]] static worker_id worker_of(std::int64_t downstream_id) noexcept {
    return {static_cast<std::uint32_t>(downstream_id >> id_sequence_bits)};
  }
  /// The exchange of a session, or of an adapter that serves one client, with that request id is
  /// cancelled if it is under way here.
  void cancel_request(const session* caller, const client_adapter* client, std::string_view id);
  /// What nobody waits for any more: the servers are told. @pre a server or a group has it
  void give_up_call(exchange& x);
  /// A client is gone for good: what it asked for is given up.
  void drop_client(const client_adapter& gone);
  [[nodiscard]] exchange* first_exchange_via(const upstream& server) noexcept;
  /// The first of all that are in use; the others follow through `next`.
  [[nodiscard]] exchange* first_exchange() noexcept { return used_; }
  /// By exchange::sequence; null when it has ended.
  [[nodiscard]] exchange* find_exchange(std::uint64_t sequence) noexcept;
  /// A legacy client's answer to a question that was asked here. What nobody waits for is dropped.
  void take_answer(const session* from, const mcp::message& given);
  /// A legacy client's progress with such a question, for the server that asked.
  void take_progress(const session* from, const mcp::message& told);
  /// A client has other roots: the servers with a session for it alone are told.
  void roots_changed(const session& of);
  [[nodiscard]] std::size_t exchanges_in_use() const noexcept { return in_use_; }

  // ---- Servers
  [[nodiscard]] upstream* find_upstream(std::uint32_t slot) noexcept;
  /// The control plane replaced a server's endpoint.
  void install(const endpoint_ptr& endpoint);
  void remove_server(std::uint32_t slot);
  /// Opens a server's link in a turn of its own: starting a child takes about a millisecond, and
  /// clients are served between two of them.
  void open_link_soon(link_start start);
  /// Least severity that any session wants, for the servers whose links are here.
  void set_log_level(mcp::log_level least);
  void install(std::shared_ptr<const catalog::snapshot> snapshot);
  /// The control plane made, changed or ended a virtual MCP: its listeners hear of it at once.
  void install(const vmcp_endpoint_ptr& endpoint);
  [[nodiscard]] tool_search& search() noexcept { return search_; }
  /// All tools' embeddings, for all workers. @pre there is a provider, and this worker is the first
  [[nodiscard]] tool_embeddings& embeddings_of_tools();
  [[nodiscard]] argument_checker& checker() noexcept { return checker_; }
  [[nodiscard]] vmcp_table& vmcps() noexcept { return vmcps_; }
  /// What an address shows; null when its server is not configured any more, or its virtual MCP is
  /// closed. Of a virtual MCP it stays until the view of another one is asked for.
  [[nodiscard]] const catalog::exposure* view(view_scope scope);
  /// The server that has a resource, as an address sees it: as snapshot::owner_of, or because a
  /// result mentioned it, or because nothing else can be meant.
  [[nodiscard]] std::optional<std::uint32_t> owner_of_resource(view_scope scope,
                                                               std::string_view uri);
  /// Remembers the resources that a server's result mentions, here and on the other workers.
  void learn_resources(std::uint32_t slot, std::string_view result);

  // ---- Sessions
  void add_session(session_ptr opened);
  /// This worker's own knowledge; null when unknown or closed.
  [[nodiscard]] session_ptr find_session(std::string_view id);
  void forget_session(std::string_view id);
  /// Its client ended it, or its address is gone. @pre it was opened here
  void close_session(const session_ptr& ended);

  // ---- Listening streams and connections
  void add_stream(listening_stream& stream);
  void remove_stream(listening_stream& stream);
  /// As these, for what listens without being a client's open stream itself.
  void add_listener(listening_stream& listener);
  void remove_listener(listening_stream& listener);
  /// What sessions whose clients are away have here.
  [[nodiscard]] session_streams& absent_sessions() noexcept { return *absent_sessions_; }
  /// The session is closed: its listening stream, if it is here, ends.
  void end_stream(const session& of);
  /// A message for the session's listening stream, if that is here.
  void tell_session(const session& of, std::string_view message);
  /// Tells streams whose visible lists differ from what they were told. Coalesced.
  void tell_lists_changed();
  void tell_updated(std::uint32_t slot, std::string_view subscribed, std::string_view uri);
  void tell_settled(std::uint64_t subscriber, std::string_view uri, bool stands);
  void tell_tasks(const task_news& news);
  /// A log message of a server, not tied to a request: to legacy sessions that asked for logs.
  void tell_log(std::uint32_t slot, mcp::log_level level, std::string_view notification);

  /// Starts accepting clients. @returns the bound address
  [[nodiscard]] result<net::endpoint> listen(const net::endpoint& at);
  void stop_listening();
  /// Accepts clients of a virtual MCP on its own port, instead of those on a port that it had.
  void listen_for(own_port_ptr own, net::unique_fd listening);
  /// Its port, if it has one, is given up: connections end when nothing is under way on them.
  void stop_listening_for(std::uint32_t vmcp);
  /// @pre its place is taken: process::connections
  void adopt_connection(std::unique_ptr<http_connection> connection);
  void drop_connection(http_connection& connection);
  [[nodiscard]] http_connection* find_connection(std::uint64_t id) noexcept;
  /// Clients whose messages come over other connections than the one that they listen on, by the
  /// id in the address of these messages.
  void add_guest(std::string_view id, duplex_client& guest);
  void remove_guest(std::string_view id);
  [[nodiscard]] duplex_client* find_guest(std::string_view id) noexcept;
  /// Ends listening streams; calls in flight go on. Probes are answered still: what routes clients
  /// here has to learn that they should go elsewhere.
  void drain();
  /// Fails what is still in flight, ends idle connections, stops accepting, and ends every link:
  /// children are stopped, sessions at servers are ended.
  void close();
  [[nodiscard]] bool idle() const noexcept { return in_use_ == 0; }

  /// Frees `garbage` after the current callback: objects end themselves within their own code.
  template <class T>
  void bury(std::unique_ptr<T> garbage) {
    graveyard_.push_back(std::shared_ptr<void>(std::move(garbage)));
    if (graveyard_.size() == 1)
      schedule_burial();
  }

  /// Keeps a pool until its last request has been answered.
  void say_farewell(std::unique_ptr<http_pool> pool, std::string_view request,
                    milliseconds at_most);

  /// Seals what clients carry; the keys are the process's.
  [[nodiscard]] seal::sealer& sealer() noexcept { return sealer_; }

  std::size_t parked_calls = 0; ///< dialogues that wait for a retry
  std::string scratch;          ///< for rendering
  std::string head_scratch;     ///< for the heads of HTTP requests
  std::string rebuilt_result;   ///< for gateway::render_result
  std::string converted;        ///< for gateway::converted_response, which is parsed into
  mcp::message converted_message;
  std::string task_text; ///< for upstream::with_client_task_id, which is parsed into
  mcp::message task_message;
  mcp::message response; ///< the message from a server that is being handled

 private:
  class farewell;
  friend class open_question;
  static constexpr unsigned id_sequence_bits = 44;
  [[nodiscard]] const question_place* find_question(std::int64_t id) const noexcept;
  /// What a client said to a question of another worker. @param text as a message
  void pass_to_asker(std::int64_t question, const session* from, std::string text);
  void schedule_burial();
  void bury_now();
  void sweep_sessions();
  void open_next_link();
  void accept(net::stream_ptr accepted, const own_port_ptr& own);

  process& shared_;
  const worker_id id_;
  std::unique_ptr<net::reactor> reactor_;
  const time_point started_ = now();
  metrics::worker_block& metrics_;
  json::scanner scanner_;
  seal::sealer sealer_;
  std::shared_ptr<const catalog::snapshot> snapshot_;
  learned_uris learned_;
  std::unique_ptr<query_embeddings> query_embeddings_; ///< null: no model is asked
  std::unique_ptr<tool_embeddings> tool_embeddings_;   ///< made when it is first needed
  tool_search search_;
  argument_checker checker_;
  vmcp_table vmcps_;
  std::int64_t id_sequence_ = 0;

  std::unordered_map<std::int64_t, question_place> questions_; // open ones
  exchange* used_ = nullptr;                                   // doubly linked
  exchange* pool_ = nullptr;                                   // singly linked
  std::vector<std::unique_ptr<exchange>> exchanges_;
  std::size_t in_use_ = 0;
  std::uint64_t sequence_ = 0;

  std::vector<std::unique_ptr<upstream>> upstreams_; // by slot
  std::deque<link_start> links_;                     // to open, one a turn
  net::timer open_links_;
  std::unordered_map<std::string_view, session_ptr> sessions_;
  std::vector<listening_stream*> streams_;
  std::unique_ptr<session_streams> absent_sessions_;
  std::unordered_map<std::uint64_t, std::unique_ptr<http_connection>> connections_;
  std::unordered_map<std::string_view, duplex_client*> guests_;
  std::uint64_t connection_sequence_ = 0;
  std::unique_ptr<net::listener> listener_;
  struct own_listener {
    own_port_ptr own;
    std::unique_ptr<net::listener> accepts;
  };
  std::unordered_map<std::uint32_t, own_listener> own_listeners_; ///< by the virtual MCP's number
  std::vector<std::shared_ptr<void>> graveyard_;
  std::vector<std::unique_ptr<farewell>> farewells_;
  bool sweeps_soon_ = false; ///< because a virtual MCP has closed
  net::timer burial_, sweep_, tell_;
};

} // namespace nexus::engine
