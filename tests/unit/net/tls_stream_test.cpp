#include "net/tls_stream.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/net/recorder.hpp"
#include "tests/unit/net/tls_fixture.hpp"

namespace nexus::net {
namespace {

using namespace std::string_view_literals;
using Catch::Matchers::Contains;
using test::blocking_server;
using test::certificates;
using test::echo;
using test::listen_only;
using test::recorder;
using test::run_for;
using test::run_until;
using test::server_context;

certificates& pki() {
  static certificates made;
  return made;
}

tls_client_options trusting(std::string host = "good.test") {
  tls_client_options options;
  options.server_name = std::move(host);
  options.ca_file = pki().ca_file;
  return options;
}

/// A client over one end of a socket pair. The reactor outlives it.
struct client {
  client(reactor& on, int descriptor, const tls_client_options& options) : loop(on) {
    // The server's last words may meet a closed socket.
    std::signal(SIGPIPE, SIG_IGN);
    connecting = wrap_tls(loop, loop.adopt(descriptor, descriptor), options,
                          [this](result<stream_ptr> done) { outcome = std::move(done); });
    CHECK_FALSE(outcome.has_value());
  }
  bool wait_done() {
    return run_until(loop, [this] { return outcome.has_value(); });
  }
  /// The error text of a handshake that must fail.
  std::string failure() {
    REQUIRE(wait_done());
    REQUIRE_FALSE(outcome->has_value());
    CHECK(outcome->error().code == errc::tls_failed);
    return outcome->error().message;
  }
  stream& connected() {
    REQUIRE(wait_done());
    INFO((outcome->has_value() ? std::string() : outcome->error().message));
    REQUIRE(outcome->has_value());
    return *outcome->value();
  }
  stream& talking() {
    stream& open = connected();
    open.set_handler(seen);
    return open;
  }

  reactor& loop;
  recorder seen;
  std::optional<result<stream_ptr>> outcome;
  std::unique_ptr<pending_connect> connecting;
};

/// Copies between two sockets in pieces of `piece` bytes, so that records arrive torn, until both
/// have ended.
void relay(int a, int b, std::size_t piece) {
  pollfd ends[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
  const int descriptors[2] = {a, b};
  std::string buffer(piece, '\0');
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends, 2, 30'000) <= 0)
      return;
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0)
        continue;
      const ssize_t bytes = read(ends[i].fd, buffer.data(), piece);
      if (bytes <= 0 ||
          write(descriptors[1 - i], buffer.data(), static_cast<std::size_t>(bytes)) != bytes) {
        ::shutdown(descriptors[1 - i], SHUT_WR);
        ends[i].fd = -1;
      }
    }
  }
}

auto any_reactor() {
  return test::make_reactor(GENERATE(reactor_kind::epoll, reactor_kind::io_uring));
}

} // namespace

TEST_CASE("tls_stream accepts a certificate for the host", "[net][tls]") {
  const auto loop = any_reactor();
  const auto host =
      GENERATE("good.test", "GOOD.test", "good.test.", "a.wild.test", "127.0.0.1", "::1", "[::1]");
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, echo);
  client c(*loop, server.client_end, trusting(host));
  stream& open = c.talking();
  test::send(open, "hello");
  REQUIRE(run_until(*loop, [&] { return c.seen.data == "hello"; }));
  open.shutdown_write();
  REQUIRE(run_until(*loop, [&] { return c.seen.ends == 1; }));
  CHECK_FALSE(c.seen.failure);
  server.join();
  CHECK(server.accepted);
}

TEST_CASE("tls_stream refuses a certificate for another host", "[net][tls]") {
  const auto loop = any_reactor();
  const auto host = GENERATE("bad.test", "wild.test", "a.b.wild.test", "127.0.0.2", "::2");
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, listen_only);
  client c(*loop, server.client_end, trusting(host));
  CHECK_THAT(c.failure(), Contains(host) && Contains("mismatch") && Contains("host name"));
  c.outcome.reset();
}

