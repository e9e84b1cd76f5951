#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "net/reactor.hpp"

/// What the tests of child processes and TLS share.
namespace nexus::net::test {

/// Longer than anything here takes under a sanitizer on a busy machine.
inline constexpr seconds patience{30};

/// Both kinds, one after the other; a machine without io_uring says so.
inline std::unique_ptr<reactor> make_reactor(reactor_kind kind) {
  auto made = reactor::create(kind);
  if (!made && kind == reactor_kind::io_uring) {
    WARN("no io_uring here: " << made.error().message);
    made = reactor::create(reactor_kind::epoll);
  }
  REQUIRE(made.has_value());
  return std::move(*made);
}

template <class Condition>
bool run_until(reactor& on, Condition condition, nanoseconds limit = patience) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline)
      return false;
    on.wait(milliseconds(20));
  }
  return true;
}

/// Lets the reactor run for a while, to see that something does not happen.
inline void run_for(reactor& on, milliseconds time) {
  run_until(
      on, [] { return false; }, time);
}

/// Keeps what a stream reports. `when_data` and `when_end` may destroy the stream.
struct recorder final : stream_handler {
  void on_data(std::string_view bytes) override {
    data += bytes;
    ++data_calls;
    if (when_data)
      when_data();
  }
  void on_end() override {
    ++ends;
    if (when_end)
      when_end();
  }
  void on_drained() override { ++drains; }
  void on_error(const error& reason) override {
    failure = reason;
    if (when_error)
      when_error();
  }

  std::string data;
  int data_calls = 0;
  int ends = 0;
  int drains = 0;
  std::optional<error> failure;
  unique_function<void()> when_data, when_end, when_error;
};

inline void send(stream& to, std::string_view text) {
  to.out() += text;
  to.flush();
}

} // namespace nexus::net::test
