// The calls of a worker: when they leave, what comes back, and what is counted.

#include <charconv>
#include <fmt/format.h>

#include "bench/e2e/sockets.hpp"
#include "bench/load/worker.hpp"

namespace nexus::load {
namespace {

using bench::now_ns;

constexpr std::size_t quoted_bytes_max = 300;

} // namespace

bool worker::has_room(const channel& one) const noexcept {
  const auto most = static_cast<std::size_t>(run_.in_flight);
  return one.ready() && one.index < usable_ && one.calls.size() + one.thinking < most;
}

void worker::list(channel& one) {
  if (one.listed || !has_room(one))
    return;
  one.listed = true;
  with_room_.push_back(&one);
}

void worker::pump(std::int64_t now) {
  if (!started_ || now < start_ns_ || shared_.stop)
    return;
  if (!pacer_ && now >= window_end_ns_)
    return;
  while (!with_room_.empty()) {
    auto due = now;
    if (pacer_) {
      if (!pacer_->due_ns() || now > window_end_ns_ + catch_up_ns)
        return;
      due = start_ns_ + *pacer_->due_ns();
      if (due > now)
        return;
    }
    auto& one = *with_room_.front();
    with_room_.pop_front();
    one.listed = false;
    if (!has_room(one))
      continue;
    send_call(one, due, now);
    list(one);
    if (pacer_)
      pacer_->advance();
  }
}

void worker::send_call(channel& to, std::int64_t due_ns, std::int64_t now) {
  const auto chosen = requests_.next();
  const auto id = next_id();
  to.calls.push_back({id, due_ns, now, chosen.what});
  ++in_flight_;
  to.send(*chosen.bytes, id_text(id));
}

void worker::on_free(channel& from) {
  if (run_.work.think.mean_ms > 0 && started_) {
    ++from.thinking;
    thoughts_.push({now_ns() + pause_ns(), &from});
    return;
  }
  list(from);
}

std::int64_t worker::pause_ns() {
  const auto& think = run_.work.think;
  const double factor = think.exponential ? std::exponential_distribution<>(1)(random_) : 1;
  return static_cast<std::int64_t>(think.mean_ms * 1e6 * factor);
}

void worker::end_thoughts(std::int64_t now) {
  while (!thoughts_.empty() && thoughts_.top().until_ns <= now) {
    auto& who = *thoughts_.top().who;
    thoughts_.pop();
    --who.thinking;
    list(who);
  }
}

heard worker::on_message(channel& from, std::string_view text) {
  const auto message = reader_.read(text);
  if (!message) {
    record_.errors.add(error_class::protocol, text.substr(0, quoted_bytes_max));
    return heard::wrong;
  }
  if (message->method) {
    record_.notifications += message->id ? 0 : 1;
    return heard::other;
  }
  for (auto one = from.calls.begin(); one != from.calls.end(); ++one) {
    const id_text id(one->id);
    if (message->id.raw != id.view())
      continue;
    const auto done = *one;
    from.calls.erase(one);
    --in_flight_;
    if (const auto problem = reader_.judge(*message, id, *done.what))
      wrong(done, *problem, text);
    else
      answered(done, now_ns());
    return heard::answer;
  }
  std::uint64_t late = 0;
  std::from_chars(message->id.raw.data(), message->id.raw.data() + message->id.raw.size(), late);
  if (expired_.erase(late) > 0)
    return heard::other;
  record_.errors.add(error_class::stranger, text.substr(0, quoted_bytes_max));
  return heard::wrong;
}

void worker::on_dropped(channel& /*from*/, const call& lost) {
  --in_flight_;
  count_wrong(lost);
}

void worker::answered(const call& one, std::int64_t now) {
  auto& of = record_.operations[one.what->index];
  if (auto* second = second_of(now)) {
    ++record_.calls;
    ++of.calls;
    ++second->calls;
  }
  if (auto* second = second_of(one.due_ns)) {
    record_.latency.record(now - one.due_ns);
    record_.service.record(now - one.sent_ns);
    of.latency.record(now - one.due_ns);
    second->latency.record(now - one.due_ns);
  }
}

void worker::wrong(const call& one, error_class what, std::string_view text) {
  record_.errors.add(what, text.substr(0, quoted_bytes_max));
  count_wrong(one);
}

void worker::count_wrong(const call& one) {
  ++record_.operations[one.what->index].errors;
  if (auto* second = second_of(now_ns()))
    ++second->errors;
}

void worker::on_refused(channel& from, unsigned status, std::string_view body) {
  const auto lost = std::exchange(from.calls, {});
  for (const auto& one : lost) {
    --in_flight_;
    if (status != 429 && status != 503)
      wrong(one, error_class::http, fmt::format("status {}: {}", status, body));
    else if (in_window(one.due_ns))
      record_.refusal.record(now_ns() - one.due_ns);
  }
}

void worker::on_failed(channel& /*from*/, const call& lost, error_class what,
                       std::string_view why) {
  --in_flight_;
  wrong(lost, what, why);
  // As for what never left: the wait so far is the least that it took.
  if (auto* second = second_of(lost.due_ns); second != nullptr && what == error_class::timeout) {
    const auto waited = now_ns() - lost.due_ns;
    record_.latency.record(waited);
    second->latency.record(waited);
  }
}

void worker::on_lost(channel& from, error_class what, std::string_view why, bool idle) {
  if (!started_)
    return fail_run(fmt::format("{}: {}", run_.to.to_string(), why));
  ++record_.reconnects;
  lost_.push_back(&from);
  // Its calls, if it had any, are counted; that it cannot be reached must be seen in any case.
  if (idle)
    record_.errors.add(what, why);
}

void worker::count_bytes(std::size_t in, std::size_t out) {
  if (!in_window(reactor_->now().time_since_epoch().count()))
    return;
  record_.bytes_in += in;
  record_.bytes_out += out;
}

bool worker::in_window(std::int64_t at) const noexcept {
  return at >= window_begin_ns_ && at < window_end_ns_ && started_;
}

second_record* worker::second_of(std::int64_t at) noexcept {
  if (!in_window(at))
    return nullptr;
  return &record_.seconds[static_cast<std::size_t>((at - window_begin_ns_) / second_ns)];
}

} // namespace nexus::load
