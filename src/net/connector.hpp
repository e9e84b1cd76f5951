#pragma once

#include "net/reactor_base.hpp"

/// Outgoing connections: name lookup, TCP to one address after the other, TLS.
namespace nexus::net {

/// Each address gets its share of the time that is left, so that one which swallows packets leaves
/// time for the next. Calls `on_done` once, never before this returns.
[[nodiscard]] std::unique_ptr<pending_connect>
start_connector(reactor_base& on, connect_options options, reactor::connect_handler on_done);

} // namespace nexus::net