TEST_CASE("tls_stream refuses a certificate of an unknown authority", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  std::string alert;
  blocking_server server(*loop, *context, [&](SSL&, int) {
    if (const char* reason = ERR_reason_error_string(ERR_get_error()))
      alert = reason;
  });
  tls_client_options options = trusting();
  SECTION("another one in ca_file") {
    options.ca_file = pki().stranger_file;
  }
  SECTION("none but the system's") {
    options.ca_file.clear();
  }
  client c(*loop, server.client_end, options);
  CHECK_THAT(c.failure(),
             Contains("good.test") && Contains("local issuer") && Contains("\"ca\" of \"tls\""));
  c.outcome.reset();
  run_until(
      *loop, [&] { return c.loop.counters().streams == 0; }, seconds(2));
  server.join();
  CHECK_FALSE(server.accepted);
  CHECK_THAT(alert, Contains("unknown ca")); // The peer learns why.
}

TEST_CASE("tls_stream refuses an expired certificate", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().expired);
  blocking_server server(*loop, *context, listen_only);
  client c(*loop, server.client_end, trusting());
  CHECK_THAT(c.failure(), Contains("good.test") && Contains("expired") && Contains("renew"));
  c.outcome.reset();
}

TEST_CASE("tls_stream accepts any certificate with verify off", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().expired);
  blocking_server server(*loop, *context, echo);
  tls_client_options options = trusting("other.test");
  options.verify = false;
  client c(*loop, server.client_end, options);
  test::send(c.talking(), "x");
  CHECK(run_until(*loop, [&] { return c.seen.data == "x"; }));
  c.outcome.reset();
}

TEST_CASE("tls_stream trusts a server certificate that ca_file names itself", "[net][tls]") {
  const auto loop = test::make_reactor(reactor_kind::epoll);
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, echo);
  tls_client_options options = trusting();
  options.ca_file = pki().write("pinned.pem", pki().server, false);
  client c(*loop, server.client_end, options);
  c.connected();
  c.outcome.reset();
}

TEST_CASE("tls_stream asks for the host, HTTP/1.1 and TLS 1.2 at least", "[net][tls]") {
  const auto loop = test::make_reactor(reactor_kind::epoll);
  const auto context = server_context(pki().server);
  const auto choose = [](SSL*, const unsigned char** out, unsigned char* length,
                         const unsigned char* in, unsigned int bytes, void* offered) {
    static_cast<std::string*>(offered)->assign(in, in + bytes);
    *out = in + 1;
    *length = in[0];
    return SSL_TLSEXT_ERR_OK;
  };
  std::string offered, name;
  SSL_CTX_set_alpn_select_cb(context.get(), choose, &offered);
  const auto take_name = [&](SSL& session, int) {
    if (const char* sent = SSL_get_servername(&session, TLSEXT_NAMETYPE_host_name))
      name = sent;
  };
  SECTION("a name") {
    blocking_server server(*loop, *context, take_name);
    client c(*loop, server.client_end, trusting());
    c.connected();
    server.join();
    CHECK(offered == "\x08http/1.1");
    CHECK(name == "good.test");
  }
  SECTION("an address is not sent as a name") {
    blocking_server server(*loop, *context, take_name);
    client c(*loop, server.client_end, trusting("127.0.0.1"));
    c.connected();
    server.join();
    CHECK(name.empty());
  }
  SECTION("TLS 1.2") {
    SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
    blocking_server server(*loop, *context, echo);
    client c(*loop, server.client_end, trusting());
    test::send(c.talking(), "old");
    CHECK(run_until(*loop, [&] { return c.seen.data == "old"; }));
    c.outcome.reset();
  }
  SECTION("TLS 1.1") {
    SSL_CTX_set_min_proto_version(context.get(), TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
    SSL_CTX_set_security_level(context.get(), 0);
    blocking_server server(*loop, *context, listen_only);
    client c(*loop, server.client_end, trusting());
    CHECK_THAT(c.failure(), Contains("TLS 1.2 or newer"));
    c.outcome.reset();
  }
}

TEST_CASE("tls_stream echoes 16 MiB", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, echo);
  client c(*loop, server.client_end, trusting());
  stream& open = c.talking();
  std::string block(16 << 20, '\0');
  for (std::size_t i = 0; i < block.size(); ++i)
    block[i] = static_cast<char>(i * 31 + (i >> 12));
  const std::size_t handshake_bytes = open.queued_bytes();
  open.out() += block;
  CHECK(open.queued_bytes() == handshake_bytes + block.size());
  open.flush();
  CHECK(open.queued_bytes() > handshake_bytes + block.size()); // Records carry overhead.
  open.shutdown_write();
  REQUIRE(run_until(*loop, [&] { return c.seen.ends == 1 || c.seen.failure; }));
  CHECK_FALSE(c.seen.failure);
  CHECK(c.seen.data == block);
  CHECK(c.seen.drains == 1);
  CHECK(open.queued_bytes() == 0);
}

