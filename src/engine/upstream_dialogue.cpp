/// upstream's part in dialogues: whose question it is, sealed state, and parked calls.

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/log.hpp"
#include "engine/dialogue.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using metrics::call_result;

/// What a requestState of ours holds: the server's own, or where a call is parked.
constexpr char server_tag = 's';
constexpr char parked_tag = 'p';

/// The calls that a question over a shared connection may belong to.
struct candidate {
  worker_id at;
  std::uint64_t sequence = 0;
  const void* caller = nullptr; ///< a session, or a modern call by itself
  time_point sent_at;
};

} // namespace

/// A server's request, on its way over the workers to the call that it belongs to.
struct upstream::search {
  std::uint32_t slot = 0;
  std::string text; ///< json::padding_bytes of capacity follow it
  std::vector<candidate> found;
  std::optional<candidate> unable; ///< a call whose client did not declare that it can answer
};

gateway::client_capabilities upstream::capabilities_of(const exchange& x) {
  if (x.caller)
    return x.caller->able;
  return gateway::read_client_capabilities(x.request.meta[mcp::meta_key::client_capabilities].raw,
                                           owner_.scanner(), owner_.shared().extensions);
}

std::string upstream::declared_capabilities(const exchange& x) {
  if (x.caller)
    return x.caller->able_json;
  const auto raw = x.request.meta[mcp::meta_key::client_capabilities].raw;
  return raw.size() <= 2 ? "{}" : capabilities_of(x).to_json();
}

// ---- A legacy server asks -----------------------------------------------------------------------

void upstream::server_asks(exchange& x, const mcp::message& request) {
  if (!x.talk)
    x.talk = std::make_unique<dialogue>(owner_, *this, x);
  x.talk->server_asks(request);
}

void upstream::question_withdrawn(std::string_view id) {
  for (auto* x = owner_.first_exchange_via(*this); x != nullptr; x = x->next)
    if (x->via == this && x->talk)
      x->talk->server_withdraws(id);
  const auto asked = std::find_if(session_questions_.begin(), session_questions_.end(),
                                  [&](const auto& entry) { return entry.second.server_id == id; });
  if (asked == session_questions_.end())
    return;
  std::string text;
  gateway::append_own_notification(text, "notifications/cancelled",
                                   fmt::format(R"({{"requestId":{}}})", asked->first));
  tell_client(text);
  session_questions_.erase(asked);
}

void upstream::route_question(const mcp::message& message) {
  gateway::question_kind kind{};
  if (!gateway::parse_question(message.method, kind))
    return tell_server(
        gateway::error_response(message.id.raw, mcp::json_rpc_code(mcp::errc::method_not_found),
                                "the gateway did not declare a capability for this method"));
  auto looking = std::make_shared<search>();
  looking->slot = slot_;
  looking->text =
      fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}")", message.id.raw, message.method);
  if (message.params.whole) {
    looking->text += R"(,"params":)";
    looking->text += message.params.whole.raw;
  }
  looking->text += '}';
  json::ensure_padding(looking->text);
  look_on(owner_.shared(), {0}, owner_.id(), std::move(looking));
}

void upstream::look_on(process& shared, worker_id next, worker_id home,
                       std::shared_ptr<search> looking) {
  if (next.value == shared.worker_count())
    return shared.post(home, [looking](worker& w) {
      if (auto* const up = w.find_upstream(looking->slot))
        up->settle_question(*looking);
    });
  shared.post(next, [next, home, looking](worker& w) {
    if (auto* const up = w.find_upstream(looking->slot))
      up->add_candidates(*looking);
    look_on(w.shared(), {next.value + 1}, home, looking);
  });
}

void upstream::add_candidates(search& looking) {
  auto& question = owner_.response;
  if (!mcp::parse_message(looking.text, owner_.scanner(), question))
    return;
  gateway::question_kind kind{};
  static_cast<void>(gateway::parse_question(question.method, kind));
  for (auto* x = owner_.first_exchange(); x != nullptr; x = x->next) {
    if (x->via != this || x->at != exchange::stage::sent)
      continue;
    // A call that is parked has asked, and waits: what comes now is another's. What it asks at the
    // same time has come before it was parked.
    if (x->talk && x->talk->parked())
      continue;
    std::string missing;
    const auto able = capabilities_of(*x);
    if (!gateway::can_answer(able, kind, question.params.whole.raw, owner_.scanner(), missing)) {
      // It may be whom the server means, and then the client hears what it lacks.
      if (!looking.unable)
        looking.unable = candidate{owner_.id(), x->sequence, x, x->sent_at};
      continue;
    }
    const void* const caller = x->caller ? static_cast<const void*>(x->caller.get()) : x;
    looking.found.push_back({owner_.id(), x->sequence, caller, x->sent_at});
  }
}

