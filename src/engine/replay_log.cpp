#include "engine/replay_log.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace nexus::engine {
namespace {

/// Reads a hexadecimal number up to `end_mark`, or to the end of the text when that is 0.
template <class Number>
bool take_number(std::string_view& text, Number& number, char end_mark) {
  const auto size = end_mark == 0 ? text.size() : text.find(end_mark);
  if (size == std::string_view::npos || size == 0)
    return false;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + size, number, 16);
  if (failed != std::errc{} || end != text.data() + size)
    return false;
  text.remove_prefix(end_mark == 0 ? size : size + 1);
  return true;
}

std::size_t cost_of(std::string_view data) {
  return data.size() + limits::replay_event_overhead_bytes;
}

} // namespace

replay_log::replay_log(std::uint64_t owner, std::shared_ptr<budget> shared, const bounds& most)
    : owner_(owner), shared_(std::move(shared)), most_(most) {
  streams_.try_emplace(listening);
}

replay_log::~replay_log() {
  shared_->fetch_sub(bytes_, std::memory_order_relaxed);
}

std::string replay_log::id_of(std::uint32_t stream, std::uint64_t sequence) const {
  return fmt::format("{:x}-{:x}-{:x}", owner_, stream, sequence);
}

replay_log::place replay_log::open(stream_reader reader) {
  const std::lock_guard lock(mutex_);
  auto& opened = streams_[++last_stream_];
  opened.reader = reader;
  opened.taken = ++sequence_;
  return {last_stream_, sequence_};
}

std::optional<std::uint64_t> replay_log::prime(std::uint32_t stream, std::uint64_t position) {
  const std::lock_guard lock(mutex_);
  if (std::any_of(behind(position), events_.end(),
                  [stream](const kept& e) { return e.stream == stream; }))
    return std::nullopt;
  return ++sequence_;
}

replay_log::appended replay_log::append(std::uint32_t stream, std::string_view data,
                                        event_weight weight, time_point now,
                                        std::optional<stream_reader> writer) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  const auto found = streams_.find(stream);
  if (closed_ || found == streams_.end())
    return {};
  auto& state = found->second;
  const auto reader = state.reader;
  const bool awaited = reader && !(writer && *writer == *reader);
  const auto sequence = ++sequence_;
  const auto cost = cost_of(data);
  // What cannot be kept in any case pushes nothing else out.
  if (cost <= most_.bytes_max || awaited)
    while (!events_.empty() && over(1, cost))
      drop_one();
  state.complete = weight == event_weight::last;
  if (awaited || !over(1, cost)) {
    events_.push_back({sequence, stream, weight, now, std::string(data)});
    bytes_ += cost;
    shared_->fetch_add(cost, std::memory_order_relaxed);
    dispensable_ += weight == event_weight::dispensable ? 1 : 0;
    ++state.events;
  } else {
    state.lost = sequence;
    state.answer_lost = state.complete;
  }
  if (reader && !awaited)
    state.taken = sequence;
  forget_if_over(stream);
  return {sequence, reader};
}

std::optional<stream_reader> replay_log::finish(std::uint32_t stream) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(stream);
  if (found == streams_.end())
    return std::nullopt;
  const auto reader = found->second.reader;
  found->second.complete = true;
  forget_if_over(stream);
  return reader;
}

replay_log::attachment replay_log::attach(std::uint32_t stream, std::uint64_t position,
                                          stream_reader reader) {
  auto& state = streams_.at(stream);
  state.lost_told = 0;
  auto before = std::exchange(state.reader, reader);
  if (before == reader)
    before.reset();
  return {outcome::attached, stream, position, before};
}

replay_log::attachment replay_log::resume(std::string_view last_event_id, stream_reader reader,
                                          time_point now) {
  std::uint64_t owner = 0, sequence = 0;
  std::uint32_t stream = 0;
  const bool ours = take_number(last_event_id, owner, '-') &&
                    take_number(last_event_id, stream, '-') &&
                    take_number(last_event_id, sequence, 0) && owner == owner_;
  const std::lock_guard lock(mutex_);
  if (!ours || stream > last_stream_ || sequence > sequence_)
    return {};
  drop_old(now);
  const auto found = streams_.find(stream);
  if (closed_ || found == streams_.end() || found->second.answer_lost)
    return {outcome::expired, stream, sequence, {}};
  return attach(stream, sequence, reader);
}

