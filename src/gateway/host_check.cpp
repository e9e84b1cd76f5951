#include "gateway/host_check.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace nexus::gateway {
namespace {

/// `host`, `host:port`, `[v6]`, `[v6]:port` without the port; empty when malformed.
std::string_view without_port(std::string_view text) noexcept {
  const auto digits = [](std::string_view port) {
    return !port.empty() &&
           std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos)
      return {};
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && !(rest.front() == ':' && digits(rest.substr(1))))
      return {};
    return text.substr(0, end + 1);
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos)
    return text;
  return digits(text.substr(colon + 1)) ? text.substr(0, colon) : std::string_view{};
}

} // namespace

host_check::host_check(std::string_view listen_host, std::vector<std::string> hosts,
                       std::vector<std::string> origins)
    : hosts_(std::move(hosts)), origins_(std::move(origins)) {
  for (const auto* name : {"localhost", "127.0.0.1", "[::1]"})
    hosts_.emplace_back(name);
  if (!listen_host.empty() && listen_host != "0.0.0.0" && listen_host != "::") {
    const bool v6 = listen_host.find(':') != std::string_view::npos;
    hosts_.push_back(v6 ? "[" + std::string(listen_host) + "]" : std::string(listen_host));
  }
}

bool host_check::host_known(std::string_view host_and_port) const noexcept {
  const auto host = without_port(host_and_port);
  return !host.empty() && std::any_of(hosts_.begin(), hosts_.end(), [&](const std::string& known) {
    return iequals(known, host);
  });
}

bool host_check::admits(std::string_view host,
                        std::optional<std::string_view> origin) const noexcept {
  if (!host_known(host))
    return false;
  if (!origin)
    return true;
  if (std::any_of(origins_.begin(), origins_.end(),
                  [&](const std::string& known) { return iequals(known, *origin); }))
    return true;
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin->size() > scheme.size() && iequals(origin->substr(0, scheme.size()), scheme))
      return host_known(origin->substr(scheme.size()));
  return false;
}

} // namespace nexus::gateway
