#include "engine/vmcp_ports.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/process.hpp"

namespace nexus::engine {
namespace {

std::unexpected<error> in_use(std::string why) {
  return fail(std::make_error_code(std::errc::address_in_use), std::move(why));
}

} // namespace

result<opened_port> open_own_port(const process& shared, std::uint16_t port) {
  const net::endpoint at{shared.listen_at.host, port};
  if (auto is_free = net::check_address_free(at); !is_free)
    return std::unexpected(is_free.error());
  opened_port out{port, {}};
  for (std::size_t i = 0; i < shared.worker_count(); ++i) {
    auto socket = net::open_listener(at);
    if (!socket)
      return std::unexpected(socket.error());
    out.sockets.push_back(std::move(*socket));
  }
  return out;
}

void vmcp_ports::reserve(std::uint16_t port, std::string whose) {
  if (port != 0)
    holders_.insert_or_assign(port, std::move(whose));
}

result<opened_port> vmcp_ports::take(std::string_view id, std::uint16_t wish) {
  if (wish == 0)
    return take_any(id);
  if (const auto holder = holders_.find(wish); holder != holders_.end())
    return in_use(fmt::format("port {} is that of {}; \"auto\" takes one that is free", wish,
                              holder->second));
  return try_port(id, wish);
}

result<opened_port> vmcp_ports::take_any(std::string_view id) {
  // Those that nobody had yet, then those that have rested longest.
  std::vector<std::pair<std::uint64_t, std::uint16_t>> candidates;
  for (std::uint32_t port = range_.first; port <= range_.last; ++port) {
    const auto number = static_cast<std::uint16_t>(port);
    const auto before_this = rests_.find(number);
    if (!holders_.contains(number))
      candidates.emplace_back(before_this == rests_.end() ? 0 : before_this->second.since, number);
  }
  std::ranges::sort(candidates);
  for (const auto& [since, port] : candidates)
    if (auto opened = try_port(id, port))
      return opened;
  return in_use(fmt::format("no port of {}-{} is free: virtual MCPs have {}, other programs or "
                            "connections that have not ended the others; \"vmcpPorts\" may name "
                            "more",
                            range_.first, range_.last,
                            std::ranges::count_if(holders_, [this](const auto& held) {
                              return held.first >= range_.first && held.first <= range_.last;
                            })));
}

result<opened_port> vmcp_ports::try_port(std::string_view id, std::uint16_t port) {
  if (const auto found = rests_.find(port); found != rests_.end())
    if (found->second.last != nullptr && found->second.last->connections.load() > 0 &&
        found->second.last->of->id != id)
      return in_use(fmt::format("port {} still has connections of virtual MCP '{}', which had it "
                                "before; try again in a moment",
                                port, found->second.last->of->id));
  auto opened = open_(port);
  if (!opened)
    return in_use(fmt::format("port {} cannot be had: {}", port, opened.error().message));
  rests_.erase(port);
  holders_.insert_or_assign(port, fmt::format("virtual MCP '{}'", id));
  return opened;
}

void vmcp_ports::give_back(std::uint16_t port, own_port_ptr last) {
  if (holders_.erase(port) > 0)
    rests_.insert_or_assign(port, rest{++sequence_, std::move(last)});
}

} // namespace nexus::engine
