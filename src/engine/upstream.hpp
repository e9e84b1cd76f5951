#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/rate_limit.hpp"
#include "engine/control.hpp"
#include "engine/exchange.hpp"
#include "engine/http_pool.hpp"
#include "engine/http_target.hpp"
#include "engine/open_question.hpp"
#include "engine/process.hpp"
#include "engine/resource_hub.hpp"
#include "gateway/client_capabilities.hpp"
#include "gateway/trace_context.hpp"
#include "mcp/message.hpp"

namespace nexus::engine {

class server_link;
class task_hub;
class worker;

/// Whether a call that failed may have been carried out.
enum class reached : std::uint8_t { no, perhaps };

/// Why an exchange is given up before its answer.
enum class give_up : std::uint8_t {
  cancelled, ///< the client said so, or closed a modern request's stream: nothing is answered
  deadline,  ///< answered with an error
};

/// One worker's way to one server: calls wait here for the server, a permit or a place, travel
/// over this worker's own HTTP connections or the home worker's channel, and end here.
class upstream {
 public:
  /// @param as whose session this is; null for the server's own slot
  upstream(worker& owner, std::uint32_t slot, branch_ptr as,
           std::shared_ptr<server_runtime> runtime);
  ~upstream();

  /// Takes the exchange on; it ends in an answer or an error, within its deadline.
  void submit(exchange& x);
  /// Keeps the exchange until the server's catalogue is known, then dispatches it again.
  void submit_unresolved(exchange& x);
  /// The server is being removed: its exchanges fail.
  void fail_all(const std::string& reason);
  /// Gives an exchange up, tells the server, and releases it.
  void abandon(exchange& x, give_up why);

  /// Whether the exchange's requestState is one that this server's calls are sealed with.
  [[nodiscard]] bool sealed_state(const exchange& x);
  /// A call that was given to the channel's worker found no channel there.
  void channel_was_gone(exchange& x);

  /// The control plane replaced the endpoint.
  void install(endpoint_ptr endpoint);
  [[nodiscard]] const server_endpoint& endpoint() const noexcept { return *endpoint_; }

  // ---- The home worker's link
  void connect(link_start start);
  /// @param generation closes only this one; 0: whichever there is
  void close_link(std::uint64_t generation);
  [[nodiscard]] server_link* link() noexcept { return link_.get(); }
  /// Its clients' subscriptions. @pre this is the home worker
  [[nodiscard]] resource_hub& resources();
  /// Its clients' listens for tasks. @pre this is the home worker
  [[nodiscard]] task_hub& tasks();
  /// The link is up, or of no use any more: the subscriptions move.
  void link_came_up();
  void link_went_down();

  // ---- What a channel carries back
  void on_channel_message(std::int64_t id, const mcp::message& message);
  /// @returns whether one exchange took the log message as its own
  bool offer_log(mcp::log_level level, std::string_view notification);
  /// Fails the only call in flight; does nothing when there are more or none.
  void fail_sole_call(const std::string& why);

  /// A server's request that came over the channel or the listening stream on the home worker:
  /// finds the call that it belongs to. @param message json::padding_bytes follow its slices
  void route_question(const mcp::message& message);
  /// The server does not want an answer to one of its requests any more.
  void question_withdrawn(std::string_view id);

  // ---- Dialogues
  /// A legacy server asks within a call that is under way here.
  void server_asks(exchange& x, const mcp::message& request);
  /// A message to the server that is no call.
  void tell_server(std::string text);
  /// What the exchange's client is able to answer.
  [[nodiscard]] gateway::client_capabilities capabilities_of(const exchange& x);
  /// The requestState of a call that is parked here.
  [[nodiscard]] std::string seal_parked(const exchange& x);
  void send_again_with_answers(exchange& x);
  /// The client could not be asked, or not understood: the call ends.
  void fail_dialogue(exchange& x, const std::string& why);
  /// The answer of a call that was parked, now that somebody waits for it.
  void take_kept_answer(exchange& x, const mcp::message& answer) { answer_response(x, answer); }

