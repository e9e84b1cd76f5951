// The legacy handshake of the generator: initialize, initialized, then ready to call.

#include "bench/e2e/json_scan.hpp"
#include "bench/e2e/load_engine.hpp"

#include <fmt/core.h>

namespace nexus::bench {

void load_engine::begin_handshake(connection& peer) {
  peer.at = step::initializing;
  peer.id = next_id_++;
  send(peer, make_initialize(options_, peer.id));
}

void load_engine::on_initialized(connection& peer) {
  const auto json = json_of_answer(peer.id);
  if (message_.status != 200 || json_member(json, "result").empty())
    die(fmt::format("initialize: status {}: {}", message_.status, message_.body));
  peer.session_id = message_.session_id;
  peer.at = step::acknowledging;
  send(peer, make_initialized(options_, peer.session_id));
}

void load_engine::on_acknowledged(connection& peer) {
  if (message_.status < 200 || message_.status > 299)
    die(fmt::format("notifications/initialized: status {}: {}", message_.status, message_.body));
  if (idle_sessions_left_ > 0) {
    --idle_sessions_left_;
    begin_handshake(peer);
    return;
  }
  peer.calls = std::make_shared<std::vector<call_template>>(make_calls(options_, peer.session_id));
  if (options_.session == session_scope::shared) {
    shared_calls_ = peer.calls;
    for (const auto& other : connections_) {
      if (other->at != step::waiting)
        continue;
      other->calls = shared_calls_;
      on_ready(*other);
    }
  }
  on_ready(peer);
}

void load_engine::on_ready(connection& peer) {
  if (phase_ != phase::setup) {
    next_call(peer, now_ns());
    return;
  }
  ++ready_;
  peer.at = step::idle;
  idle_.push_back(&peer);
}

} // namespace nexus::bench
