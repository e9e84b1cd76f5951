#include "bench/e2e/load_engine.hpp"

#include "bench/e2e/json_scan.hpp"
#include "bench/e2e/process_usage.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace nexus::bench {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t sweep_ns = second_ns / 10;
constexpr std::int64_t drain_ns = 2 * second_ns;
constexpr std::int64_t setup_ns_max = 60 * second_ns;
constexpr std::size_t buffer_bytes = 64 * 1024;
constexpr std::size_t first_error_bytes_max = 400;

std::int64_t nanoseconds(double seconds) {
  return static_cast<std::int64_t>(seconds * 1e9);
}

} // namespace

load_engine::load_engine(const load_options& options)
    : options_(options), echoes_id_(options.arguments.find("$ID") != std::string::npos),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(buffer_bytes),
      idle_sessions_left_(options.idle_sessions) {
  if (epoll_ < 0)
    die(fmt::format("epoll_create1: {}", std::strerror(errno)));
  if (options_.speech != era::legacy)
    shared_calls_ = std::make_shared<std::vector<call_template>>(make_calls(options_, {}));
}

load_engine::~load_engine() {
  for (const auto& peer : connections_)
    if (peer->fd >= 0)
      ::close(peer->fd);
  ::close(epoll_);
}

load_report load_engine::run() {
  setup_ns_ = now_ns();
  next_sweep_ns_ = setup_ns_ + sweep_ns;
  for (int i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<connection>());
    open(*connections_.back());
  }
  while (phase_ != phase::done) {
    const auto now = now_ns();
    advance(now);
    send_due(now);
    wait_and_serve(now);
  }
  finish();
  return report_;
}

void load_engine::wait_and_serve(std::int64_t now) {
  const auto wait = std::max<std::int64_t>(0, wake_at(now) - now);
  timespec timeout{wait / second_ns, wait % second_ns};
  epoll_event events[512];
  const int count = ::epoll_pwait2(epoll_, events, 512, &timeout, nullptr);
  for (int i = 0; i < count; ++i)
    on_event(*static_cast<connection*>(events[i].data.ptr), events[i].events);
}

// Connections

void load_engine::open(connection& peer) {
  peer.at = step::connecting;
  peer.lost = false;
  peer.input.clear();
  peer.output.clear();
  peer.wanted_bytes = 0;
  peer.fd = start_connect(options_.url.address);
  if (peer.fd < 0)
    return;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET);
  event.data.ptr = &peer;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.fd, &event) != 0)
    die(fmt::format("epoll_ctl: {}", std::strerror(errno)));
}

void load_engine::reopen(connection& peer) {
  if (phase_ == phase::setup)
    die(fmt::format("cannot connect to {} or it hung up: {}", options_.url.authority,
                    std::strerror(errno)));
  const bool refused = peer.at == step::connecting;
  if (peer.at == step::calling) {
    fail(&load_errors::transport, "connection ended during a call");
    --in_flight_;
  }
  std::erase(idle_, &peer);
  ::close(peer.fd);
  peer.fd = -1;
  peer.at = step::connecting;
  // A server that refuses connections is tried again by the next sweep, not in a tight circle.
  if (!refused)
    open(peer);
}

void load_engine::on_event(connection& peer, std::uint32_t events) {
  if (peer.at == step::connecting) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
      peer.lost = true;
    else if ((events & EPOLLOUT) != 0)
      on_connected(peer);
  } else if ((events & EPOLLOUT) != 0 && !peer.output.empty()) {
    flush(peer);
  }
  if ((events & EPOLLIN) != 0 && !peer.lost)
    read_all(peer);
  // The read above took everything that came before the end, whose edge is not repeated.
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
    peer.lost = true;
  if (peer.lost)
    reopen(peer);
}

void load_engine::on_connected(connection& peer) {
  if (options_.speech == era::legacy && peer.calls == nullptr && shared_calls_ == nullptr) {
    if (options_.session == session_scope::connection || &peer == connections_.front().get())
      begin_handshake(peer);
    else
      peer.at = step::waiting;
    return;
  }
  if (peer.calls == nullptr)
    peer.calls = shared_calls_;
  on_ready(peer);
}

void load_engine::read_all(connection& peer) {
  for (;;) {
    const auto received = ::recv(peer.fd, buffer_.data(), buffer_.size(), 0);
    if (received <= 0) {
      peer.lost = peer.lost || received == 0 || errno != EAGAIN;
      return;
    }
    const std::string_view fresh{buffer_.data(), static_cast<std::size_t>(received)};
    if (phase_ == phase::window)
      report_.bytes_in += fresh.size();
    if (peer.input.empty()) {
      peer.input.assign(fresh.substr(take_messages(peer, fresh)));
    } else {
      peer.input.append(fresh);
      if (peer.input.size() >= peer.wanted_bytes)
        peer.input.erase(0, take_messages(peer, peer.input));
    }
    if (peer.lost || fresh.size() < buffer_.size())
      return;
  }
}

