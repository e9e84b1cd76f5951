#include "engine/worker.hpp"
#include "engine/call_group.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "engine/dialogue.hpp"
#include "engine/embeddings.hpp"
#include "engine/http_connection.hpp"
#include "engine/http_pool.hpp"
#include "engine/server_link.hpp"
#include "engine/session_streams.hpp"
#include "engine/upstream.hpp"
#include "gateway/render.hpp"

namespace nexus::engine {
namespace {

/// A client that has started this process waits for its first answers; child processes that start
/// would compete with it for the processors.
constexpr milliseconds first_answers_time{20};
/// Texts above this size are not kept for the next exchange.
constexpr std::size_t pooled_text_bytes_max = 64 * 1024;

} // namespace

exchange::~exchange() = default;

exchange::exchange() {
  deadline.set_action([this] {
    if (via != nullptr)
      via->abandon(*this, give_up::deadline);
  });
}

void exchange::on_message(http_call&, std::string_view body) {
  via->on_call_message(*this, body);
}

void exchange::on_end(http_call& from, const http::response_head& head, std::string_view body) {
  via->on_call_end(*this, from, head, body);
}

void exchange::on_failure(http_call& from, const error& reason, bool untouched) {
  via->on_call_failure(*this, from, reason, untouched);
}

/// Keeps a pool until its last request is answered, fails or takes too long.
class worker::farewell final : public http_call_handler {
 public:
  farewell(worker& owner, std::unique_ptr<http_pool> pool)
      : owner_(owner), pool_(std::move(pool)), end_([this] { over(); }) {}
  void say(std::string_view request, milliseconds at_most) {
    owner_.reactor().arm(end_, at_most);
    pool_->start(request, *this);
  }

 private:
  void on_message(http_call&, std::string_view) override {}
  void on_end(http_call&, const http::response_head&, std::string_view) override { over(); }
  void on_failure(http_call&, const error&, bool) override { over(); }
  void over() {
    end_.cancel();
    const auto found = std::find_if(owner_.farewells_.begin(), owner_.farewells_.end(),
                                    [this](const auto& kept) { return kept.get() == this; });
    owner_.bury(std::move(*found));
    owner_.farewells_.erase(found);
  }

