/// worker's clients: where it listens for them, their connections, and the guests among these.

#include <utility>
#include <vector>

#include "engine/duplex_client.hpp"
#include "engine/http_connection.hpp"
#include "engine/process.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {

result<net::endpoint> worker::listen(const net::endpoint& at) {
  auto listening = reactor_->listen(at, [this](net::stream_ptr accepted, const net::endpoint&) {
    accept(std::move(accepted), nullptr);
  });
  if (!listening)
    return std::unexpected(listening.error());
  listener_ = std::move(*listening);
  return listener_->local();
}

void worker::accept(net::stream_ptr accepted, const own_port_ptr& own) {
  if (!shared_.connections.admit()) {
    metrics_.refusals.add(metrics::refusal::connections);
    return; // destroying the stream closes it
  }
  adopt_connection(
      std::make_unique<http_connection>(*this, ++connection_sequence_, std::move(accepted), own));
}

void worker::stop_listening() {
  listener_.reset();
  own_listeners_.clear();
}

void worker::listen_for(own_port_ptr own, net::unique_fd listening) {
  const auto number = own->of->number;
  stop_listening_for(number);
  auto accepts = reactor_->accept_on(listening.release(),
                                     [this, own](net::stream_ptr accepted, const net::endpoint&) {
                                       accept(std::move(accepted), own);
                                     });
  own_listeners_.emplace(number, own_listener{std::move(own), std::move(accepts)});
}

void worker::stop_listening_for(std::uint32_t vmcp) {
  const auto found = own_listeners_.find(vmcp);
  if (found == own_listeners_.end())
    return;
  const auto own = found->second.own;
  own_listeners_.erase(found);
  std::vector<http_connection*> ending;
  for (const auto& [id, connection] : connections_)
    if (connection->own() == own.get())
      ending.push_back(connection.get());
  for (auto* const connection : ending)
    connection->drain();
}

void worker::adopt_connection(std::unique_ptr<http_connection> connection) {
  metrics_.client_connections.up();
  connections_.emplace(connection->id(), std::move(connection));
}

void worker::drop_connection(http_connection& connection) {
  const auto found = connections_.find(connection.id());
  if (found == connections_.end())
    return;
  shared_.connections.release();
  metrics_.client_connections.down();
  auto dead = std::move(found->second);
  connections_.erase(found);
  bury(std::move(dead));
}

http_connection* worker::find_connection(std::uint64_t id) noexcept {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void worker::add_guest(std::string_view id, duplex_client& guest) {
  guests_.emplace(id, &guest);
}

void worker::remove_guest(std::string_view id) {
  guests_.erase(id);
}

duplex_client* worker::find_guest(std::string_view id) noexcept {
  const auto found = guests_.find(id);
  return found == guests_.end() ? nullptr : found->second;
}

} // namespace nexus::engine