std::size_t load_engine::take_messages(connection& peer, std::string_view data) {
  std::size_t taken = 0;
  while (taken < data.size() && !peer.lost) {
    const auto state = scan_response(data.substr(taken), message_);
    peer.wanted_bytes = message_.wanted_bytes;
    if (state == scan_state::incomplete)
      break;
    if (state == scan_state::invalid) {
      fail(&load_errors::http, data.substr(taken));
      peer.lost = true;
      break;
    }
    const auto size = message_.total_bytes;
    if (!message_.keep_alive)
      peer.lost = true;
    if (peer.at == step::initializing)
      on_initialized(peer);
    else if (peer.at == step::acknowledging)
      on_acknowledged(peer);
    else if (peer.at == step::calling)
      on_answer(peer, now_ns());
    else
      fail(&load_errors::id, "an answer that nobody asked for");
    taken += size;
  }
  return taken;
}

void load_engine::flush(connection& peer) {
  const auto waiting = std::move(peer.output);
  peer.output.clear();
  send(peer, waiting);
}

void load_engine::send(connection& peer, std::string_view bytes) {
  if (peer.output.empty()) {
    const auto sent = ::send(peer.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      peer.lost = true;
      return;
    }
    const auto count = sent < 0 ? std::size_t{0} : static_cast<std::size_t>(sent);
    if (phase_ == phase::window)
      report_.bytes_out += count;
    bytes.remove_prefix(count);
  }
  peer.output.append(bytes);
}

// Calls

void load_engine::send_call(connection& peer, std::int64_t due_ns) {
  peer.at = step::calling;
  peer.id = next_id_++;
  peer.due_ns = due_ns;
  peer.sent_ns = due_ns;
  ++in_flight_;
  auto& call = (*peer.calls)[next_tool_];
  next_tool_ = next_tool_ + 1 == peer.calls->size() ? 0 : next_tool_ + 1;
  send(peer, call.with_id(peer.id));
}

void load_engine::next_call(connection& peer, std::int64_t now) {
  peer.at = step::idle;
  if (options_.rate == 0 && sending() && !peer.lost)
    send_call(peer, now);
  else
    idle_.push_back(&peer);
}

std::int64_t load_engine::due_at(std::uint64_t index) const {
  return start_ns_ + static_cast<std::int64_t>(static_cast<double>(index) * 1e9 / options_.rate);
}

void load_engine::send_due(std::int64_t now) {
  if (options_.rate == 0 || phase_ == phase::setup || phase_ == phase::done)
    return;
  const auto limit = std::min(now, window_end_ns_ - 1);
  while (!idle_.empty()) {
    const auto due = due_at(arrivals_);
    if (due > limit)
      return;
    auto& peer = *idle_.front();
    idle_.pop_front();
    ++arrivals_;
    send_call(peer, due);
    peer.sent_ns = now;
  }
}

void load_engine::on_answer(connection& peer, std::int64_t now) {
  --in_flight_;
  const auto elapsed = now - peer.due_ns;
  if (message_.status == 429 || message_.status == 503) {
    if (in_window(peer.due_ns))
      report_.refusal.record(elapsed);
  } else if (check_answer(peer)) {
    if (phase_ == phase::window)
      ++report_.calls;
    if (in_window(peer.due_ns))
      report_.latency.record(elapsed);
  }
  next_call(peer, now);
}

bool load_engine::check_answer(const connection& peer) {
  if (message_.status != 200) {
    fail(&load_errors::http, fmt::format("status {}: {}", message_.status, message_.body));
    return false;
  }
  const auto json = json_of_answer(peer.id);
  return check_json(peer, json);
}

// The body itself, or the event of a stream that answers this id.
std::string_view load_engine::json_of_answer(std::uint64_t id) {
  if (!message_.content_type.starts_with("text/event-stream"))
    return message_.body;
  char digits[id_digits];
  write_id(digits, id);
  auto stream = message_.body;
  while (next_event(stream, event_))
    if (json_member(event_, "id") == std::string_view{digits, id_digits})
      return event_;
  return message_.body;
}

