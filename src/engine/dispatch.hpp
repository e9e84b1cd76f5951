#pragma once

namespace nexus::engine {

class exchange;
class worker;

/// Serves a classified request or notification of a client: answers it here, or sends it on its
/// way to a server. The exchange is released when its answer has been given, which may be before
/// this returns.
/// @pre x.request is parsed; x.client, x.era, x.revision, x.scope and, for legacy requests but
/// initialize, x.caller are set
void dispatch(worker& on, exchange& x);

} // namespace nexus::engine
