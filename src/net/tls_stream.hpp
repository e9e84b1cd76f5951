#pragma once

#include <memory>

#include "net/reactor.hpp"

/// TLS for clients: OpenSSL as a stream over another stream.
namespace nexus::net {

/// Runs a TLS handshake over `tcp` and hands the encrypted stream to `on_done`. TLS 1.2 at least;
/// SNI, ALPN "http/1.1", no renegotiation. With `options.verify` the chain and the host name (or
/// the IP address) of `options.server_name` are checked. The encrypted stream owns `tcp`.
///
/// `on_done` runs once, never from within this call, and may destroy the returned object; it does
/// not run after that was destroyed, which closes `tcp`. There is no time limit here: the caller
/// holds one over name lookup, TCP and TLS.
/// @errors tls_failed: names the host, the problem and a remedy; what `tcp` reported otherwise
/// @thread the one of `on`
[[nodiscard]] std::unique_ptr<pending_connect> wrap_tls(reactor& on, stream_ptr tcp,
                                                        const tls_client_options& options,
                                                        reactor::connect_handler on_done);

} // namespace nexus::net
