/// worker's sessions and the streams that listen: who is told what.

#include <algorithm>

#include "engine/session_streams.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

void worker::add_session(session_ptr opened) {
  const std::string_view key = opened->id;
  sessions_.emplace(key, std::move(opened));
}

session_ptr worker::find_session(std::string_view id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end())
    return nullptr;
  if (!found->second->closed.load(std::memory_order_relaxed))
    return found->second;
  forget_session(id);
  return nullptr;
}

void worker::forget_session(std::string_view id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end())
    return;
  const auto keep = found->second; // owns the key
  sessions_.erase(found);
}

void worker::close_session(const session_ptr& ended) {
  if (ended->closed.exchange(true))
    return;
  shared_.sessions.release();
  forget_session(ended->id);
  shared_.plane->session_closed(ended);
  end_event_streams(shared_, ended);
  if (const auto holder = ended->stream_worker.load(); holder >= 0)
    shared_.post({static_cast<std::uint32_t>(holder)},
                 [ended](worker& w) { w.end_stream(*ended); });
}

void worker::sweep_sessions() {
  sweeps_soon_ = false;
  std::vector<session_ptr> homeless; // their virtual MCPs have closed
  for (const auto& [id, entry] : sessions_)
    if (entry->scope.shows == view_scope::what::virtual_mcp && entry->home == id_ &&
        vmcps_.find(entry->scope.number) == nullptr)
      homeless.push_back(entry);
  for (const auto& entry : homeless)
    close_session(entry);
  std::vector<session_ptr> closed;
  for (const auto& [id, entry] : sessions_)
    if (entry->closed.load(std::memory_order_relaxed))
      closed.push_back(entry);
    else if (auto* const log = entry->replay.get(); log != nullptr && entry->home == id_)
      log->expire(now());
  for (const auto& entry : closed)
    sessions_.erase(entry->id);
  absent_sessions_->sweep();
  reactor_->arm(sweep_, limits::session_sweep_interval);
}

void worker::add_listener(listening_stream& listener) {
  streams_.push_back(&listener);
}

void worker::remove_listener(listening_stream& listener) {
  std::erase(streams_, &listener);
}

void worker::add_stream(listening_stream& stream) {
  add_listener(stream);
  metrics_.sse_streams.up();
}

void worker::remove_stream(listening_stream& stream) {
  if (std::erase(streams_, &stream) > 0)
    metrics_.sse_streams.down();
}

void worker::end_stream(const session& of) {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto* s) { return s->owner() == &of; });
  if (found != streams_.end())
    (*found)->finish();
}

void worker::tell_lists_changed() {
  const auto streams = streams_; // a stream may end while it is told
  for (auto* const stream : streams)
    if (std::find(streams_.begin(), streams_.end(), stream) != streams_.end())
      stream->lists_changed();
}

void worker::tell_updated(std::uint32_t slot, std::string_view subscribed, std::string_view uri) {
  const auto streams = streams_;
  for (auto* const stream : streams)
    stream->resource_updated(slot, subscribed, uri);
}

void worker::tell_settled(std::uint64_t subscriber, std::string_view uri, bool stands) {
  const auto streams = streams_;
  for (auto* const stream : streams)
    stream->subscription_settled(subscriber, uri, stands);
}

void worker::tell_tasks(const task_news& news) {
  const auto streams = streams_;
  for (auto* const stream : streams)
    stream->tasks_told(news);
}

void worker::tell_session(const session& of, std::string_view message) {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto* s) { return s->owner() == &of; });
  if (found != streams_.end())
    (*found)->pass_on(message);
}

void worker::tell_log(std::uint32_t slot, mcp::log_level level, std::string_view notification) {
  const auto streams = streams_;
  for (auto* const stream : streams) {
    const auto* const owner = stream->owner();
    if (owner == nullptr || level < owner->log_level.load(std::memory_order_relaxed))
      continue;
    const auto* const shown = view(stream->scope());
    if (shown == nullptr || !shown->leads_to(slot) ||
        (stream->scope().one_server() && stream->scope().number != slot))
      continue;
    stream->log_message(notification);
  }
}

} // namespace nexus::engine
