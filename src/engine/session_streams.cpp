#include "engine/session_streams.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "engine/change_watch.hpp"
#include "engine/http_connection.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"

namespace nexus::engine {
namespace {

void append(worker& from, const session& to, std::uint32_t stream, std::string_view message,
            event_weight weight) {
  auto* const log = to.replay.get();
  NEXUS_ASSERT(log != nullptr);
  if (const auto told = log->append(stream, message, weight, from.now()); told.reader)
    tell_reader(from, *told.reader);
}

} // namespace

replay_log& log_of(process& shared, session& of) {
  return of.replay.get_or_make(of.subscriber, shared.replay_bytes);
}

void tell_reader(worker& from, stream_reader reader) {
  const auto tell = [connection = reader.connection](worker& there) {
    if (auto* const found = there.find_connection(connection))
      found->follow();
  };
  if (reader.at == from.id())
    return tell(from);
  from.shared().post(reader.at, tell);
}

void tell_reader_it_is_replaced(worker& from, stream_reader reader, const session_ptr& of,
                                std::uint32_t stream) {
  from.shared().post(reader.at, [connection = reader.connection, of, stream](worker& there) {
    if (auto* const found = there.find_connection(connection))
      found->lose_stream(*of, stream);
  });
}

void end_event_streams(process& shared, const session_ptr& of) {
  auto* const log = of->replay.get();
  if (log == nullptr)
    return;
  // Whoever reads finds that nothing follows. An answer that is under way to the connection of its
  // request is not read from the log, and arrives.
  for (const auto& [stream, reader] : log->close())
    shared.post(reader.at, [connection = reader.connection](worker& there) {
      if (auto* const found = there.find_connection(connection))
        found->follow();
    });
}

/// The client's side of exchanges whose client may come back for their answers.
class session_streams::absent_adapter final : public client_adapter {
 public:
  explicit absent_adapter(worker& on) : on_(on) {}

  void send_notification(exchange& x, const gateway::pieces& message) override {
    append(on_, *x.caller, x.answer_stream, message.to_string(), event_weight::dispensable);
  }
  void send_answer(exchange& x, const gateway::pieces& message, unsigned) override {
    append(on_, *x.caller, x.answer_stream, message.to_string(), event_weight::last);
  }
  void send_cancelled(exchange& x) override {
    append(on_, *x.caller, x.answer_stream,
           gateway::error_response(x.id(), mcp::json_rpc_code(mcp::errc::internal_error),
                                   "the request was cancelled"),
           event_weight::last);
  }
  void listen(exchange&) override {
    NEXUS_ASSERT(false); // a method of the other era
  }
  bool ask(exchange& x, std::string_view request) override {
    // Clients of older revisions may not know that they could come back to the call's own stream.
    if (x.caller->revision < mcp::revision::r2025_11_25 && x.caller->listens()) {
      const auto holder = x.caller->stream_worker.load();
      if (holder >= 0) {
        on_.shared().post({static_cast<std::uint32_t>(holder)},
                          [session = x.caller, text = std::string(request)](worker& w) {
                            w.tell_session(*session, text);
                          });
        return true;
      }
    }
    append(on_, *x.caller, x.answer_stream, request, event_weight::needed);
    return true;
  }

 private:
  worker& on_;
};

/// A batch whose client may come back for the answers.
class session_streams::absent_batch final : public batch_sink {
 public:
  absent_batch(session_streams& owner, std::unique_ptr<batch> orphan, session_ptr of,
               std::uint32_t stream)
      : owner_(owner), on_(owner.on_), batch_(std::move(orphan)), session_(std::move(of)),
        stream_(stream) {
    batch_->hand_over(*this);
  }
  ~absent_batch() override {
    if (batch_)
      batch_->leave();
  }

  void batch_notification(const gateway::pieces& message) override {
    append(on_, *session_, stream_, message.to_string(), event_weight::needed);
  }
  void batch_done(batch&, const std::string& answers) override {
    on_.bury(std::move(batch_));
    if (!answers.empty())
      append(on_, *session_, stream_, answers, event_weight::last);
    else if (const auto reader = session_->replay.get()->finish(stream_))
      tell_reader(on_, *reader);
    const auto self = std::find_if(owner_.batches_.begin(), owner_.batches_.end(),
                                   [this](const auto& kept) { return kept.get() == this; });
    on_.bury(std::move(*self));
    owner_.batches_.erase(self);
  }