TEST_CASE("tls_stream stands records that arrive torn", "[net][tls]") {
  const auto loop = any_reactor();
  const std::size_t piece = GENERATE(1U, 7U, 4096U);
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, echo);
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  std::thread between([&, a = ends[1], b = server.client_end] {
    relay(a, b, piece);
    close(a);
    close(b);
  });
  {
    client c(*loop, ends[0], trusting());
    stream& open = c.talking();
    const std::string text(20'000, 't');
    test::send(open, text);
    CHECK(run_until(*loop, [&] { return c.seen.data == text; }));
    open.shutdown_write();
    CHECK(run_until(*loop, [&] { return c.seen.ends == 1; }));
  }
  run_for(*loop, milliseconds(10));
  between.join();
}

TEST_CASE("tls_stream shows a client certificate", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_load_verify_file(context.get(), pki().ca_file.c_str());
  tls_client_options options = trusting();
  SECTION("that the server accepts") {
    blocking_server server(*loop, *context, echo);
    options.certificate_file = pki().client_cert_file;
    options.key_file = pki().client_key_file;
    client c(*loop, server.client_end, options);
    test::send(c.talking(), "it is me");
    CHECK(run_until(*loop, [&] { return c.seen.data == "it is me"; }));
    c.outcome.reset();
  }
  SECTION("or is told that one is needed, in TLS 1.3 after the handshake") {
    blocking_server server(*loop, *context, listen_only);
    client c(*loop, server.client_end, options);
    c.talking();
    REQUIRE(run_until(*loop, [&] { return c.seen.failure.has_value(); }));
    CHECK(c.seen.failure->code == errc::tls_failed);
    CHECK_THAT(c.seen.failure->message, Contains("good.test") && Contains("\"cert\""));
  }
  SECTION("or is told that one is needed, in TLS 1.2 during it") {
    SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
    blocking_server server(*loop, *context, listen_only);
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("good.test") && Contains("\"cert\""));
    c.outcome.reset();
  }
}

TEST_CASE("tls_stream says which file it cannot use", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, listen_only);
  tls_client_options options = trusting();
  SECTION("CA") {
    options.ca_file = "/no/such/ca.pem";
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("CA file \"/no/such/ca.pem\"") && Contains("No such file"));
  }
  SECTION("CA without a certificate in it") {
    options.ca_file = pki().client_key_file;
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("CA file"));
  }
  SECTION("certificate") {
    options.certificate_file = "/no/such/cert.pem";
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("certificate \"/no/such/cert.pem\""));
  }
  SECTION("key of another certificate") {
    options.certificate_file = pki().client_cert_file;
    options.key_file = pki().write("other-key.pem", pki().server, true);
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("client key") && Contains("other-key.pem"));
  }
  SECTION("no name to verify") {
    options.server_name.clear();
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("no host name"));
  }
  SECTION("a name with a NUL byte in it") {
    options.server_name = std::string("good.test\0.evil.test", 20);
    client c(*loop, server.client_end, options);
    CHECK_THAT(c.failure(), Contains("not a host name"));
  }
}

