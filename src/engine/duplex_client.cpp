#include "engine/duplex_client.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "engine/dispatch.hpp"
#include "engine/upstream.hpp"
#include "gateway/classify.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"

namespace nexus::engine {

duplex_client::duplex_client(worker& owner, view_scope shown) : worker_(owner), scope_(shown) {
  worker_.add_stream(*this);
}

duplex_client::~duplex_client() {
  worker_.remove_stream(*this);
}

void duplex_client::leave() {
  worker_.remove_stream(*this);
  left_ = true;
  for (const auto& open : listens_)
    open->end();
  listens_.clear();
  for (const auto& open : batches_)
    open->leave();
  // Nobody can be told the answers any more, unlike those of a session of the Streamable HTTP.
  worker_.drop_client(*this);
  close_session();
}

void duplex_client::close_session() {
  if (!session_ || session_->closed.exchange(true))
    return;
  worker_.shared().sessions.release();
  worker_.forget_session(session_->id);
  worker_.shared().plane->session_closed(session_);
}

void duplex_client::serve(std::string& text) {
  if (left_)
    return;
  auto& x = worker_.acquire();
  x.client = this;
  x.scope = scope_;
  x.text.swap(text);
  json::ensure_padding(x.text);
  ++under_way_;
  serve_message(x);
}

void duplex_client::serve_message(exchange& x) {
  x.request.clear();
  if (mcp::is_batch(x.text))
    return serve_batch(x);
  if (auto parsed = mcp::parse_message(x.text, worker_.scanner(), x.request); !parsed)
    return refuse(x, static_cast<mcp::errc>(parsed.error().code.value()), parsed.error().message);
  const auto kind = gateway::classify(x.request, {});
  if (!kind)
    return refuse(x, kind.error().code, kind.error().message, kind.error().data);
  x.era = kind->era;
  const bool is_request = x.request.kind == mcp::message_kind::request;
  if (x.era == mcp::era::modern) {
    x.revision = kind->revision;
    if (const auto level = x.request.meta[mcp::meta_key::log_level])
      x.log_level = mcp::parse_log_level(json::unquote(level)).value_or(mcp::log_level::off);
  } else {
    x.caller = session_;
    x.revision = session_ ? session_->revision : mcp::newest_legacy;
    const bool early = x.request.method == "initialize" || x.request.method == "ping";
    if (is_request && !session_ && !early)
      return refuse(x, mcp::errc::invalid_request, "send initialize first");
    if (session_)
      x.log_level = session_->wanted_log_level();
  }
  if (is_request && !takes_more_)
    return refuse(x, mcp::errc::internal_error, "this address ends; connect again elsewhere");
  if (is_request && under_way_ > limits::calls_per_connection_max) {
    worker_.metrics().refusals.add(metrics::refusal::calls);
    return refuse(x, mcp::errc::internal_error,
                  "too many requests are in flight; wait for answers");
  }
  if (is_request)
    return dispatch(worker_, x);
  if (x.request.method == "notifications/cancelled")
    end_listen(x.request.params[mcp::param_key::request_id].raw);
  if (x.request.kind == mcp::message_kind::notification)
    dispatch(worker_, x);
  else {
    worker_.take_answer(session_.get(), x.request);
    worker_.release(x);
  }
  one_less();
}

void duplex_client::serve_batch(exchange& x) {
  if (!session_ || session_->revision != mcp::revision::r2025_03_26)
    return refuse(x, mcp::errc::invalid_request,
                  "batches are served in sessions of 2025-03-26 only");
  auto opened = batch::open(worker_, x.text, session_, *this);
  if (!opened)
    return refuse(x, static_cast<mcp::errc>(opened.error().code.value()), opened.error().message);
  worker_.release(x);
  auto& fresh = **opened;
  batches_.push_back(std::move(*opened));
  fresh.start();
}

void duplex_client::batch_notification(const gateway::pieces& message) {
  if (!slow())
    write(message.to_string());
}

void duplex_client::batch_done(batch& which, const std::string& answers) {
  if (!answers.empty())
    write(answers);
  const auto found = std::find_if(batches_.begin(), batches_.end(),
                                  [&](const auto& b) { return b.get() == &which; });
  worker_.bury(std::move(*found));
  batches_.erase(found);
  one_less();
}

void duplex_client::refuse(exchange& x, mcp::errc code, std::string_view message,
                           std::string_view data) {
  worker_.metrics().requests.add(metrics::request_result::invalid);
  write(gateway::error_response(x.id(), mcp::json_rpc_code(code), message, data));
  worker_.release(x);
  one_less();
}

void duplex_client::one_less() {
  NEXUS_DASSERT(under_way_ > 0);
  if (--under_way_ == 0)
    on_idle();
}

void duplex_client::send_answer(exchange& x, const gateway::pieces& message, unsigned) {
  if (x.opened_session) {
    close_session();
    session_ = x.caller;
    // It lives as long as the connection, and never idles out.
    session_->stream_worker.store(static_cast<std::int32_t>(worker_.id().value));
    session_watch_ = std::make_unique<change_watch>(worker_, session_);
  }
  if (session_watch_)
    for (const auto kind : catalog::list_kinds)
      if (words_of(kind).method == x.request.method)
        session_watch_->saw(kind);
  write(message.to_string());
  one_less();
}

void duplex_client::send_notification(exchange&, const gateway::pieces& message) {
  if (!slow())
    write(message.to_string());
}

bool duplex_client::ask(exchange&, std::string_view request) {
  write(request);
  return true;
}

void duplex_client::send_cancelled(exchange&) {
  one_less();
}

void duplex_client::listen(exchange& x) {
  if (listens_.size() >= limits::calls_per_connection_max)
    return refuse(x, mcp::errc::internal_error, "too many listens are open; cancel some");
  listens_.push_back(std::make_unique<change_watch>(worker_, x));
  tell(listens_.back()->acknowledgement());
  worker_.release(x);
  one_less();
}

void duplex_client::end_listen(std::string_view id) {
  const auto found = std::find_if(listens_.begin(), listens_.end(),
                                  [id](const auto& open) { return open->subscription_id() == id; });
  if (found == listens_.end())
    return;
  (*found)->end();
  listens_.erase(found);
}

void duplex_client::tell(const std::vector<std::string>& messages) {
  for (const auto& text : messages)
    if (!text.empty())
      write(text);
}

void duplex_client::lists_changed() {
  if (session_watch_) {
    tell(session_watch_->follow_servers());
    tell(session_watch_->list_changes());
  }
  for (const auto& open : listens_) {
    tell(open->follow_servers());
    tell(open->list_changes());
  }
}

void duplex_client::resource_updated(std::uint32_t slot, std::string_view subscribed,
                                     std::string_view uri) {
  if (session_watch_)
    tell({session_watch_->update(slot, subscribed, uri)});
  for (const auto& open : listens_)
    tell({open->update(slot, subscribed, uri)});
}

void duplex_client::subscription_settled(std::uint64_t subscriber, std::string_view uri,
                                         bool stands) {
  for (const auto& open : listens_) {
    open->settle(subscriber, uri, stands);
    if (const auto due = open->acknowledgement(); !due.empty()) {
      tell(due);
      tell(open->list_changes()); // what changed since the client asked
    }
  }
}

void duplex_client::tasks_told(const task_news& news) {
  for (const auto& open : listens_)
    tell(open->take(news));
}

void duplex_client::log_message(std::string_view notification) {
  if (!slow())
    write(notification);
}

} // namespace nexus::engine