 private:
  session_streams& owner_;
  worker& on_;
  std::unique_ptr<batch> batch_;
  const session_ptr session_;
  const std::uint32_t stream_;
};

/// Produces what the stream of a session's GET says, also for a while in which the client does not
/// read it.
class session_streams::listener final : public listening_stream {
 public:
  listener(session_streams& owner, session_ptr of)
      : owner_(owner), on_(owner.on_), session_(std::move(of)),
        watch_(std::make_unique<change_watch>(on_, session_)) {
    on_.add_listener(*this);
  }
  ~listener() override { on_.remove_listener(*this); }

  [[nodiscard]] const session_ptr& of() const noexcept { return session_; }
  /// The client listens without knowing what was said before.
  void start_over() {
    watch_ = std::make_unique<change_watch>(on_, session_);
    lists_changed();
  }

  [[nodiscard]] view_scope scope() const noexcept override { return watch_->scope(); }
  [[nodiscard]] session* owner() const noexcept override { return session_.get(); }
  void lists_changed() override {
    say(watch_->follow_servers());
    say(watch_->list_changes());
  }
  void resource_updated(std::uint32_t slot, std::string_view subscribed,
                        std::string_view uri) override {
    say({watch_->update(slot, subscribed, uri)});
  }
  void subscription_settled(std::uint64_t, std::string_view, bool) override {}
  void tasks_told(const task_news&) override {}
  void pass_on(std::string_view message) override {
    append(on_, *session_, replay_log::listening, message, event_weight::needed);
  }
  void log_message(std::string_view notification) override {
    append(on_, *session_, replay_log::listening, notification, event_weight::dispensable);
  }
  void finish() override {
    const auto reader = session_->replay.get()->finish(replay_log::listening);
    owner_.end(*this);
    if (reader)
      tell_reader(on_, *reader);
  }

 private:
  void say(const std::vector<std::string>& messages) {
    for (const auto& text : messages)
      if (!text.empty())
        pass_on(text);
  }

  session_streams& owner_;
  worker& on_;
  const session_ptr session_;
  std::unique_ptr<change_watch> watch_;
};

session_streams::session_streams(worker& on)
    : on_(on), absent_(std::make_unique<absent_adapter>(on)) {}

session_streams::~session_streams() = default;

void session_streams::adopt(std::unique_ptr<batch> orphan, session_ptr of, std::uint32_t stream) {
  batches_.push_back(
      std::make_unique<absent_batch>(*this, std::move(orphan), std::move(of), stream));
}

void session_streams::listen_for(const session_ptr& of, listening how) {
  const auto here = static_cast<std::int32_t>(on_.id().value);
  const auto known = std::find_if(listeners_.begin(), listeners_.end(),
                                  [&](const auto& one) { return one->of() == of; });
  if (known != listeners_.end())
    return how == listening::anew ? (*known)->start_over() : void();
  std::int32_t holder = -1;
  if (!of->stream_worker.compare_exchange_strong(holder, here) && holder != here)
    return on_.shared().post({static_cast<std::uint32_t>(holder)}, [of, how](worker& there) {
      there.absent_sessions().listen_for(of, how);
    });
  if (of->closed.load()) // whoever closed it may have seen no listener yet
    return of->stream_worker.store(-1);
  listeners_.push_back(std::make_unique<listener>(*this, of));
  listeners_.back()->lists_changed(); // what changed since the client listed
}

void session_streams::end(listener& which) {
  auto here = static_cast<std::int32_t>(on_.id().value);
  which.of()->stream_worker.compare_exchange_strong(here, -1);
  on_.remove_listener(which);
  const auto found = std::find_if(listeners_.begin(), listeners_.end(),
                                  [&](const auto& one) { return one.get() == &which; });
  on_.bury(std::move(*found));
  listeners_.erase(found);
}

void session_streams::sweep() {
  std::vector<listener*> over;
  for (const auto& one : listeners_)
    if (one->of()->closed.load() || !one->of()->replay.get()->listened_lately(on_.now()))
      over.push_back(one.get());
  for (auto* const one : over)
    end(*one);
}

} // namespace nexus::engine
