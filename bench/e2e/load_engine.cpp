#include "bench/e2e/load_engine.hpp"

#include "bench/e2e/json_scan.hpp"

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
constexpr std::size_t buffer_bytes = 64 * 1024;
constexpr std::size_t first_error_bytes_max = 400;

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

} // namespace nexus::bench
