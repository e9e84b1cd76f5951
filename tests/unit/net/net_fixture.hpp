#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "net/reactor.hpp"

/// What the stream and listener tests share. Every test runs on each reactor of this machine.
namespace nexus::net::streams_test {

/// The reactors that this machine has. Says loudly when io_uring is not among them.
inline std::vector<reactor_kind> kinds_here() {
  if (auto ring = reactor::create(reactor_kind::io_uring); !ring) {
    static const bool said = [&] {
      std::fprintf(stderr, "\n**** io_uring is NOT TESTED here: %s ****\n\n",
                   ring.error().message.c_str());
      return true;
    }();
    static_cast<void>(said);
    return {reactor_kind::epoll};
  }
  return {reactor_kind::epoll, reactor_kind::io_uring};
}

inline const char* name_of(reactor_kind kind) {
  return kind == reactor_kind::epoll ? "epoll" : "io_uring";
}

inline std::unique_ptr<reactor> make_reactor(reactor_kind kind) {
  auto made = reactor::create(kind);
  REQUIRE(made.has_value());
  REQUIRE((*made)->kind() == kind);
  return std::move(*made);
}

/// Turns the reactor until `done`. @returns whether that came before the time ran out
inline bool run_until(reactor& r, const std::function<bool()>& done,
                      milliseconds longest = seconds(20), nanoseconds step = milliseconds(50)) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    r.wait(step);
  }
  return true;
}

/// As run_until(), for conditions that the reactor is not woken for.
inline bool turn_until(reactor& r, const std::function<bool()>& done) {
  return run_until(r, done, seconds(20), std::chrono::microseconds(300));
}

inline void run_for(reactor& r, milliseconds time) {
  run_until(
      r, [] { return false; }, time);
}

/// Records what a stream tells.
struct recorder : stream_handler {
  std::string data;
  int ends = 0;
  int drained = 0;
  std::vector<error> errors;
  std::function<void(std::string_view)> data_hook;
  std::function<void()> end_hook, drained_hook, error_hook;

  void on_data(std::string_view bytes) override {
    CHECK(ends == 0);
    CHECK(errors.empty());
    data += bytes;
    if (data_hook)
      data_hook(bytes);
  }
  void on_end() override {
    ++ends;
    if (end_hook)
      end_hook();
  }
  void on_drained() override {
    ++drained;
    if (drained_hook)
      drained_hook();
  }
  void on_error(const error& reason) override {
    errors.push_back(reason);
    if (error_hook)
      error_hook();
  }
  [[nodiscard]] bool failed_with(errc code) const {
    return errors.size() == 1 && errors[0].code == make_error_code(code);
  }
};

/// A stream with its recorder.
struct end_point {
  recorder seen;
  stream_ptr stream;
  void set(stream_ptr s) {
    stream = std::move(s);
    stream->set_handler(seen);
  }
  void send(std::string_view text) {
    stream->out() += text;
    stream->flush();
  }
};

/// Bytes whose every position is recognisable.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string text(size, '\0');
  std::uint32_t state = seed * 2654435761U + 1;
  for (char& c : text) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24U);
  }
  return text;
}

/// A listener with the connections that it accepted, and a way to connect to it.
struct server {
  reactor& on;
  std::vector<std::unique_ptr<end_point>> accepted;
  std::unique_ptr<listener> socket;

  explicit server(reactor& r) : on(r) {
    auto made = r.listen({"127.0.0.1", 0}, [this](stream_ptr s, const endpoint& peer) {
      CHECK(peer.host == "127.0.0.1");
      CHECK(peer.port != 0);
      accepted.push_back(std::make_unique<end_point>());
      accepted.back()->set(std::move(s));
    });
    REQUIRE(made.has_value());
    socket = std::move(*made);
  }

  stream_ptr connect() {
    stream_ptr connected;
    bool done = false;
    auto pending = on.connect({socket->local(), seconds(5), {}}, [&](result<stream_ptr> made) {
      done = true;
      if (made)
        connected = std::move(*made);
    });
    REQUIRE_FALSE(done);
    REQUIRE(run_until(on, [&] { return done; }));
    REQUIRE(connected);
    return connected;
  }
};

/// Two ends of one TCP connection on one reactor.
struct tcp_pair {
  server listening;
  end_point client;
  explicit tcp_pair(reactor& r) : listening(r) {
    client.set(listening.connect());
    REQUIRE(run_until(r, [&] { return listening.accepted.size() == 1; }));
  }
  end_point& peer() { return *listening.accepted[0]; }
};

/// A stream of the reactor and the raw other end of its socket pair.
struct raw_pair {
  end_point ours;
  int theirs = -1;
  explicit raw_pair(reactor& r) {
    int fds[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    theirs = fds[1];
    ours.set(r.adopt(fds[0], fds[0]));
  }
  raw_pair(const raw_pair&) = delete;
  raw_pair& operator=(const raw_pair&) = delete;
  ~raw_pair() { close_theirs(); }
  void close_theirs() {
    if (theirs >= 0)
      ::close(theirs);
    theirs = -1;
  }
  void say(std::string_view text) {
    REQUIRE(::send(theirs, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
  /// What arrived at the other end, as far as it is there.
  std::string heard() {
    std::string text;
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::recv(theirs, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n <= 0)
        return text;
      text.append(buffer, static_cast<std::size_t>(n));
    }
  }
};

} // namespace nexus::net::streams_test