TEST_CASE("tls_stream reads a CA file once until it changes", "[net][tls]") {
  const auto loop = test::make_reactor(reactor_kind::epoll);
  const auto context = server_context(pki().server);
  tls_client_options options = trusting();
  options.ca_file = pki().write("changing.pem", pki().stranger, false);
  const auto attempt = [&] {
    blocking_server server(*loop, *context, [](SSL&, int) {});
    client c(*loop, server.client_end, options);
    REQUIRE(c.wait_done());
    const bool trusted = c.outcome->has_value();
    c.outcome.reset();
    return trusted;
  };
  CHECK_FALSE(attempt());
  std::filesystem::remove(options.ca_file);
  options.ca_file = pki().write("changing.pem", pki().authority, false);
  CHECK(attempt());
}

TEST_CASE("tls_stream tells an end from a cut", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  SECTION("close_notify") {
    blocking_server server(*loop, *context, [](SSL& session, int) {
      SSL_write(&session, "bye", 3);
      SSL_shutdown(&session);
    });
    client c(*loop, server.client_end, trusting());
    c.talking();
    REQUIRE(run_until(*loop, [&] { return c.seen.ends == 1; }));
    run_for(*loop, milliseconds(20));
    CHECK(c.seen.data == "bye");
    CHECK(c.seen.ends == 1);
    CHECK_FALSE(c.seen.failure);
  }
  SECTION("the connection ends without it") {
    blocking_server server(*loop, *context,
                           [](SSL& session, int) { SSL_write(&session, "by", 2); });
    client c(*loop, server.client_end, trusting());
    c.talking();
    REQUIRE(run_until(*loop, [&] { return c.seen.failure.has_value(); }));
    CHECK(c.seen.data == "by");
    CHECK(c.seen.ends == 0);
    CHECK(c.seen.failure->code == errc::reset);
    CHECK_THAT(c.seen.failure->message, Contains("close_notify"));
  }
  SECTION("the connection ends during the handshake") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client c(*loop, ends[0], trusting());
    run_for(*loop, milliseconds(10));
    REQUIRE(::shutdown(ends[1], SHUT_WR) == 0);
    CHECK_THAT(c.failure(), Contains("good.test") && Contains("during the handshake"));
    close(ends[1]);
  }
  SECTION("garbage between records") {
    blocking_server server(*loop, *context, [](SSL& session, int end) {
      SSL_write(&session, "ok", 2);
      static constexpr std::string_view garbage =
          "\x17\x03\x03\x00\x20 not the ciphertext of anything!"sv;
      if (write(end, garbage.data(), garbage.size()) > 0)
        listen_only(session, end);
    });
    client c(*loop, server.client_end, trusting());
    c.talking();
    REQUIRE(run_until(*loop, [&] { return c.seen.failure.has_value(); }));
    CHECK(c.seen.data == "ok");
    CHECK(c.seen.failure->code == errc::tls_failed);
    c.outcome.reset();
  }
}

TEST_CASE("tls_stream recognises a server that does not speak TLS", "[net][tls]") {
  const auto loop = any_reactor();
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  REQUIRE(write(ends[1], answer.data(), answer.size()) > 0);
  client c(*loop, ends[0], trusting());
  CHECK_THAT(c.failure(), Contains("good.test") && Contains("does not speak TLS"));
  close(ends[1]);
}

