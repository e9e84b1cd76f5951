#include "engine/http_pool.hpp"
#include "tests/unit/net/net_fixture.hpp"
#include "json/scan.hpp"

using namespace nexus;
using namespace nexus::engine;
using namespace nexus::net::streams_test;

namespace {

/// Records what one request yields; the hooks run within the callbacks.
struct seen_call final : http_call_handler {
  std::vector<std::string> messages;
  int ends = 0;
  unsigned status = 0;
  std::string body;
  std::vector<error> failures;
  bool untouched = false;
  event_position reached;
  std::function<void(http_call&)> message_hook;
  std::function<void()> end_hook, failure_hook;

  void on_message(http_call& call, std::string_view text) override {
    CHECK_FALSE(over());
    char sum = 0; // the padding is readable; AddressSanitizer sees when it is not
    for (std::size_t i = 0; i < json::padding_bytes; ++i)
      sum = static_cast<char>(sum ^ text.data()[text.size() + i]);
    static_cast<void>(sum);
    messages.emplace_back(text);
    if (message_hook)
      message_hook(call);
  }
  void on_end(http_call& call, const http::response_head& head, std::string_view text) override {
    CHECK_FALSE(over());
    reached = http_pool::position_of(call);
    ++ends;
    status = head.status;
    body = text;
    if (end_hook)
      end_hook();
  }
  void on_failure(http_call& call, const error& reason, bool was_untouched) override {
    CHECK_FALSE(over());
    reached = http_pool::position_of(call);
    failures.push_back(reason);
    untouched = was_untouched;
    if (failure_hook)
      failure_hook();
  }
  [[nodiscard]] bool over() const { return ends > 0 || !failures.empty(); }
};

constexpr std::string_view request = "POST /mcp HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";

std::string answer(std::string_view body, std::string_view fields = "",
                   std::string_view type = "application/json") {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) +
         "\r\n" + std::string(body);
}

std::string chunked(std::string_view piece) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
  return size + std::string(piece) + "\r\n";
}

const std::string events_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n";

/// A pool beside the server that it talks to; the tests play the server.
struct world {
  std::unique_ptr<net::reactor> reactor;
  server listening;
  http_pool pool;

  explicit world(net::reactor_kind kind, std::size_t response_bytes_max = 1 << 20)
      : reactor(make_reactor(kind)), listening(*reactor),
        pool(*reactor, {listening.socket->local(), {}, seconds(5), response_bytes_max}) {}

  /// The server's end of the connection that got `count` requests so far.
  end_point& asked(std::size_t connection, std::size_t count = 1) {
    REQUIRE(run_until(*reactor, [&] {
      return listening.accepted.size() > connection &&
             listening.accepted[connection]->seen.data.size() >= count * request.size();
    }));
    auto& found = *listening.accepted[connection];
    CHECK(found.seen.data.size() == count * request.size());
    CHECK(found.seen.data.ends_with(request));
    return found;
  }
  void finish(const seen_call& call) {
    REQUIRE(run_until(*reactor, [&] { return call.over(); }));
  }
  /// One request over connection `connection`, answered well.
  void exchange(std::size_t connection, std::size_t count, std::string_view fields = "") {
    seen_call call;
    pool.start(request, call);
    asked(connection, count).send(answer("{}", fields));
    finish(call);
    CHECK(call.messages == std::vector<std::string>{"{}"});
  }
  bool closed(std::size_t connection) {
    auto& end = listening.accepted.at(connection)->seen;
    return run_until(*reactor, [&] { return end.ends > 0 || !end.errors.empty(); });
  }
};

#define FOR_EACH_REACTOR()                                                                         \
  const auto kind = GENERATE(from_range(kinds_here()));                                            \
  CAPTURE(name_of(kind))

} // namespace

