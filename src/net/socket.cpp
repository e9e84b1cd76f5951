#include "net/socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace nexus::net {
namespace {

/// Connections that wait for accept(); the kernel lowers it to net.core.somaxconn.
constexpr int listen_backlog = 4096;

sockaddr* writable(socket_address& address) noexcept {
  // The socket interface passes every address type through this pointer type.
  return reinterpret_cast<sockaddr*>(&address.storage);
}

bool switch_on(int fd, int level, int option) noexcept {
  const int on = 1;
  return ::setsockopt(fd, level, option, &on, sizeof on) == 0;
}

std::unexpected<error> listen_failure(const endpoint& at, int number) {
  std::string_view remedy;
  if (number == EADDRINUSE)
    remedy = "; another program uses this port: choose another one";
  if (number == EACCES)
    remedy = "; ports below 1024 need CAP_NET_BIND_SERVICE";
  if (number == EADDRNOTAVAIL)
    remedy = "; no interface of this machine has this address";
  return fail(make_error_code(errc::listen_failed),
              fmt::format("cannot listen on {}: {}{}", at.to_string(), errno_text(number), remedy));
}

} // namespace

void unique_fd::reset(int fd) noexcept {
  if (fd_ >= 0)
    ::close(fd_);
  fd_ = fd;
}

const sockaddr* socket_address::get() const noexcept {
  return reinterpret_cast<const sockaddr*>(&storage);
}

endpoint socket_address::to_endpoint() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  if (family() == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(v6.sin6_port)};
  }
  return {};
}

std::optional<socket_address> socket_address::numeric(const std::string& host, std::uint16_t port) {
  socket_address address;
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
    return address;
  }
  sockaddr_in6 v6{};
  const auto zone = host.find('%');
  if (::inet_pton(AF_INET6, host.substr(0, zone).c_str(), &v6.sin6_addr) == 1) {
    if (zone != std::string::npos) {
      v6.sin6_scope_id = ::if_nametoindex(host.c_str() + zone + 1);
      if (v6.sin6_scope_id == 0)
        return std::nullopt;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
    return address;
  }
  return std::nullopt;
}

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

unique_fd open_client_socket(int family) {
  unique_fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd)
    switch_on(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  return fd;
}

namespace {

enum class sharing : std::uint8_t { refused, allowed };

/// A socket bound to the address, which others may bind as well if they are of the same user and
/// sharing is allowed.
result<unique_fd> bind_listener(const endpoint& at, sharing others) {
  std::string host = at.host;
  if (host.empty() || host == "*")
    host = "0.0.0.0";
  if (host == "localhost")
    host = "127.0.0.1";
  const auto address = socket_address::numeric(host, at.port);
  if (!address)
    return fail(make_error_code(errc::listen_failed),
                fmt::format("cannot listen on {}: the host must be a numeric address or localhost",
                            at.to_string()));
  unique_fd fd(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || !switch_on(fd.get(), SOL_SOCKET, SO_REUSEADDR) ||
      (others == sharing::allowed && !switch_on(fd.get(), SOL_SOCKET, SO_REUSEPORT)) ||
      !switch_on(fd.get(), IPPROTO_TCP, TCP_NODELAY) ||
      ::bind(fd.get(), address->get(), address->size) != 0)
    return listen_failure(at, errno);
  return fd;
}

} // namespace

result<unique_fd> open_listener(const endpoint& at) {
  auto fd = bind_listener(at, sharing::allowed);
  if (fd && ::listen(fd->get(), listen_backlog) != 0)
    return listen_failure(at, errno);
  return fd;
}

result<> check_address_free(const endpoint& at) {
  if (auto fd = bind_listener(at, sharing::refused); !fd)
    return std::unexpected(fd.error());
  return {};
}

endpoint local_endpoint(int fd) {
  socket_address address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, writable(address), &address.size) != 0)
    return {};
  return address.to_endpoint();
}

endpoint peer_endpoint(int fd) {
  socket_address address;
  address.size = sizeof address.storage;
  if (::getpeername(fd, writable(address), &address.size) != 0)
    return {};
  return address.to_endpoint();
}

bool set_nonblocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0)
    return false;
  return ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

} // namespace nexus::net
