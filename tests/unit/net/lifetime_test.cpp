#include "tests/unit/net/net_fixture.hpp"

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

// Handlers destroy what calls them, and others. ASan is the judge.

TEST_CASE("a stream may be destroyed in each of its callbacks", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  {
    raw_pair pair(*r);
    pair.ours.seen.data_hook = [&](std::string_view bytes) {
      pair.ours.send("queued, then dropped");
      pair.ours.stream.reset();
      CHECK(bytes == "data"); // The bytes live as long as the call.
    };
    pair.say("data");
    REQUIRE(run_until(*r, [&] { return !pair.ours.stream; }));
    run_for(*r, milliseconds(5));
    CHECK(pair.ours.seen.data == "data");
  }
  {
    raw_pair pair(*r);
    pair.ours.seen.end_hook = [&] { pair.ours.stream.reset(); };
    pair.close_theirs();
    REQUIRE(run_until(*r, [&] { return !pair.ours.stream; }));
  }
  {
    raw_pair pair(*r);
    pair.ours.seen.error_hook = [&] { pair.ours.stream.reset(); };
    run_for(*r, milliseconds(2));
    pair.ours.stream->pause_reading();
    pair.close_theirs();
    pair.ours.send("x");
    REQUIRE(run_until(*r, [&] { return !pair.ours.stream; }));
  }
  {
    raw_pair pair(*r);
    pair.ours.seen.drained_hook = [&] { pair.ours.stream.reset(); };
    pair.ours.send(pattern(4'000'000));
    REQUIRE(turn_until(*r, [&] {
      pair.heard();
      return !pair.ours.stream;
    }));
  }
  run_for(*r, milliseconds(5));
  CHECK(r->counters().streams == 0);
}

TEST_CASE("a callback may destroy other streams that have events in the same turn",
          "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  std::vector<std::unique_ptr<raw_pair>> pairs;
  for (int i = 0; i < 20; ++i)
    pairs.push_back(std::make_unique<raw_pair>(*r));
  run_for(*r, milliseconds(5));
  int told = 0;
  for (auto& pair : pairs)
    pair->ours.seen.data_hook = [&](std::string_view) {
      ++told;
      for (auto& other : pairs) {
        other->ours.send("going");
        other->ours.stream->shutdown_write();
        other->ours.stream.reset();
      }
      // The freed descriptors are in use again at once.
      pairs[0]->ours.set(r->adopt(::dup(pairs[0]->theirs), -1));
    };
  for (auto& pair : pairs)
    pair->say("all at once");
  REQUIRE(run_until(*r, [&] { return told == 1; }));
  for (auto& pair : pairs)
    pair->heard();
  run_for(*r, milliseconds(10));
  CHECK(told == 1);
}

TEST_CASE("streams with operations in the kernel can be destroyed at any time", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  for (int turns = 0; turns < 6; ++turns) {
    raw_pair pair(*r);
    pair.ours.send(pattern(4'000'000)); // More than the socket takes: a send stays pending.
    for (int i = 0; i < turns; ++i)
      r->poll();
    if (turns % 2 == 0)
      pair.say("unread");
    pair.ours.stream.reset();
  }
  run_for(*r, milliseconds(10));
  CHECK(r->counters().streams == 0);
}

TEST_CASE("destroying a stream closes it for its peer soon", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  run_for(*r, milliseconds(5));
  pair.ours.stream.reset();
  char byte = 0;
  REQUIRE(turn_until(*r, [&] { return ::recv(pair.theirs, &byte, 1, MSG_DONTWAIT) == 0; }));
}

TEST_CASE("what outlives its reactor can still be destroyed", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair idle(*r), busy(*r), closing(*r);
  auto listening = r->listen({"127.0.0.1", 0}, [](stream_ptr, const endpoint&) {});
  REQUIRE(listening.has_value());
  bool called = false;
  auto pending =
      r->connect({{"127.0.0.1", 1}, seconds(5), {}}, [&](result<stream_ptr>) { called = true; });
  busy.ours.send(pattern(4'000'000));
  closing.ours.send(pattern(4'000'000));
  r->poll();
  close_after_flush(std::move(closing.ours.stream));
  auto posted = r->adopt(::dup(idle.theirs), -1);
  r->post([held = std::move(posted)] {});
  timer late([] {});
  r->arm(late, seconds(1));
  r.reset();
  CHECK_FALSE(called);
  CHECK_FALSE(late.armed());
  // Calls on a stream without a reactor do nothing.
  idle.ours.send("nobody");
  idle.ours.stream->resume_reading();
  idle.ours.stream->shutdown_write();
  CHECK(idle.ours.stream->queued_bytes() == 0);
  idle.ours.stream.reset();
  close_after_flush(std::move(busy.ours.stream));
  listening->reset();
  pending.reset();
}

TEST_CASE("a reactor takes any number of open streams back from the kernel", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  std::vector<std::unique_ptr<raw_pair>> pairs;
  for (int i = 0; i < 400; ++i)
    pairs.push_back(std::make_unique<raw_pair>(*r));
  run_for(*r, milliseconds(5));
  r.reset();
  // Every descriptor is closed: the other ends see it.
  for (auto& pair : pairs) {
    char byte = 0;
    CHECK(::recv(pair->theirs, &byte, 1, MSG_DONTWAIT) == 0);
  }
}

TEST_CASE("posted work may destroy streams, timers and listeners", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  auto pair = std::make_unique<raw_pair>(*r);
  auto listening = std::make_unique<server>(*r);
  auto t = std::make_unique<timer>([] { FAIL(); });
  r->arm(*t, milliseconds(1));
  r->post([&] {
    pair.reset();
    listening.reset();
    t.reset();
  });
  run_for(*r, milliseconds(20));
  CHECK_FALSE(pair);
}

TEST_CASE("a listener may be destroyed by its own handler", "[net][lifetime]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  std::unique_ptr<listener> listening;
  int accepted = 0;
  stream_ptr first;
  auto made = r->listen({"127.0.0.1", 0}, [&](stream_ptr s, const endpoint&) {
    ++accepted;
    first = std::move(s);
    listening.reset();
  });
  REQUIRE(made.has_value());
  listening = std::move(*made);
  const endpoint at = listening->local();
  std::vector<std::unique_ptr<pending_connect>> pending;
  int done = 0;
  for (int i = 0; i < 5; ++i)
    pending.push_back(r->connect({at, seconds(5), {}}, [&](result<stream_ptr>) { ++done; }));
  REQUIRE(run_until(*r, [&] { return done == 5; }));
  run_for(*r, milliseconds(10));
  CHECK(accepted == 1);
  // Nobody listens there any more.
  bool refused = false;
  auto last = r->connect({at, seconds(5), {}}, [&](result<stream_ptr> c) { refused = !c; });
  REQUIRE(run_until(*r, [&] { return refused; }));
}