TEST_CASE("http_pool delivers a JSON answer and keeps the connection", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  const auto pieces = GENERATE(as<std::size_t>{}, 0, 1, 7);
  for (std::size_t i = 1; i <= 3; ++i) {
    seen_call call;
    w.pool.start(request, call);
    auto& server = w.asked(0, i);
    const auto wire = answer(R"({"jsonrpc":"2.0","id":1,"result":{}})");
    for (std::size_t at = 0; at < wire.size(); at += pieces == 0 ? wire.size() : pieces) {
      CHECK_FALSE(call.over());
      server.send(wire.substr(at, pieces == 0 ? wire.npos : pieces));
      w.reactor->poll();
    }
    w.finish(call);
    CHECK(call.messages == std::vector<std::string>{R"({"jsonrpc":"2.0","id":1,"result":{}})"});
    CHECK(call.ends == 1);
    CHECK(call.status == 200);
    CHECK(call.body.empty());
  }
  CHECK(w.listening.accepted.size() == 1);
  CHECK(w.pool.open_connections() == 1);
}

TEST_CASE("http_pool reuses the connection that was used last", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call first, second, third;
  w.pool.start(request, first);
  w.asked(0);
  w.pool.start(request, second);
  w.asked(1);
  w.pool.start(request, third);
  auto& last = w.asked(2);
  w.listening.accepted[0]->send(answer("{}"));
  w.finish(first);
  last.send(answer("{}"));
  w.finish(third);
  w.listening.accepted[1]->send(answer("{}"));
  w.finish(second);
  CHECK(w.pool.open_connections() == 3);
  seen_call a, b, c;
  w.pool.start(request, a);
  w.asked(1, 2);
  w.pool.start(request, b);
  w.asked(2, 2);
  w.pool.start(request, c);
  w.asked(0, 2);
}

TEST_CASE("http_pool leaves when the server says so", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  w.exchange(0, 1, "Connection: close\r\n");
  CHECK(w.closed(0));
  w.exchange(1, 1, "Keep-Alive: timeout=1\r\n"); // less than a second is left
  CHECK(w.closed(1));
  w.exchange(2, 1, "Keep-Alive: timeout=60, max=9\r\n");
  w.exchange(2, 2, "Keep-Alive: max=9, timeout=2\r\n");
  CHECK(w.pool.open_connections() == 1);
  const auto given_back = std::chrono::steady_clock::now();
  CHECK(w.closed(2));
  const auto idle = std::chrono::steady_clock::now() - given_back;
  CHECK(idle > milliseconds(900));
  CHECK(idle < seconds(10));
  CHECK(w.pool.open_connections() == 0);
}

TEST_CASE("http_pool closes a connection that got more than its answer", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call call;
  w.pool.start(request, call);
  w.asked(0).send(answer("{}") + "HTTP/1.1 200 OK\r\n");
  w.finish(call);
  CHECK(call.ends == 1);
  CHECK(w.closed(0));
  w.exchange(1, 1);
  w.listening.accepted[1]->send("HTTP/1.1 408 Timeout\r\n\r\n"); // nobody asked
  CHECK(w.closed(1));
  CHECK(w.pool.open_connections() == 0);
  w.exchange(2, 1);
}

TEST_CASE("http_pool forgets idle connections that the server closes", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  w.exchange(0, 1);
  w.listening.accepted[0]->stream.reset();
  REQUIRE(run_until(*w.reactor, [&] { return w.pool.open_connections() == 0; }));
  w.exchange(1, 1);
}

