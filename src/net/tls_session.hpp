#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "net/reactor.hpp"

/// OpenSSL's settings and its failures in our words: the part of tls_stream that moves no bytes.
namespace nexus::net::detail {

struct ssl_releaser {
  void operator()(SSL* session) const noexcept { SSL_free(session); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_releaser>;

/// A client session that verifies as `options` say, without BIOs. Certificate files are read once
/// for all sessions of the process and again when they have changed.
/// @errors tls_failed: which file, or that there is no name to verify
/// @thread any
[[nodiscard]] result<ssl_ptr> new_client_session(const tls_client_options& options);

/// What went wrong in the last operation of `session`: the certificate's problem, the peer's alert,
/// or a peer that does not speak TLS, with a remedy. Empties OpenSSL's error queue.
[[nodiscard]] error describe_tls_failure(const SSL& session, const std::string& host);

} // namespace nexus::net::detail