/// A connection that serves many does not say for which call a server asks. Asking a stranger would
/// be worse than not asking, so that there must be one caller alone; of its calls, the latest.
void upstream::settle_question(const search& looking) {
  const candidate* chosen = nullptr;
  bool strangers = false;
  for (const auto& one : looking.found) {
    strangers = strangers || (chosen != nullptr && one.caller != chosen->caller);
    if (chosen == nullptr || one.sent_at > chosen->sent_at)
      chosen = &one;
  }
  if (chosen == nullptr && looking.unable)
    chosen = &*looking.unable;
  if (chosen != nullptr && !strangers)
    return owner_.shared().post(chosen->at, [slot = slot_, sequence = chosen->sequence,
                                             text = looking.text](worker& w) mutable {
      json::ensure_padding(text);
      auto* const up = w.find_upstream(slot);
      auto* const x = w.find_exchange(sequence);
      if (up == nullptr || !mcp::parse_message(text, w.scanner(), w.response))
        return;
      if (x != nullptr && x->via == up)
        return up->server_asks(*x, w.response);
      up->refuse_question(w.response, "the call that this belongs to has ended");
    });
  auto text = looking.text;
  json::ensure_padding(text);
  if (!mcp::parse_message(text, owner_.scanner(), owner_.response))
    return;
  if (!strangers && ask_session(owner_.response))
    return;
  if (strangers)
    log::warn("server", "question_of_nobody",
              {{"server", endpoint_->settings->name},
               {"method", owner_.response.method},
               {"remedy", "calls of several clients share this connection: \"concurrency\": 1 for "
                          "this server lets them in one after the other"}});
  refuse_question(owner_.response, strangers ? "calls of several clients are under way"
                                             : "no call is under way whose client could answer");
}

void upstream::refuse_question(const mcp::message& question, std::string_view why) {
  tell_server(gateway::error_response(question.id.raw,
                                      mcp::json_rpc_code(mcp::errc::method_not_found), why));
}

// ---- A modern server asks -----------------------------------------------------------------------

void upstream::pass_questions(exchange& x, const mcp::message& response) {
  if (x.era == mcp::era::legacy) {
    on_channel_.erase(x.downstream_id);
    if (!x.talk)
      x.talk = std::make_unique<dialogue>(owner_, *this, x);
    return x.talk->server_wants_input(response);
  }
  const auto state = response.result[mcp::result_key::request_state];
  std::string sealed;
  if (state) {
    sealed = seal_state(x, server_tag + std::string(state.raw));
    if (sealed.empty())
      return answer_failure(x, call_result::protocol_error, "asks with too large a state",
                            fmt::format("{} bytes", state.raw.size()));
  }
  auto& text = owner_.rebuilt_result;
  gateway::render_input_required(text, x.id(), response, sealed);
  gateway::pieces answer;
  answer.add(text);
  owner_.metrics().requests.add(metrics::request_result::ok);
  say(x, answer, 200);
  conclude(x, call_result::ok);
}

bool upstream::pass_url_elicitations(exchange& x, const mcp::message& response) {
  const auto requests =
      gateway::url_elicitations_in(response.error[mcp::error_key::data], owner_.scanner());
  if (requests.empty())
    return false;
  std::string missing;
  if (!gateway::can_answer(capabilities_of(x), gateway::question_kind::elicitation,
                           requests.front().params, owner_.scanner(), missing)) {
    answer_missing_capability(x, missing);
    return true;
  }
  // The server keeps no state of the call: it is called anew, and looks whether the user was there.
  auto& text = owner_.rebuilt_result;
  gateway::render_input_required(text, x.id(), requests,
                                 seal_state(x, std::string(1, server_tag) + "\"\""));
  gateway::pieces answer;
  answer.add(text);
  owner_.metrics().requests.add(metrics::request_result::ok);
  say(x, answer, 200);
  conclude(x, call_result::ok);
  return true;
}

void upstream::send_again_with_answers(exchange& x) {
  on_channel_.erase(x.downstream_id);
  if (endpoint_->state != server_state::ready)
    return answer_failure(x, call_result::transport_error, "ended during the call",
                          endpoint_->reason);
  transmit(x);
}

void upstream::fail_dialogue(exchange& x, const std::string& why) {
  const bool tool = x.request.method == "tools/call";
  if (!tool || x.era != mcp::era::legacy)
    return answer_failure(x, call_result::protocol_error, "could not ask its client", why);
  std::string result = R"({"content":[{"type":"text","text":)";
  json::append_string(result, fmt::format("server '{}' could not ask its client: {}",
                                          endpoint_->settings->name, why));
  const auto text = gateway::result_response(x.id(), result + R"(}],"isError":true})");
  gateway::pieces answer;
  answer.add(text);
  owner_.metrics().requests.add(metrics::request_result::ok);
  say(x, answer, 200);
  conclude(x, call_result::tool_error);
}