TEST_CASE("http_pool delivers the events of a stream one by one", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  const auto size = GENERATE(as<std::size_t>{}, 0, 1, 5);
  world w(kind);
  seen_call call;
  w.pool.start(request, call);
  auto& server = w.asked(0);
  const std::string wire = events_head + chunked(": hello\n\nid: 1\ndata:\n\nretry: 5\n\n") +
                           chunked("event: message\ndata: {\"n\":1}\n\ndata: {\"n\"") +
                           chunked(":\ndata: 2}\n\n") +
                           chunked("event: other\ndata: x\n\nevent: endpoint\ndata: /message\n\n") +
                           chunked("data: {\"n\":3}\r\n\r\n") + "0\r\n\r\n";
  for (std::size_t at = 0; at < wire.size(); at += size == 0 ? wire.size() : size) {
    server.send(wire.substr(at, size == 0 ? wire.npos : size));
    w.reactor->poll();
  }
  w.finish(call);
  CHECK(call.messages ==
        std::vector<std::string>{R"({"n":1})", "{\"n\":\n2}", "/message", R"({"n":3})"});
  CHECK(call.ends == 1);
  w.exchange(0, 2); // a stream that ended by its framing leaves the connection usable
}

TEST_CASE("http_pool knows how far a stream came", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  struct row {
    const char* name;
    std::string events;
    std::string last_id;
    std::optional<milliseconds> retry;
  };
  const row rows[] = {
      {"nothing", "", "", {}},
      {"no id", "data: {}\n\n", "", {}},
      {"a primed stream", "id: a/1\nretry: 500\ndata: \n\n", "a/1", milliseconds(500)},
      {"the last of several", "id: 1\ndata: {}\n\ndata: {}\n\nid: 2\ndata: {}\n\n", "2", {}},
      {"an id that is taken back", "id: 1\ndata: {}\n\nid\ndata: {}\n\n", "", {}},
      {"an id that fits no header", "id: 1\ndata: {}\n\nid: a b\ndata: {}\n\n", "", {}},
      {"an id that is too long", "id: " + std::string(1'025, 'x') + "\n\n", "", {}},
      {"an event that has not ended", "id: 1\ndata: {}\n\nid: 2\ndata: {}\n", "1", {}},
  };
  for (const auto& r : rows) {
    for (const bool broken : {false, true}) {
      INFO(r.name << (broken ? ", broken" : ""));
      world w(kind);
      seen_call call;
      w.pool.start(request, call);
      auto& server = w.asked(0);
      server.send(events_head + (r.events.empty() ? "" : chunked(r.events)));
      if (!broken)
        server.send("0\r\n\r\n");
      else
        net::close_after_flush(std::move(server.stream));
      w.finish(call);
      CHECK(call.failures.size() == (broken ? 1 : 0));
      CHECK(call.reached.last_id == r.last_id);
      CHECK(call.reached.retry == r.retry);
    }
  }
}

TEST_CASE("http_pool reads a stream without framing to its end", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call call;
  w.pool.start(request, call);
  auto& server = w.asked(0);
  server.send("HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\n"
              "data: 1\n\n");
  REQUIRE(run_until(*w.reactor, [&] { return call.messages.size() == 1; }));
  CHECK_FALSE(call.over()); // delivered at once, not at the end
  server.send("data: 2\n\ndata: lost");
  server.stream->shutdown_write();
  w.finish(call);
  CHECK(call.messages == std::vector<std::string>{"1", "2"});
  CHECK(call.ends == 1);
}

TEST_CASE("http_pool hands over other bodies cut short", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call call, accepted;
  w.pool.start(request, call);
  w.asked(0).send(answer("oops " + std::string(100'000, 'x'), "", "text/plain"));
  w.finish(call);
  CHECK(call.messages.empty());
  CHECK(call.body.starts_with("oops xxx"));
  CHECK(call.body.size() == 4096);
  w.pool.start(request, accepted);
  w.asked(0, 2).send("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  w.finish(accepted);
  CHECK(accepted.status == 202);
  CHECK(accepted.body.empty());
  w.exchange(0, 3);
}

TEST_CASE("http_pool tells whether a server may have seen a request", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  struct row {
    const char* name;
    bool reused;
    std::string sent;
    bool untouched;
  };
  const row rows[] = {
      {"fresh, nothing came", false, "", false},
      {"reused, nothing came", true, "", true},
      {"reused, a byte came", true, "H", false},
      {"reused, within the head", true, "HTTP/1.1 200 OK\r\nContent-", false},
      {"reused, within the body", true,
       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}", false},
      {"within a chunked stream", false, events_head + "5\r\nda", false},
  };
  for (const auto& r : rows) {
    INFO(r.name);
    world w(kind);
    if (r.reused)
      w.exchange(0, 1);
    seen_call call;
    w.pool.start(request, call);
    auto& server = w.asked(0, r.reused ? 2 : 1);
    server.send(r.sent);
    net::close_after_flush(std::move(server.stream));
    w.finish(call);
    CHECK(call.messages.empty());
    REQUIRE(call.failures.size() == 1);
    CHECK_FALSE(call.failures[0].message.empty());
    CHECK(call.untouched == r.untouched);
    CHECK(w.pool.open_connections() == 0);
  }
}

TEST_CASE("http_pool fails what is no HTTP and what is too large", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  const std::string large(2000, 'x');
  const std::string rows[] = {
      "SSH-2.0-OpenSSH\r\n\r\n",
      answer("{\"" + large + "\":1}"),
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
          chunked(large.substr(0, 900)) + chunked(large.substr(0, 900)),
      events_head + chunked("data: " + large + "\n\n"),
      events_head + chunked("data: " + large),
      events_head + "zz\r\n",
  };
  for (const auto& wire : rows) {
    INFO(wire.substr(0, 60));
    world w(kind, 1000);
    seen_call call;
    w.pool.start(request, call);
    w.asked(0).send(wire);
    w.finish(call);
    CHECK(call.messages.empty());
    CHECK(call.failures.size() == 1);
    CHECK_FALSE(call.untouched);
    CHECK(w.closed(0));
    CHECK(w.pool.open_connections() == 0);
  }
  // Many events may be larger together than one alone.
  world w(kind, 1000);
  seen_call call;
  w.pool.start(request, call);
  auto& server = w.asked(0);
  server.send(events_head);
  for (int i = 0; i < 50; ++i)
    server.send(chunked("data: " + large.substr(0, 900) + "\n\n"));
  server.send("0\r\n\r\n");
  w.finish(call);
  CHECK(call.messages.size() == 50);
  CHECK(call.ends == 1);
}

TEST_CASE("http_pool reports connections that cannot be made", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  w.listening.socket.reset();
  run_for(*w.reactor, milliseconds(20));
  seen_call call;
  w.pool.start(request, call);
  CHECK_FALSE(call.over()); // never before start() returns
  w.finish(call);
  REQUIRE(call.failures.size() == 1);
  CHECK(call.failures[0].code == net::errc::connect_failed);
  CHECK_FALSE(call.untouched);
  CHECK(w.pool.open_connections() == 0);
}

TEST_CASE("http_pool calls nobody who has cancelled", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  SECTION("before the connection is made") {
    world w(kind);
    seen_call call;
    w.pool.cancel(w.pool.start(request, call));
    CHECK(w.pool.open_connections() == 0);
    run_for(*w.reactor, milliseconds(30));
    CHECK_FALSE(call.over());
  }
  SECTION("before the answer") {
    world w(kind);
    seen_call call;
    auto& started = w.pool.start(request, call);
    w.asked(0);
    w.pool.cancel(started);
    CHECK(w.closed(0)); // which is how a modern server learns of it
    CHECK_FALSE(call.over());
    w.exchange(1, 1);
  }
  SECTION("within a JSON answer") {
    world w(kind);
    seen_call call;
    call.message_hook = [&](http_call& self) { w.pool.cancel(self); };
    w.pool.start(request, call);
    w.asked(0).send(answer("{}"));
    CHECK(w.closed(0));
    CHECK(call.messages.size() == 1);
    CHECK_FALSE(call.over());
  }
  SECTION("within a stream") {
    world w(kind);
    seen_call call;
    call.message_hook = [&](http_call& self) { w.pool.cancel(self); };
    w.pool.start(request, call);
    w.asked(0).send(events_head + chunked("data: 1\n\ndata: 2\n\n") + chunked("data: 3\n\n") +
                    "0\r\n\r\n");
    CHECK(w.closed(0));
    CHECK(call.messages == std::vector<std::string>{"1"});
    CHECK_FALSE(call.over());
    CHECK(w.pool.open_connections() == 0);
  }
}

TEST_CASE("http_pool reads on for a caller who is gone", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call json, events;
  json.message_hook = [&](http_call& self) { w.pool.detach(self); };
  w.pool.start(request, json);
  w.asked(0).send(answer("{}"));
  REQUIRE(run_until(*w.reactor, [&] { return json.messages.size() == 1; }));
  events.message_hook = [&](http_call& self) { w.pool.detach(self); };
  w.pool.start(request, events);
  auto& server = w.asked(0, 2); // the connection serves again
  server.send(events_head + chunked("data: 1\n\ndata: 2\n\n"));
  REQUIRE(run_until(*w.reactor, [&] { return events.messages.size() == 1; }));
  server.send(chunked("data: 3\n\n") + "0\r\n\r\n");
  run_for(*w.reactor, milliseconds(30));
  CHECK(events.messages == std::vector<std::string>{"1"});
  CHECK_FALSE(json.over());
  CHECK_FALSE(events.over());
  w.exchange(0, 3);
  CHECK(w.listening.accepted.size() == 1);
}

TEST_CASE("http_pool gives up a detached stream that does not end", "[engine][http_pool][slow]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call call;
  call.message_hook = [&](http_call& self) { w.pool.detach(self); };
  w.pool.start(request, call);
  w.asked(0).send(events_head + chunked("data: 1\n\n"));
  CHECK(w.closed(0));
  CHECK_FALSE(call.over());
}

TEST_CASE("http_pool may be used within its callbacks", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  seen_call first, second, third;
  first.message_hook = [&](http_call&) { w.pool.start(request, second); };
  second.end_hook = [&] { w.pool.start(request, third); };
  w.pool.start(request, first);
  w.asked(0).send(answer("{}"));
  w.asked(1).send(answer("{}"));
  w.finish(second);
  CHECK(first.ends == 1);
  w.asked(0, 2).send(answer("[]")); // the first one was free by then
  w.finish(third);
  CHECK(third.messages == std::vector<std::string>{"[]"});

  seen_call failing, retried;
  failing.failure_hook = [&] { w.pool.start(request, retried); };
  w.pool.start(request, failing);
  w.asked(0, 3).stream.reset();
  w.finish(failing);
  CHECK(failing.untouched);
  w.asked(1, 2).send(answer("{}"));
  w.finish(retried);
  CHECK(retried.ends == 1);
}

TEST_CASE("http_pool sends what nobody waits for", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  world w(kind);
  w.pool.send(request);
  w.asked(0).send("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  run_for(*w.reactor, milliseconds(30));
  w.exchange(0, 2);
}

TEST_CASE("a pool that dies calls nobody", "[engine][http_pool]") {
  FOR_EACH_REACTOR();
  auto reactor = make_reactor(kind);
  server listening(*reactor);
  seen_call connecting, waiting, reading;
  {
    http_pool pool(*reactor, {listening.socket->local(), {}, seconds(5), 1000});
    pool.start(request, waiting);
    pool.start(request, reading);
    REQUIRE(run_until(*reactor, [&] {
      return listening.accepted.size() == 2 && listening.accepted[1]->seen.data == request;
    }));
    listening.accepted[1]->send("HTTP/1.1 200 OK\r\n");
    run_for(*reactor, milliseconds(20));
    pool.start(request, connecting);
  }
  run_for(*reactor, milliseconds(30));
  CHECK_FALSE(connecting.over());
  CHECK_FALSE(waiting.over());
  CHECK_FALSE(reading.over());
}