bool load_engine::check_json(const connection& peer, std::string_view json) {
  char digits[id_digits];
  write_id(digits, peer.id);
  const std::string_view id{digits, id_digits};
  object_scan scan{json};
  std::string_view name;
  std::string_view value;
  std::string_view found_id;
  std::string_view result;
  while (scan.next(name, value)) {
    if (name == "id")
      found_id = value;
    else if (name == "result")
      result = value;
  }
  if (found_id != id) {
    fail(&load_errors::id, fmt::format("asked {}: {}", id, json));
    return false;
  }
  if (result.empty() || json_member(result, "isError") == "true") {
    fail(&load_errors::result, json);
    return false;
  }
  if (echoes_id_ && result.find(id) == std::string_view::npos) {
    fail(&load_errors::id, fmt::format("another caller's content for {}: {}", id, json));
    return false;
  }
  return true;
}

void load_engine::fail(std::uint64_t load_errors::*kind, std::string_view what) {
  ++(report_.errors.*kind);
  if (report_.errors.first.empty())
    report_.errors.first = what.substr(0, first_error_bytes_max);
}

// Phases

void load_engine::advance(std::int64_t now) {
  if (now >= next_sweep_ns_)
    expire(now);
  if (phase_ == phase::setup && ready_ == options_.connections) {
    phase_ = phase::warmup;
    start_ns_ = now;
    window_begin_ns_ = now + nanoseconds(options_.warmup_seconds);
    window_end_ns_ = window_begin_ns_ + nanoseconds(options_.seconds);
    if (options_.rate == 0) {
      idle_.clear();
      for (const auto& peer : connections_)
        next_call(*peer, now);
    }
  }
  if (phase_ == phase::warmup && now >= window_begin_ns_)
    start_window(now);
  if (phase_ == phase::window && now >= window_end_ns_)
    end_window(now);
  if (phase_ != phase::drain)
    return;
  const bool all_sent = options_.rate == 0 || due_at(arrivals_) >= window_end_ns_;
  if ((all_sent && in_flight_ == 0) || now > window_end_ns_ + drain_ns)
    phase_ = phase::done;
}

void load_engine::start_window(std::int64_t now) {
  phase_ = phase::window;
  window_begin_ns_ = now;
  for (const auto pid : options_.watched)
    report_.watched_cpu_us.push_back(-usage_of(pid).cpu_us);
  report_.own_cpu_us = -usage_of(::getpid()).cpu_us;
}

void load_engine::end_window(std::int64_t now) {
  phase_ = phase::drain;
  window_end_ns_ = now;
  report_.seconds = static_cast<double>(now - window_begin_ns_) / 1e9;
  for (std::size_t i = 0; i < options_.watched.size(); ++i) {
    const auto usage = usage_of(options_.watched[i]);
    report_.watched_cpu_us[i] += usage.cpu_us;
    report_.watched_rss_bytes.push_back(usage.rss_bytes);
  }
  report_.own_cpu_us += usage_of(::getpid()).cpu_us;
}

void load_engine::finish() {
  report_.errors.timeout += in_flight_;
  if (in_flight_ > 0 && report_.errors.first.empty())
    report_.errors.first = "no answer before the end of the run";
  if (options_.rate > 0)
    while (due_at(arrivals_ + report_.backlog) < window_end_ns_)
      ++report_.backlog;
}

std::int64_t load_engine::wake_at(std::int64_t now) const {
  auto wake = next_sweep_ns_;
  if (phase_ == phase::done)
    return now;
  if (phase_ == phase::warmup)
    wake = std::min(wake, window_begin_ns_);
  if (phase_ == phase::window)
    wake = std::min(wake, window_end_ns_);
  if (phase_ == phase::setup && ready_ == options_.connections)
    return now;
  if (phase_ == phase::drain && in_flight_ == 0)
    return now;
  if (options_.rate > 0 && phase_ != phase::setup && !idle_.empty() &&
      due_at(arrivals_) < window_end_ns_)
    wake = std::min(wake, due_at(arrivals_));
  return wake;
}

void load_engine::expire(std::int64_t now) {
  next_sweep_ns_ = now + sweep_ns;
  if (phase_ == phase::setup && now - setup_ns_ > setup_ns_max)
    die(fmt::format("only {} of {} connections were ready after 60 s", ready_,
                    options_.connections));
  const auto limit = now - nanoseconds(options_.timeout_seconds);
  for (const auto& peer : connections_) {
    if (peer->fd < 0) {
      open(*peer);
    } else if (peer->at == step::calling && peer->sent_ns < limit) {
      fail(&load_errors::timeout, "no answer in time");
      --in_flight_;
      peer->at = step::idle;
      reopen(*peer);
    }
  }
}

bool load_engine::in_window(std::int64_t due_ns) const {
  const bool begun = phase_ == phase::window || phase_ == phase::drain;
  return begun && due_ns >= window_begin_ns_ && due_ns < window_end_ns_;
}

} // namespace nexus::bench
