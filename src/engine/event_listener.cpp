#include "engine/event_listener.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "engine/server_link.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

event_listener::event_listener(server_link& owner, worker& home, http_pool& pool,
                               std::string request, about what)
    : owner_(owner), home_(home), pool_(pool), request_(std::move(request)), what_(what),
      delay_(limits::restart_delay_min) {
  reopen_.set_action([this] { open(); });
  open();
}

event_listener::~event_listener() {
  if (call_ != nullptr)
    pool_.cancel(*call_);
}

void event_listener::open() {
  if (!reached_.last_id.empty()) {
    std::string request = request_;
    request.resize(request.size() - 2); // the empty line
    http::append_field(request, "Last-Event-ID", reached_.last_id);
    call_ = &pool_.start(request + "\r\n", *this);
    return;
  }
  // What changed while nobody listened is found by listing again.
  if (opened_before_ && what_ == about::lists)
    owner_.list_everything();
  call_ = &pool_.start(request_, *this);
}

void event_listener::on_message(http_call&, std::string_view text) {
  delay_ = limits::restart_delay_min;
  opened_before_ = true;
  auto& message = home_.response;
  if (!mcp::parse_message(text, home_.scanner(), message))
    return;
  owner_.on_foreign_message(message);
}

void event_listener::on_end(http_call& call, const http::response_head& head, std::string_view) {
  remember(call);
  // 405: the server offers no stream. A lost session is noticed by the next call as well.
  if (head.status == 200) {
    opened_before_ = true;
    again(reached_.retry.value_or(delay_));
  } else if (head.status == 404) {
    owner_.lost_session();
  } else if (!reached_.last_id.empty()) {
    reached_ = {}; // it does not know any more what came after that
    again(delay_);
  }
}

void event_listener::on_failure(http_call& call, const error& reason, bool) {
  remember(call);
  if (reason.code == net::errc::connect_failed)
    return owner_.lost_connection(reason.message);
  again(std::max(delay_, reached_.retry.value_or(delay_)));
}

void event_listener::remember(const http_call& call) {
  call_ = nullptr;
  const auto& latest = http_pool::position_of(call);
  if (owner_.era() != mcp::era::legacy)
    return; // modern streams cannot be resumed
  if (!latest.last_id.empty())
    reached_.last_id = latest.last_id;
  if (latest.retry)
    reached_.retry =
        std::clamp(*latest.retry, limits::server_retry_delay_min, limits::server_retry_delay_max);
}

void event_listener::again(milliseconds delay) {
  home_.reactor().arm(reopen_, delay);
  delay_ = std::min<milliseconds>(delay_ * 2, limits::restart_delay_max);
}

} // namespace nexus::engine