  // ---- What an exchange's HTTP request yields
  void on_call_message(exchange& x, std::string_view text);
  void on_call_end(exchange& x, const http_call& from, const http::response_head& head,
                   std::string_view body);
  void on_call_failure(exchange& x, const http_call& from, const error& reason, bool untouched);

  // ---- Sessions that are not everybody's, in upstream_branches.cpp
  /// A session that calls wait for has its slot.
  void branch_opened(const std::string& key, std::uint32_t slot);
  /// It will not be opened: those who wait for it fail.
  void branch_refused(const std::string& key, const std::string& reason);
  /// It is not to be used any more.
  void branch_closed(const std::string& key) { branches_.erase(key); }

  /// A client answers what its own session with this server asked outside of any call.
  void take_session_answer(const session* from, std::int64_t id, const mcp::message& given);
  /// And tells how far it has come with that.
  void take_session_progress(const session* from, std::int64_t id, const mcp::message& told);

  /// A permit became free on another worker.
  void pump();
  [[nodiscard]] std::size_t waiting_count() const noexcept { return waiting_.size(); }

 private:
  /// As submit, when what the client carries has been read.
  void admit(exchange& x);
  /// Whether calls go over sessions other than the link's own.
  [[nodiscard]] bool has_branches() const noexcept;
  void submit_to_branch(exchange& x);
  /// Whose session the exchange uses: a view of `scratch` or of the exchange's session.
  [[nodiscard]] std::string_view branch_key(const exchange& x, std::string& scratch);
  [[nodiscard]] std::string legacy_capabilities(const exchange& x);
  /// Asks the client to whom this session belongs. @returns false when it cannot be asked
  [[nodiscard]] bool ask_session(const mcp::message& question);
  void tell_client(const std::string& text);
  [[nodiscard]] branch_ptr branch_for(const exchange& x, std::string_view key);
  /// The server's own slot.
  [[nodiscard]] std::uint32_t own_slot() const noexcept {
    return endpoint_->as ? endpoint_->as->of : slot_;
  }
  [[nodiscard]] bool take_permit() noexcept;
  void give_permit(exchange& x);
  void wait(exchange& x);
  void resolve(exchange& x);
  void send(exchange& x);
  void send_http(exchange& x, const gateway::trace_context& trace);
  void send_channel(exchange& x);
  /// Renders and sends what is under way already: the first time, and with each round of answers.
  void transmit(exchange& x);
  /// @param call the message is one; 0: none
  void post_to_home(std::string message, std::uint64_t link, std::uint64_t call = 0);
  /// Whether an HTTP answer says that the server forgot the session.
  /// True when a line about what goes wrong with the server may be written: others may have to be
  /// left out. Tells how many were.
  [[nodiscard]] bool may_complain();
  void on_foreign_answer(exchange& x, const mcp::message& message);
  [[nodiscard]] bool lost_session(unsigned status, std::string_view body) const;
  void send_again(exchange& x);
  /// The response ended before the answer: has the rest of its event stream asked for, if the
  /// server has given it an id. @returns false when it cannot be
  [[nodiscard]] bool take_up_again(exchange& x, const http_call& from);
  void ask_for_rest(exchange& x);
  /// The server misses other headers than ours: asks it for its tools and sends once more.
  void send_again_relisted(exchange& x);
  /// @param tools what the server lists now; null when it could not be asked
  void settle_relisted(exchange& x, const catalog::item_list* tools);
  void tell_cancelled(const exchange& x);
  /// Everything that ends: accounts, answers, releases, and lets the next one go.
  void conclude(exchange& x, metrics::call_result how);
  /// The exchange is not this server's any more: accounts for it, and takes its permit back.
  void let_go(exchange& x, metrics::call_result how);
  /// What has come free is for who waits.
  void serve_next();
  /// A call of a merged tool goes on to another server, if one is left and that does no harm.
  /// @returns false when it does not: the caller answers it. In failover.cpp
  [[nodiscard]] bool fails_over(exchange& x, metrics::call_result how, reached server,
                                std::string_view what, std::string_view reason);
  void answer_response(exchange& x, const mcp::message& response);
  /// A result as the exchange's client understands it.
  void render(gateway::pieces& answer, const exchange& x, const mcp::message& response);
  /// The last thing that a client hears of an exchange.
  void say(exchange& x, const gateway::pieces& answer, unsigned http_status);
  /// A modern server answered input_required.
  void pass_questions(exchange& x, const mcp::message& response);
  /// A legacy server wants the user to visit addresses first: a modern client is asked to.
  /// @returns false when the error says that unreadably
  [[nodiscard]] bool pass_url_elicitations(exchange& x, const mcp::message& response);
  /// Whether the server was refused a question that the client had not declared to answer.
  [[nodiscard]] bool lacked_capability(const exchange& x) const;
  /// @param data of the error; made from `required` when empty
  void answer_missing_capability(exchange& x, std::string_view required,
                                 std::string_view data = {});
  /// What the client declares, as a modern server is told.
  [[nodiscard]] std::string declared_capabilities(const exchange& x);
  /// Whether a result may stand for a call that is still under way.
  [[nodiscard]] bool may_become_task(const exchange& x);
  /// Whether the client declared an extension that may bring results of types unknown here.
  [[nodiscard]] bool knows_more_types(const exchange& x);
  /// A result about a task with the id that the client knows it by.
  /// @returns null when the server's id cannot be carried
  [[nodiscard]] const mcp::message* with_client_task_id(const exchange& x,
                                                        const mcp::message& response);
  /// Opens the requestState of a modern client's request, which then goes to the server with the
  /// server's own state, or to the call that was parked. @returns false: the exchange is gone, or
  /// waits for the parked call
  [[nodiscard]] bool open_state(exchange& x);
  void find_parked(exchange& x, std::string_view where);
  void refuse_retry(exchange& x);
  void abandon_elsewhere(exchange& x);
  struct search;
  static void look_on(process& shared, worker_id next, worker_id home,
                      std::shared_ptr<search> looking);
  void add_candidates(search& looking);
  void settle_question(const search& looking);
  void refuse_question(const mcp::message& question, std::string_view why);
  [[nodiscard]] std::string seal_state(const exchange& x, std::string_view state);
  void answer_failure(exchange& x, metrics::call_result how, std::string_view what,
                      std::string_view reason);
  void forward_notification(exchange& x, const mcp::message& message);
  void fail_waiting(metrics::call_result how, std::string_view what, std::string_view reason);
  void fail_channel_calls(const std::string& reason);
  [[nodiscard]] std::string failure_data(const exchange& x, std::string_view reason) const;