replay_log::attachment replay_log::listen(stream_reader reader, time_point now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  if (closed_)
    return {outcome::expired, listening, 0, {}};
  return attach(listening, streams_.at(listening).taken, reader);
}

void replay_log::detach(std::uint32_t stream, stream_reader reader, time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.reader != reader)
    return;
  found->second.reader.reset();
  found->second.unread_since = now;
}

replay_log::news replay_log::read(std::uint32_t stream, std::uint64_t position,
                                  stream_reader reader, std::size_t bytes_max) {
  const std::lock_guard lock(mutex_);
  news out;
  const auto found = streams_.find(stream);
  if (closed_ || found == streams_.end()) {
    out.ended = true;
    return out;
  }
  auto& state = found->second;
  if (state.reader != reader) {
    out.taken = true;
    return out;
  }
  out.missed = state.lost > std::max(position, state.lost_told);
  state.lost_told = state.lost;
  std::size_t bytes = 0;
  for (auto next = behind(position); next != events_.end(); ++next) {
    if (next->stream != stream)
      continue;
    if (bytes >= bytes_max) {
      out.more = true;
      break;
    }
    bytes += next->data.size();
    out.events.push_back({next->sequence, next->data});
    state.taken = std::max(state.taken, next->sequence);
  }
  out.ended = state.complete && !out.more;
  // What was kept beyond the bounds was so for this reader alone.
  while (!events_.empty() && over(0, 0))
    drop_one();
  return out;
}

bool replay_log::listened() const {
  const std::lock_guard lock(mutex_);
  return streams_.contains(listening) && streams_.at(listening).reader.has_value();
}

bool replay_log::listened_lately(time_point now) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(listening);
  return found != streams_.end() &&
         (found->second.reader || now - found->second.unread_since < most_.age_max);
}

void replay_log::expire(time_point now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
}

std::vector<std::pair<std::uint32_t, stream_reader>> replay_log::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  std::vector<std::pair<std::uint32_t, stream_reader>> readers;
  for (const auto& [stream, state] : streams_)
    if (state.reader)
      readers.emplace_back(stream, *state.reader);
  streams_.clear();
  events_.clear();
  events_.shrink_to_fit();
  shared_->fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
  dispensable_ = 0;
  return readers;
}

std::size_t replay_log::events_kept() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

std::size_t replay_log::bytes_kept() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::deque<replay_log::kept>::iterator replay_log::behind(std::uint64_t position) {
  return std::upper_bound(events_.begin(), events_.end(), position,
                          [](std::uint64_t at, const kept& e) { return at < e.sequence; });
}

bool replay_log::over(std::size_t events, std::size_t bytes) const noexcept {
  return events_.size() + events > most_.events_max || bytes_ + bytes > most_.bytes_max ||
         shared_->load(std::memory_order_relaxed) + bytes > most_.shared_bytes_max;
}

void replay_log::drop(std::deque<kept>::iterator which) {
  const auto cost = cost_of(which->data);
  bytes_ -= cost;
  shared_->fetch_sub(cost, std::memory_order_relaxed);
  dispensable_ -= which->weight == event_weight::dispensable ? 1 : 0;
  const auto stream = which->stream;
  auto& state = streams_.at(stream);
  --state.events;
  state.lost = std::max(state.lost, which->sequence);
  state.answer_lost = state.answer_lost || which->weight == event_weight::last;
  events_.erase(which);
  forget_if_over(stream);
}

void replay_log::drop_one() {
  NEXUS_ASSERT(!events_.empty());
  auto which = events_.begin();
  if (dispensable_ > 0)
    which = std::find_if(which, events_.end(),
                         [](const kept& e) { return e.weight == event_weight::dispensable; });
  drop(which);
}

void replay_log::drop_old(time_point now) {
  while (!events_.empty() && now - events_.front().since >= most_.age_max)
    drop(events_.begin());
}

void replay_log::forget_if_over(std::uint32_t stream) {
  const auto found = streams_.find(stream);
  if (stream != listening && found->second.complete && found->second.events == 0)
    streams_.erase(found);
}

replay_log& lazy_replay_log::get_or_make(std::uint64_t owner,
                                         const std::shared_ptr<replay_log::budget>& shared) {
  if (auto* const known = get())
    return *known;
  auto made = std::make_unique<replay_log>(owner, shared);
  replay_log* first = nullptr;
  if (!log_.compare_exchange_strong(first, made.get(), std::memory_order_acq_rel))
    return *first; // another worker was faster
  return *made.release();
}

} // namespace nexus::engine
