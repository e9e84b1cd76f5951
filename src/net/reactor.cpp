#include "net/reactor.hpp"

#include <charconv>
#include <csignal>

#include <fmt/format.h>

#include "net/reactor_epoll.hpp"
#include "net/reactor_uring.hpp"

namespace nexus::net {
namespace {

class net_error_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "net"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
    case errc::connect_failed:
      return "the connection could not be made";
    case errc::timed_out:
      return "the peer took too long";
    case errc::reset:
      return "the peer reset the connection";
    case errc::write_queue_full:
      return "the peer takes too little";
    case errc::tls_failed:
      return "TLS failed";
    case errc::listen_failed:
      return "the address cannot be listened on";
    case errc::spawn_failed:
      return "the program could not be started";
    case errc::resolve_failed:
      return "the name has no address";
    case errc::unsupported:
      return "this system lacks what is needed";
    case errc::closed:
      return "closed by this side";
    }
    return "unknown network error";
  }
};

std::unexpected<error> bad_endpoint(std::string_view text, std::string_view why) {
  return fail(make_error_code(errc::listen_failed),
              fmt::format("\"{}\" is not HOST:PORT: {}", text, why));
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  static const net_error_category category;
  return {static_cast<int>(code), category};
}

std::string endpoint::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

result<endpoint> endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return bad_endpoint(text, "there is no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed)
    host = host.substr(1, host.size() - 2);
  else if (host.find_first_of(":[]") != std::string_view::npos)
    return bad_endpoint(text, "an IPv6 address stands in brackets, as in [::1]:3000");
  if (bracketed && !socket_address::numeric(std::string(host), 0))
    return bad_endpoint(text, "the brackets hold no IPv6 address");
  if (host.find_first_of(" \t\r\n/@") != std::string_view::npos ||
      host.find('\0') != std::string_view::npos)
    return bad_endpoint(text, "the host has characters that no host name has");
  unsigned number = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() ||
      number > 65'535)
    return bad_endpoint(text, "the port is a number from 0 to 65535");
  return endpoint{std::string(host), static_cast<std::uint16_t>(number)};
}

result<std::unique_ptr<reactor>> reactor::create(reactor_kind kind) {
  // Pipes have no MSG_NOSIGNAL: a child that died must be an error, not the end of this process.
  std::signal(SIGPIPE, SIG_IGN);
  std::string reason;
  if (kind != reactor_kind::epoll) {
    auto ring = create_uring_reactor();
    if (ring)
      return std::unique_ptr<reactor>(std::move(*ring));
    if (kind == reactor_kind::io_uring)
      return std::unexpected(std::move(ring.error()));
    reason = std::move(ring.error().message);
  }
  auto made = create_epoll_reactor();
  if (!made)
    return std::unexpected(std::move(made.error()));
  (*made)->set_fallback_reason(std::move(reason));
  return std::unique_ptr<reactor>(std::move(*made));
}

} // namespace nexus::net