  worker& owner_;
  const std::uint32_t slot_;
  std::shared_ptr<server_runtime> runtime_;
  metrics::server_block& metrics_;
  /// What the server makes us write into the log.
  rate_limit complaints_{limits::child_stderr_lines_per_second};
  endpoint_ptr endpoint_;
  std::optional<http_target> target_;
  std::unique_ptr<http_pool> pool_;
  std::string prefix_; ///< of a POST to the current endpoint
  std::deque<exchange*> waiting_;
  std::unordered_map<std::int64_t, exchange*> on_channel_;
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, std::uint32_t, text_hash, std::equal_to<>> branches_; ///< slots
  struct session_question {
    open_question asked;
    std::string server_id, server_token; ///< JSON; no token: no progress is wanted
    time_point reported{};
  };
  std::unordered_map<std::int64_t, session_question> session_questions_; ///< by our id
  std::vector<std::pair<std::string, exchange*>> wait_for_branch_; ///< by key; of `waiting_` none
  std::unique_ptr<resource_hub> resources_;                        ///< made when it is first needed
  std::unique_ptr<server_link> link_;
  std::unique_ptr<task_hub>
      tasks_; ///< made when it is first needed; its streams end before the link
  bool wanted_told_ = false;
};

} // namespace nexus::engine
