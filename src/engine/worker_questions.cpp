/// worker's open questions: what a client says to what it is asked finds who asked.

#include <fmt/format.h>

#include "engine/dialogue.hpp"
#include "engine/open_question.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

open_question::open_question(worker& on, question_place asked_for)
    : on_(&on), id_(on.next_downstream_id()) {
  on.questions_.emplace(id_, asked_for);
}

open_question::~open_question() {
  if (on_ != nullptr)
    on_->questions_.erase(id_);
}

const question_place* worker::find_question(std::int64_t id) const noexcept {
  const auto found = questions_.find(id);
  return found == questions_.end() ? nullptr : &found->second;
}

void worker::pass_to_asker(std::int64_t question, const session* from, std::string text) {
  const auto asked = worker_of(question);
  if (asked.value >= shared_.worker_count())
    return;
  shared_.post(asked, [from, text = std::move(text)](worker& w) mutable {
    json::ensure_padding(text);
    if (!mcp::parse_message(text, w.scanner(), w.response))
      return;
    if (w.response.kind == mcp::message_kind::notification)
      w.take_progress(from, w.response);
    else
      w.take_answer(from, w.response);
  });
}

void worker::take_answer(const session* from, const mcp::message& given) {
  const auto id = json::to_int64(given.id);
  if (!id || *id < 0)
    return;
  const bool good = given.kind == mcp::message_kind::response;
  if (worker_of(*id) != id_)
    return pass_to_asker(*id, from,
                         fmt::format(R"({{"jsonrpc":"2.0","id":{},"{}":{}}})", *id,
                                     good ? "result" : "error",
                                     good ? given.result.whole.raw : given.error.whole.raw));
  const auto* const place = find_question(*id);
  if (place == nullptr)
    return;
  if (auto* const x = place->asker; x != nullptr) {
    if (x->caller.get() == from && x->talk && x->talk->expects(*id))
      x->talk->client_answers(*id, given);
  } else if (auto* const up = find_upstream(place->slot); up != nullptr) {
    up->take_session_answer(from, *id, given);
  }
}

void worker::take_progress(const session* from, const mcp::message& told) {
  const auto token = told.params[mcp::param_key::progress_token];
  const auto id = token.is(json::kind::number) ? json::to_int64(token) : result<std::int64_t>(-1);
  if (!id || *id < 0)
    return;
  if (worker_of(*id) != id_)
    return pass_to_asker(
        *id, from,
        fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/progress","params":{}}})",
                    told.params.whole.raw));
  const auto* const place = find_question(*id);
  if (place == nullptr)
    return;
  if (auto* const x = place->asker; x != nullptr) {
    if (x->caller.get() == from && x->talk && x->talk->expects(*id))
      x->talk->client_reports(*id, told);
  } else if (auto* const up = find_upstream(place->slot); up != nullptr) {
    up->take_session_progress(from, *id, told);
  }
}

} // namespace nexus::engine