  worker& owner_;
  std::unique_ptr<http_pool> pool_;
  net::timer end_;
};

worker::worker(process& shared, worker_id id, std::unique_ptr<net::reactor> reactor)
    : shared_(shared), id_(id), reactor_(std::move(reactor)),
      metrics_(shared.metrics.worker(id.value)), sealer_(shared.keys),
      snapshot_(std::make_shared<const catalog::snapshot>(0, catalog::naming::prefixed,
                                                          std::vector<catalog::server_part>{})),
      absent_sessions_(std::make_unique<session_streams>(*this)) {
  open_links_.set_action([this] { open_next_link(); });
  burial_.set_action([this] { bury_now(); });
  sweep_.set_action([this] { sweep_sessions(); });
  tell_.set_action([this] { tell_lists_changed(); });
  reactor_->arm(sweep_, limits::session_sweep_interval);
  if (shared.embeddings) {
    query_embeddings_ = std::make_unique<query_embeddings>(*reactor_, *shared.embeddings);
    search_.use(query_embeddings_.get());
  }
}

worker::~worker() {
  stop_listening();
  // Exchanges point to connections and upstreams; all end together here.
  for (auto* x = used_; x != nullptr; x = x->next)
    x->client = nullptr;
  connections_.clear();
  absent_sessions_.reset();
  upstreams_.clear();
  graveyard_.clear();
}

exchange& worker::acquire() {
  exchange* x = pool_;
  if (x != nullptr) {
    pool_ = x->next;
  } else {
    exchanges_.push_back(std::make_unique<exchange>());
    x = exchanges_.back().get();
  }
  x->next = used_;
  x->previous = nullptr;
  if (used_ != nullptr)
    used_->previous = x;
  used_ = x;
  ++in_use_;
  metrics_.exchanges_in_flight.up();
  x->at = exchange::stage::local;
  x->sequence = ++sequence_;
  x->started = now();
  return *x;
}

void worker::release(exchange& x) {
  NEXUS_DASSERT(x.at != exchange::stage::idle);
  (x.previous != nullptr ? x.previous->next : used_) = x.next;
  if (x.next != nullptr)
    x.next->previous = x.previous;
  x.deadline.cancel();
  if (x.talk) {
    x.talk->end();
    bury(std::move(x.talk));
  }
  if (x.broken) {
    x.broken->again.cancel();
    bury(std::move(x.broken)); // it may be its timer that calls
  }
  if (x.group) {
    x.group->end();
    bury(std::move(x.group));
  }
  if (x.within)
    x.within->in_flight.fetch_sub(1, std::memory_order_relaxed);
  x.within.reset();
  x.caller.reset();
  x.client = nullptr;
  x.via = nullptr;
  x.call = nullptr;
  x.scope = {};
  x.log_level = mcp::log_level::off;
  x.answer_stream = 0;
  x.safe_to_repeat = x.resent = x.resolve_later = x.opened_session = x.has_permit = false;
  x.asked_again = x.relisted = x.wraps_output = x.embedding_asked = false;
  x.merged.reset();
  x.target_name.clear();
  for (auto* const rare : {&x.target_ref, &x.target_task, &x.parameter_fields, &x.server_state})
    if (!rare->empty())
      rare->clear();
  if (x.unwrapped.capacity() > pooled_text_bytes_max)
    std::string().swap(x.unwrapped);
  if (x.text.capacity() > pooled_text_bytes_max)
    std::string().swap(x.text); // assigning an empty one would keep the memory
  x.at = exchange::stage::idle;
  x.previous = nullptr;
  x.next = pool_;
  pool_ = &x;
  --in_use_;
  metrics_.exchanges_in_flight.down();
}

void worker::cancel_request(const session* caller, const client_adapter* client,
                            std::string_view id) {
  for (auto* x = used_; x != nullptr; x = x->next) {
    const bool theirs = caller != nullptr ? x->caller.get() == caller : x->client == client;
    if (theirs && x->id() == id && (x->via != nullptr || x->group))
      return give_up_call(*x);
  }
}

void worker::give_up_call(exchange& x) {
  if (x.via != nullptr)
    return x.via->abandon(x, give_up::cancelled);
  if (x.client != nullptr)
    x.client->send_cancelled(x);
  release(x);
}

void worker::drop_client(const client_adapter& gone) {
  for (auto* x = used_; x != nullptr;) {
    auto* const next = x->next;
    if (x->client == &gone) {
      x->client = nullptr;
      if (x->via != nullptr || x->group)
        give_up_call(*x);
    }
    x = next;
  }
}

exchange* worker::first_exchange_via(const upstream& server) noexcept {
  for (auto* x = used_; x != nullptr; x = x->next)
    if (x->via == &server)
      return x;
  return nullptr;
}

exchange* worker::find_exchange(std::uint64_t sequence) noexcept {
  for (auto* x = used_; x != nullptr; x = x->next)
    if (x->sequence == sequence)
      return x;
  return nullptr;
}

void worker::roots_changed(const session& of) {
  std::string text;
  gateway::append_own_notification(text, "notifications/roots/list_changed", {});
  for (const auto& up : upstreams_)
    if (up && up->endpoint().as && up->endpoint().as->client.get() == &of)
      up->tell_server(text);
}

tool_embeddings& worker::embeddings_of_tools() {
  NEXUS_ASSERT(shared_.embeddings && id_.value == 0);
  if (!tool_embeddings_)
    tool_embeddings_ = std::make_unique<tool_embeddings>(*this, *shared_.embeddings);
  return *tool_embeddings_;
}

upstream* worker::find_upstream(std::uint32_t slot) noexcept {
  return slot < upstreams_.size() ? upstreams_[slot].get() : nullptr;
}

void worker::install(const endpoint_ptr& endpoint) {
  if (upstreams_.size() <= endpoint->slot)
    upstreams_.resize(endpoint->slot + 1);
  auto& up = upstreams_[endpoint->slot];
  if (!up)
    up = std::make_unique<upstream>(*this, endpoint->slot, endpoint->as,
                                    shared_.runtime(endpoint->slot));
  up->install(endpoint);
}

void worker::remove_server(std::uint32_t slot) {
  auto* const up = find_upstream(slot);
  if (up == nullptr)
    return;
  up->fail_all(up->endpoint().as ? "its session has ended"
                                 : "the server was removed from the configuration");
  learned_.forget(slot);
  bury(std::move(upstreams_[slot]));
}

void worker::open_link_soon(link_start start) {
  links_.push_back(std::move(start));
  if (links_.size() > 1)
    return;
  if (const auto age = now() - started_; age < first_answers_time)
    reactor_->arm(open_links_, first_answers_time - age);
  else
    open_next_link();
}

void worker::open_next_link() {
  reactor_->post([this] {
    if (links_.empty())
      return; // closed meanwhile
    const auto start = std::move(links_.front());
    links_.pop_front();
    if (auto* const up = find_upstream(start.slot))
      up->connect(start);
    if (!links_.empty())
      open_next_link();
  });
}

void worker::set_log_level(mcp::log_level least) {
  for (const auto& up : upstreams_)
    if (up && up->link() != nullptr)
      up->link()->set_log_level(least);
}

void worker::install(std::shared_ptr<const catalog::snapshot> snapshot) {
  // Views and schemas refer to what the old one owns.
  vmcps_.forget_views();
  checker_.forget();
  snapshot_ = std::move(snapshot);
  if (!streams_.empty() && !tell_.armed())
    reactor_->arm(tell_, limits::list_changed_coalesce);
}

const catalog::exposure* worker::view(view_scope scope) {
  switch (scope.shows) {
  case view_scope::what::everything:
    return &snapshot_->everything();
  case view_scope::what::server:
    return snapshot_->of_server(scope.number);
  case view_scope::what::virtual_mcp:
    break;
  }
  return vmcps_.view(scope.number, *snapshot_, [this] { checker_.forget(); });
}

std::optional<std::uint32_t> worker::owner_of_resource(view_scope scope, std::string_view uri) {
  if (scope.one_server()) {
    // A server may read more than it lists.
    const auto* const part = snapshot_->part(scope.number);
    const bool listed = part != nullptr && part->catalogue != nullptr;
    return listed && part->catalogue->offers.resources ? std::optional(scope.number) : std::nullopt;
  }
  if (scope.shows == view_scope::what::virtual_mcp) {
    const auto* const shown = view(scope);
    if (const auto owner = shown == nullptr ? std::nullopt : catalog::listed_owner(*shown, uri))
      return owner;
    // What it does not name is not its clients' to read, whoever mentions it.
    const auto* const endpoint = vmcps_.find(scope.number);
    const auto matches = [&](const std::string& glob) { return glob_match(glob, uri); };
    if (endpoint == nullptr ||
        std::ranges::none_of(endpoint->definition->resource_patterns, matches))
      return std::nullopt;
  }
  if (const auto owner = snapshot_->owner_of(uri))
    return owner;
  if (const auto owner = learned_.find(uri))
    return owner;
  return snapshot_->only_resource_server();
}

void worker::install(const vmcp_endpoint_ptr& endpoint) {
  checker_.forget();
  const view_scope scope{view_scope::what::virtual_mcp, endpoint->runtime->number};
  const bool over = endpoint->state >= vmcp_state::draining;
  if (endpoint->state == vmcp_state::closed) {
    vmcps_.remove(scope.number);
    stop_listening_for(scope.number);
    // Its sessions end with the next sweep; many that close have one together.
    if (!std::exchange(sweeps_soon_, true))
      reactor_->arm(sweep_, limits::vmcp_sweep_interval);
  } else {
    vmcps_.install(endpoint);
  }
  const auto streams = streams_; // one that ends leaves the list
  for (auto* const stream : streams)
    if (std::ranges::find(streams_, stream) != streams_.end() && stream->scope() == scope)
      over ? stream->finish() : stream->lists_changed();
}

void worker::learn_resources(std::uint32_t slot, std::string_view result) {
  auto uris = mentioned_uris(result);
  std::erase_if(uris, [&](const std::string& uri) { return !learned_.add(uri, slot); });
  if (uris.empty() || shared_.worker_count() == 1)
    return;
  const auto fresh = std::make_shared<const std::vector<std::string>>(std::move(uris));
  shared_.post_to_all([slot, fresh](worker& w) {
    for (const auto& uri : *fresh)
      w.learned_.add(uri, slot);
  });
}

void worker::drain() {
  const auto streams = streams_;
  for (auto* const stream : streams)
    if (std::find(streams_.begin(), streams_.end(), stream) != streams_.end())
      stream->finish();
}

void worker::close() {
  stop_listening();
  links_.clear();
  for (auto& up : upstreams_) {
    if (!up)
      continue;
    up->fail_all("the gateway stops");
    bury(std::move(up));
  }
  std::vector<http_connection*> all;
  for (const auto& [id, connection] : connections_)
    all.push_back(connection.get());
  for (auto* const connection : all)
    connection->drain();
  bury_now(); // from here on children count as stopping
}

void worker::say_farewell(std::unique_ptr<http_pool> pool, std::string_view request,
                          milliseconds at_most) {
  farewells_.push_back(std::make_unique<farewell>(*this, std::move(pool)));
  farewells_.back()->say(request, at_most);
}

void worker::schedule_burial() {
  if (!burial_.armed())
    reactor_->arm(burial_, nanoseconds(0));
}

void worker::bury_now() {
  // What ends may leave more behind.
  auto dead = std::move(graveyard_);
  graveyard_.clear();
  dead.clear();
}

} // namespace nexus::engine