// ---- State that clients carry -------------------------------------------------------------------

std::string upstream::seal_state(const exchange& x, std::string_view state) {
  const std::string_view request[] = {x.request.method, x.target_name,
                                      x.request.params[mcp::param_key::arguments].raw};
  const seal::binding to{{}, endpoint_->settings->name, request};
  auto sealed = owner_.sealer().seal(seal::kind::request_state, state, to,
                                     owner_.shared().wall_now() + limits::question_timeout);
  return sealed ? std::move(*sealed) : std::string();
}

std::string upstream::seal_parked(const exchange& x) {
  return seal_state(x, fmt::format("{}{:x}-{:x}", parked_tag, owner_.id().value, x.sequence));
}

bool upstream::open_state(exchange& x) {
  const auto given = x.request.params[mcp::param_key::request_state];
  const auto refuse = [&](std::string_view why) {
    const auto text =
        gateway::error_response(x.id(), mcp::json_rpc_code(mcp::errc::invalid_params), why);
    gateway::pieces answer;
    answer.add(text);
    owner_.metrics().requests.add(metrics::request_result::invalid);
    say(x, answer, 200);
    x.via = nullptr;
    owner_.release(x);
    return false;
  };
  if (x.era == mcp::era::legacy)
    return true; // a member without a meaning there; it does not travel on
  if (!given.is(json::kind::string) || !endpoint_->settings)
    return refuse("params.requestState must be what the server gave");
  const std::string_view request[] = {x.request.method, x.target_name,
                                      x.request.params[mcp::param_key::arguments].raw};
  const seal::binding to{{}, endpoint_->settings->name, request};
  const auto opened = owner_.sealer().open(seal::kind::request_state, json::unquote(given), to,
                                           owner_.shared().wall_now());
  if (!opened) {
    owner_.metrics().sealed_refusals.add(metrics::sealed_text::request_state);
    return refuse("this requestState is unknown, altered, expired or of another request");
  }
  const std::string_view payload = opened->payload;
  if (payload.starts_with(server_tag)) {
    x.server_state = payload.substr(1);
    return true;
  }
  find_parked(x, payload.substr(1));
  return false;
}

bool upstream::sealed_state(const exchange& x) {
  const auto given = x.request.params[mcp::param_key::request_state];
  if (x.era == mcp::era::legacy || !given.is(json::kind::string) || !endpoint_->settings)
    return false;
  const std::string_view request[] = {x.request.method, x.target_name,
                                      x.request.params[mcp::param_key::arguments].raw};
  const seal::binding to{{}, endpoint_->settings->name, request};
  return owner_.sealer()
      .open(seal::kind::request_state, json::unquote(given), to, owner_.shared().wall_now())
      .has_value();
}

void upstream::find_parked(exchange& x, std::string_view where) {
  std::uint32_t at = 0;
  std::uint64_t sequence = 0;
  const auto* const end = where.data() + where.size();
  const auto split = std::from_chars(where.data(), end, at, 16);
  std::from_chars(std::min(split.ptr + 1, end), end, sequence, 16);
  x.at = exchange::stage::elsewhere;
  x.parked_at = {worker_id{at}, sequence};
  // Keys may be shared by processes with more workers than this one.
  const worker_id holder{at < owner_.shared().worker_count() ? at : owner_.id().value};
  owner_.shared().post(
      holder, [sequence, text = x.text, back = owner_.id(), retry = x.sequence](worker& w) {
        auto* const parked = w.find_exchange(sequence);
        if (parked != nullptr && parked->talk && parked->talk->parked())
          return parked->talk->attach(text, back, retry);
        w.shared().post(back, [retry](worker& here) {
          if (auto* const waiting = here.find_exchange(retry); waiting != nullptr)
            waiting->via->refuse_retry(*waiting);
        });
      });
}

void upstream::refuse_retry(exchange& x) {
  const auto text = gateway::error_response(
      x.id(), mcp::json_rpc_code(mcp::errc::invalid_params),
      "the call that this requestState belongs to has ended; call again without it");
  gateway::pieces answer;
  answer.add(text);
  owner_.metrics().requests.add(metrics::request_result::invalid);
  say(x, answer, 200);
  owner_.release(x);
}

void upstream::abandon_elsewhere(exchange& x) {
  const auto [at, sequence] = x.parked_at;
  owner_.shared().post(at, [sequence = sequence](worker& w) {
    auto* const parked = w.find_exchange(sequence);
    if (parked != nullptr && parked->via != nullptr && parked->talk && !parked->talk->parked())
      parked->via->abandon(*parked, give_up::cancelled);
  });
  if (x.client != nullptr)
    x.client->send_cancelled(x);
  owner_.release(x);
}

} // namespace nexus::engine
