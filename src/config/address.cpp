#include "config/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"

namespace nexus::config {
namespace {

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::optional<unsigned> port_of(std::string_view text) {
  unsigned port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || code != std::errc{} || end != text.data() + text.size() ||
      port > 65535) {
    return std::nullopt;
  }
  return port;
}

template <int Family, class Address>
bool is_address(std::string_view text, Address& out) {
  return inet_pton(Family, std::string(text).c_str(), &out) == 1;
}

bool is_ipv6(std::string_view text) {
  in6_addr out{};
  return !text.contains('\0') && is_address<AF_INET6>(text, out);
}

/// A host name or an IPv4 address.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253)
    return false;
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  if (numeric) {
    in_addr out{};
    return is_address<AF_INET>(host, out);
  }
  std::size_t label = 0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '.') {
      if (label == 0 || host[i - 1] == '-')
        return false;
      label = 0;
      continue;
    }
    // Underscores are in use in container networks.
    if (!is_alnum(c) && c != '_' && (c != '-' || label == 0))
      return false;
    if (++label > 63)
      return false;
  }
  return host.back() != '-';
}

/// `host[:port]` with IPv6 in brackets.
struct authority {
  std::string_view host; ///< without brackets
  std::optional<std::string_view> port;
  bool bracketed = false;
};

std::optional<authority> split_authority(std::string_view text) {
  authority out;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos)
      return std::nullopt;
    out.bracketed = true;
    out.host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (rest.empty())
      return out;
    if (rest.front() != ':')
      return std::nullopt;
    out.port = rest.substr(1);
    return out;
  }
  const std::size_t colon = text.find(':');
  out.host = text.substr(0, colon);
  if (colon != std::string_view::npos)
    out.port = text.substr(colon + 1);
  return out;
}

std::optional<problem> authority_problem(std::string_view text, unsigned port_min) {
  const auto parts = split_authority(text);
  if (!parts)
    return problem{"the brackets around the host do not match", "[::1]:3000"};
  if (parts->bracketed ? !is_ipv6(parts->host) : !is_host_name(parts->host)) {
    if (!parts->bracketed && std::count(text.begin(), text.end(), ':') > 1) {
      return problem{"an IPv6 address takes brackets", "[::1]:3000"};
    }
    return problem{
        parts->host.empty() ? "the host is missing" : "the host is no name and no IP address", {}};
  }
  if (!parts->port)
    return std::nullopt;
  const auto port = port_of(*parts->port);
  if (!port || *port < port_min) {
    return problem{"expected a port from " + std::to_string(port_min) + " to 65535", {}};
  }
  return std::nullopt;
}

bool is_loopback_host(std::string_view host) {
  in_addr v4{};
  in6_addr v6{};
  if (iequals(host, "localhost"))
    return true;
  if (is_address<AF_INET>(host, v4))
    return (ntohl(v4.s_addr) >> 24U) == 127;
  return is_address<AF_INET6>(host, v6) && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool has_space_or_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7F;
  });
}

} // namespace

std::optional<problem> listen_problem(std::string_view address, bool insecure_listen) {
  // ":3000" means every interface, as in other servers' configurations.
  const std::string full =
      address.starts_with(':') ? "0.0.0.0" + std::string(address) : std::string(address);
  const auto parts = split_authority(full);
  if (!parts || !parts->port) {
    return problem{"expected HOST:PORT", "127.0.0.1:3000, [::1]:3000 or localhost:3000"};
  }
  if (auto found = authority_problem(full, 0))
    return found;
  if (insecure_listen || is_loopback_host(parts->host))
    return std::nullopt;
  return problem{"this address is reachable from other machines, and the gateway does not ask "
                 "callers who they are",
                 "listen on 127.0.0.1 behind a proxy that authenticates, or set "
                 "\"insecureListen\": true"};
}

bool is_loopback_listen(std::string_view address) {
  if (address.starts_with(':'))
    return false;
  const auto parts = split_authority(address);
  return parts && is_loopback_host(parts->host);
}

std::optional<problem> url_problem(std::string_view url) {
  const std::size_t colon = url.find("://");
  const std::string scheme = to_lower(url.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (scheme != "http" && scheme != "https") {
    return problem{"expected a URL that begins with http:// or https://", {}};
  }
  if (has_space_or_control(url)) {
    return problem{"the URL holds a space or a control character", "write a space as %20"};
  }
  const std::string_view rest = url.substr(colon + 3);
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (host.contains('@')) {
    return problem{"a name or password does not belong in a URL",
                   "send it in \"headers\", as \"Authorization\": \"Basic ...\""};
  }
  if (rest.contains('#'))
    return problem{"a URL with a fragment ('#') is not an address", {}};
  return authority_problem(host, 1);
}

std::optional<problem> origin_problem(std::string_view origin) {
  const std::size_t colon = origin.find("://");
  if (colon == std::string_view::npos || colon == 0 ||
      !std::all_of(origin.begin(), origin.begin() + static_cast<std::ptrdiff_t>(colon),
                   [](char c) { return is_alnum(c) || c == '+' || c == '-' || c == '.'; })) {
    return problem{"expected an origin such as https://app.example.org", {}};
  }
  const std::string_view host = origin.substr(colon + 3);
  if (host.find_first_of("/?#@") != std::string_view::npos) {
    return problem{"an origin has no path", "https://app.example.org"};
  }
  return authority_problem(host, 1);
}

std::optional<problem> host_problem(std::string_view host) {
  if (host.find_first_of("/?#@") != std::string_view::npos) {
    return problem{"expected a host name without scheme and path", "mcp.example.org"};
  }
  return authority_problem(host, 1);
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_header_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

bool is_reserved_header(std::string_view name) {
  constexpr std::array<std::string_view, 18> reserved = {"accept",
                                                         "connection",
                                                         "content-length",
                                                         "content-type",
                                                         "expect",
                                                         "host",
                                                         "keep-alive",
                                                         "last-event-id",
                                                         "mcp-method",
                                                         "mcp-name",
                                                         "mcp-protocol-version",
                                                         "mcp-session-id",
                                                         "proxy-connection",
                                                         "te",
                                                         "trailer",
                                                         "transfer-encoding",
                                                         "upgrade",
                                                         "accept-encoding"};
  return std::any_of(reserved.begin(), reserved.end(),
                     [&](std::string_view entry) { return iequals(entry, name); });
}

} // namespace nexus::config
