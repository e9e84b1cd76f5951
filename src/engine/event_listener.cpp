#include "engine/event_listener.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "engine/server_link.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

event_listener::event_listener(server_link& owner, worker& home, http_pool& pool,
                               std::string request)
    : owner_(owner), home_(home), pool_(pool), request_(std::move(request)),
      delay_(limits::restart_delay_min) {
  reopen_.set_action([this] { open(); });
  open();
}

event_listener::~event_listener() {
  if (call_ != nullptr)
    pool_.cancel(*call_);
}

void event_listener::open() {
  // What changed while nobody listened is found by listing again.
  if (opened_before_)
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

void event_listener::on_end(http_call&, const http::response_head& head, std::string_view) {
  call_ = nullptr;
  // 405: the server offers no stream. A lost session is noticed by the next call as well.
  if (head.status == 200) {
    opened_before_ = true;
    again();
  } else if (head.status == 404) {
    owner_.lost_session();
  }
}

void event_listener::on_failure(http_call&, const error& reason, bool) {
  call_ = nullptr;
  if (reason.code == net::errc::connect_failed)
    return owner_.lost_connection(reason.message);
  again();
}

void event_listener::again() {
  home_.reactor().arm(reopen_, delay_);
  delay_ = std::min<milliseconds>(delay_ * 2, limits::restart_delay_max);
}

} // namespace nexus::engine
