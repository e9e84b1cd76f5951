#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "engine/exchange.hpp"
#include "engine/open_question.hpp"
#include "gateway/questions.hpp"
#include "net/timer.hpp"

namespace nexus::engine {

class upstream;
class worker;

/// What is said between a server and the client in the middle of one call, in whatever form each of
/// them knows:
///
///     server  client   the question                        the answer
///     legacy  legacy   a request on the call's stream      a response, passed on
///     legacy  modern   the call is parked: the client is   its retry finds the parked call
///                      answered input_required
///     modern  legacy   input_required becomes requests     the call is sent again with all answers
///     modern  modern   input_required passes; its state    the state is unsealed; nothing is kept,
///                      is sealed                           so there is no dialogue
///
/// Belongs to an exchange, and ends with it. @thread the exchange's worker
class dialogue {
 public:
  dialogue(worker& on, upstream& via, exchange& x);
  ~dialogue();
  dialogue(const dialogue&) = delete;
  dialogue& operator=(const dialogue&) = delete;

  /// A legacy server asks. @pre json::padding_bytes follow the request's slices
  void server_asks(const mcp::message& request);
  /// A legacy server does not want to know any more. @param id of its request, as written
  void server_withdraws(std::string_view id);
  /// A modern server answered input_required, and the client is a legacy one. The exchange is gone
  /// when the client cannot be asked.
  void server_wants_input(const mcp::message& response);

  /// The exchange has ended. What calls may be this object, so that it is freed later.
  void end();
  /// The call ends: a legacy client need not answer what is still open.
  void withdraw();

  /// Whether the client's answer to this question is expected here.
  [[nodiscard]] bool expects(std::int64_t question_id) const noexcept;
  /// A legacy client answered a question that expects() knows.
  void client_answers(std::int64_t question_id, const mcp::message& response);
  /// It tells how far it has come with one: the server hears that if it asked to.
  void client_reports(std::int64_t question_id, const mcp::message& progress);

  /// Parked: the client has been answered and nobody waits, until a retry attaches.
  [[nodiscard]] bool parked() const noexcept { return parked_; }
  /// A retry takes the call up: the exchange becomes the retry's, whose answer goes to `there`.
  void attach(std::string text, worker_id there, std::uint64_t retry);
  /// The server answered while nobody waited: kept until a retry comes. @pre parked()
  void keep(const mcp::message& answer);

  /// The requiredCapabilities of a question that the client could not be asked; empty: none.
  [[nodiscard]] const std::string& missing_capability() const noexcept { return missing_; }
  /// For the next round towards a modern server; empty before the first.
  [[nodiscard]] const std::string& input_responses() const noexcept { return responses_; }
  [[nodiscard]] const std::string& request_state() const noexcept { return state_; }

 private:
  struct question {
    gateway::input_request what;
    std::string server_id;    ///< JSON, of a legacy server's request
    std::string server_token; ///< JSON, under which it wants progress; or empty
    open_question asked;      ///< our request to a legacy client
    time_point reported{};    ///< when progress was passed on
    bool answered = false;
    std::string answer; ///< JSON, for a modern server
  };

  [[nodiscard]] bool ask_client(question& q);
  [[nodiscard]] bool say_to_client(const std::string& text);
  void withdraw(const question& q);
  void reply_to_server(std::string text);
  void refuse_server(std::string_view id, std::string_view why);
  void park();
  void give_answers();
  void refuse_retry(std::string_view why);
  void next_round();
  void fail(std::string_view why);

  worker& on_;
  upstream& via_;
  exchange& x_;
  std::vector<question> questions_; ///< open ones; of a modern server, all of the round
  std::uint64_t keys_ = 0;
  unsigned rounds_ = 0;
  bool parked_ = false;
  std::string responses_, state_, missing_;
  std::string kept_; ///< the server's answer, as a message
  std::unique_ptr<client_adapter> distant_;
  net::timer later_; ///< park(), or the next round
};

/// A client whose connection is on another turn, or another worker: what an exchange says is posted
/// to the exchange there that waits for it.
class distant_client final : public client_adapter {
 public:
  distant_client(worker& here, worker_id there, std::uint64_t exchange_there)
      : here_(here), there_(there), sequence_(exchange_there) {}
  void send_notification(exchange& x, const gateway::pieces& message) override;
  void send_answer(exchange& x, const gateway::pieces& message, unsigned http_status) override;
  void listen(exchange& x) override;
  void send_cancelled(exchange& x) override;
  [[nodiscard]] bool ask(exchange& x, std::string_view request) override;

 private:
  worker& here_;
  const worker_id there_;
  const std::uint64_t sequence_;
};

} // namespace nexus::engine
