#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nexus::config {

struct problem {
  std::string message;
  std::string hint;
};

/// What is wrong with a listening address, if anything: `HOST:PORT`, `[::1]:PORT`, `:PORT`.
/// An address beyond loopback is refused unless `insecure_listen`.
[[nodiscard]] std::optional<problem> listen_problem(std::string_view address, bool insecure_listen);
/// Whether only this machine reaches the address: 127.0.0.0/8, ::1, localhost.
/// @pre listen_problem() finds nothing
[[nodiscard]] bool is_loopback_listen(std::string_view address);

/// What is wrong with a server's URL: scheme, host, port, user info. The message does not repeat
/// the URL, which may hold a secret.
[[nodiscard]] std::optional<problem> url_problem(std::string_view url);
/// What is wrong with an entry of allowedOrigins: `scheme://host[:port]`.
[[nodiscard]] std::optional<problem> origin_problem(std::string_view origin);
/// What is wrong with an entry of allowedHosts: `host[:port]`.
[[nodiscard]] std::optional<problem> host_problem(std::string_view host);

/// RFC 9110 s5.6.2 and s5.5.
[[nodiscard]] bool is_header_name(std::string_view name);
[[nodiscard]] bool is_header_value(std::string_view value);
/// Fields that the gateway writes itself; a configuration cannot set them.
[[nodiscard]] bool is_reserved_header(std::string_view name);

} // namespace nexus::config
