#pragma once

#include <optional>
#include <string>
#include <utility>

#include <sys/socket.h>

#include "net/reactor.hpp"

/// Socket calls that both reactors share. Nothing here blocks.
namespace nexus::net {

/// A file descriptor with one owner.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~unique_fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// An IPv4 or IPv6 address with its port, as the kernel wants it.
struct socket_address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const noexcept;
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  [[nodiscard]] endpoint to_endpoint() const;
  /// @returns nothing when `host` is no numeric address
  [[nodiscard]] static std::optional<socket_address> numeric(const std::string& host,
                                                             std::uint16_t port);
};

/// The kernel's text for an error number.
[[nodiscard]] std::string errno_text(int number);

/// A stream socket for connecting, with TCP_NODELAY. @returns nothing with errno set on failure
[[nodiscard]] unique_fd open_client_socket(int family);

/// A bound, listening socket: SO_REUSEPORT, TCP_NODELAY (inherited by what it accepts). The host
/// must be numeric, `localhost`, or empty for all IPv4 addresses, for looking a name up may block.
/// @errors listen_failed names the address, the reason and a remedy
[[nodiscard]] result<unique_fd> open_listener(const endpoint& at);

/// Whether nobody listens there yet. The kernel lets another process of the same user share what
/// open_listener() opens, and each would get some of the other's clients.
/// @errors listen_failed as open_listener()
[[nodiscard]] result<> check_address_free(const endpoint& at);

[[nodiscard]] endpoint local_endpoint(int fd);
[[nodiscard]] endpoint peer_endpoint(int fd);

/// Sets O_NONBLOCK. @returns whether it was clear before
bool set_nonblocking(int fd) noexcept;

} // namespace nexus::net