TEST_CASE("tls_stream holds data back while reading is paused", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  const std::string block(300'000, 'p');
  blocking_server server(*loop, *context, [&](SSL& session, int) {
    SSL_write(&session, block.data(), static_cast<int>(block.size()));
    SSL_shutdown(&session);
  });
  client c(*loop, server.client_end, trusting());
  stream& open = c.connected();
  c.seen.when_data = [&] { open.pause_reading(); };
  open.set_handler(c.seen);
  std::size_t before = 0;
  while (c.seen.data.size() < block.size()) {
    REQUIRE(run_until(*loop, [&] { return c.seen.data.size() > before; }));
    before = c.seen.data.size();
    const int calls = c.seen.data_calls;
    run_for(*loop, milliseconds(2));
    REQUIRE(c.seen.data_calls == calls);
    REQUIRE(c.seen.ends == 0);
    open.resume_reading();
  }
  CHECK(run_until(*loop, [&] { return c.seen.ends == 1; }));
  CHECK(c.seen.data == block);
  CHECK_FALSE(c.seen.failure);
}

TEST_CASE("tls_stream keeps what comes before a handler is set", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, [](SSL& session, int) {
    SSL_write(&session, "early", 5);
    SSL_shutdown(&session);
  });
  client c(*loop, server.client_end, trusting());
  stream& open = c.connected();
  run_for(*loop, milliseconds(50));
  open.set_handler(c.seen);
  CHECK(c.seen.data.empty());
  REQUIRE(run_until(*loop, [&] { return c.seen.ends == 1; }));
  CHECK(c.seen.data == "early");
  recorder second;
  open.set_handler(second);
  run_for(*loop, milliseconds(5));
  CHECK(second.ends == 0);
}

TEST_CASE("tls_stream may be destroyed at any time", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, echo);
  SECTION("before the handshake") {
    client c(*loop, server.client_end, trusting());
    c.connecting.reset();
    run_for(*loop, milliseconds(20));
    CHECK_FALSE(c.outcome.has_value());
  }
  SECTION("by the handler of the handshake") {
    int calls = 0;
    std::unique_ptr<pending_connect> connecting;
    connecting = wrap_tls(*loop, loop->adopt(server.client_end, server.client_end), trusting(),
                          [&](result<stream_ptr> done) {
                            ++calls;
                            CHECK(done.has_value());
                            connecting.reset();
                          });
    CHECK(run_until(*loop, [&] { return calls == 1; }));
    run_for(*loop, milliseconds(5));
  }
  SECTION("by on_data, with more to come") {
    client c(*loop, server.client_end, trusting());
    c.seen.when_data = [&] { c.outcome.reset(); };
    test::send(c.talking(), std::string(200'000, 'd'));
    REQUIRE(run_until(*loop, [&] { return !c.outcome; }));
    CHECK(c.seen.data_calls == 1);
  }
  SECTION("by on_end") {
    client c(*loop, server.client_end, trusting());
    c.seen.when_end = [&] { c.outcome.reset(); };
    c.talking().shutdown_write();
    CHECK(run_until(*loop, [&] { return !c.outcome; }));
  }
  SECTION("with a turn still posted") {
    client c(*loop, server.client_end, trusting());
    c.talking().pause_reading();
    c.connected().resume_reading();
    c.outcome.reset();
  }
  SECTION("after close_after_flush") {
    client c(*loop, server.client_end, trusting());
    test::send(c.talking(), "last words");
    close_after_flush(std::move(c.outcome->value()));
    server.join();
  }
  run_for(*loop, milliseconds(20));
}

TEST_CASE("tls_stream may be destroyed by on_error", "[net][tls]") {
  const auto loop = any_reactor();
  const auto context = server_context(pki().server);
  blocking_server server(*loop, *context, [](SSL&, int) {});
  client c(*loop, server.client_end, trusting());
  c.seen.when_error = [&] { c.outcome.reset(); };
  c.talking();
  CHECK(run_until(*loop, [&] { return !c.outcome; }));
}

TEST_CASE("tls_stream shares one context between threads", "[net][tls]") {
  const auto context = server_context(pki().server);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  const tls_client_options options = trusting();
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      auto loop = reactor::create(reactor_kind::epoll);
      if (!loop)
        return;
      for (int round = 0; round < 5; ++round) {
        blocking_server server(**loop, *context, echo);
        stream_ptr open;
        bool done = false;
        const auto connecting =
            wrap_tls(**loop, (*loop)->adopt(server.client_end, server.client_end), options,
                     [&](result<stream_ptr> connected) {
                       done = true;
                       if (connected)
                         open = std::move(*connected);
                     });
        if (run_until(**loop, [&] { return done; }) && open)
          ++good;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(good == 20);
}

} // namespace nexus::net
