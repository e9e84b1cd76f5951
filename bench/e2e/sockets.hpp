#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <string>

namespace nexus::bench {

/// Milliseconds to nanoseconds and the like are spelled out at the call: every time here is
/// nanoseconds of the monotonic clock.
std::int64_t now_ns();

/// 127.0.0.1 with the given port, in host order.
sockaddr_in loopback(std::uint16_t port);

/// A non-blocking listening socket; prints the reason and exits when the port cannot be had.
int listen_or_exit(std::uint16_t port);

/// A non-blocking socket whose connect is under way, or -1.
int start_connect(const sockaddr_in& address);

/// The next waiting connection, non-blocking and without Nagle's delay, or -1.
int accept_one(int listener);

/// Turns Nagle's algorithm off.
void disable_delay(int fd);

/// Lets this process open as many files as it may: 512 connections on two sides pass 1,024.
void raise_file_limit();

/// Prints one line to stderr and exits with status 1.
[[noreturn]] void die(const std::string& reason);

} // namespace nexus::bench
