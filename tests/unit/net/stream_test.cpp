#include "tests/unit/net/net_fixture.hpp"

#include "base/limits.hpp"
#include "net/reactor_base.hpp"

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

TEST_CASE("stream sends all appends of a turn with one call", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  run_for(*r, milliseconds(5));
  const auto before = r->counters().system_calls;
  for (int i = 0; i < 100; ++i)
    pair.ours.send("x");
  CHECK(pair.ours.stream->queued_bytes() == 100);
  CHECK(pair.heard().empty());
  r->poll();
  r->poll();
  CHECK(pair.heard() == std::string(100, 'x'));
  // io_uring: one call that submits; the second poll() finds nothing to do and makes none.
  CHECK(r->counters().system_calls - before <= (kind == reactor_kind::io_uring ? 2U : 3U));
  CHECK(pair.ours.stream->queued_bytes() == 0);
}

TEST_CASE("stream answers a message in one io_uring call per turn", "[net][stream]") {
  const auto kinds = kinds_here();
  if (kinds.size() < 2)
    return;
  auto r = make_reactor(reactor_kind::io_uring);
  raw_pair pair(*r);
  pair.ours.seen.data_hook = [&](std::string_view bytes) { pair.ours.send(bytes); };
  run_for(*r, milliseconds(5));
  const auto before = r->counters();
  for (int i = 0; i < 100; ++i) {
    pair.say("ping");
    std::string heard;
    REQUIRE(turn_until(*r, [&] { return (heard += pair.heard()).size() == 4; }));
  }
  const auto after = r->counters();
  // Per message the call that brings it and the call that sends the answer, which here has no
  // further message to wait for and so is a turn of its own.
  CHECK(after.system_calls - before.system_calls <= 210);
  CHECK(after.completions - before.completions <= 110);
}

TEST_CASE("stream pauses and resumes reading without losing a byte", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  auto& ours = pair.ours;
  const std::string message = pattern(2'000'000);
  std::size_t said = 0;
  unsigned pauses = 0;
  ours.seen.data_hook = [&](std::string_view) {
    ours.stream->pause_reading();
    ++pauses;
  };
  std::size_t size_while_paused = 0;
  REQUIRE(turn_until(*r, [&] {
    if (said < message.size()) {
      const auto n = ::send(pair.theirs, message.data() + said, message.size() - said,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0)
        said += static_cast<std::size_t>(n);
    }
    size_while_paused = ours.seen.data.size();
    r->poll();
    r->poll();
    CHECK(ours.seen.data.size() <= size_while_paused + message.size());
    const auto settled = ours.seen.data.size();
    r->poll();
    CHECK(ours.seen.data.size() == settled); // Paused means paused.
    ours.stream->resume_reading();
    return ours.seen.data.size() == message.size();
  }));
  CHECK(ours.seen.data == message);
  CHECK(pauses > 3);
}

TEST_CASE("stream paused before its peer ends tells the rest and the end on resuming",
          "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  run_for(*r, milliseconds(5));
  pair.ours.stream->pause_reading();
  pair.say("one ");
  run_for(*r, milliseconds(10));
  pair.say("two");
  pair.close_theirs();
  run_for(*r, milliseconds(20));
  CHECK(pair.ours.seen.data.empty());
  CHECK(pair.ours.seen.ends == 0);
  pair.ours.stream->resume_reading();
  CHECK(pair.ours.seen.data.empty()); // Never from within a call.
  REQUIRE(run_until(*r, [&] { return pair.ours.seen.ends == 1; }));
  CHECK(pair.ours.seen.data == "one two");
}

TEST_CASE("stream holds what comes before it has a handler", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  int fds[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  auto late = r->adopt(fds[0], fds[0]);
  REQUIRE(::send(fds[1], "early", 5, MSG_NOSIGNAL) == 5);
  ::close(fds[1]);
  run_for(*r, milliseconds(20));
  recorder first, second;
  late->set_handler(first);
  late->set_handler(second); // The latest one counts.
  REQUIRE(run_until(*r, [&] { return second.ends == 1; }));
  CHECK(second.data == "early");
  CHECK(first.data.empty());
}

TEST_CASE("stream tells when a full write queue has drained", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  auto& ours = pair.ours;
  ours.send(std::string(limits::write_queue_low_bytes, 'a'));
  std::string heard;
  REQUIRE(turn_until(
      *r, [&] { return (heard += pair.heard()).size() == limits::write_queue_low_bytes; }));
  run_for(*r, milliseconds(5));
  CHECK(ours.seen.drained == 0); // It never was full.
  const std::string message = pattern(4 * limits::write_queue_high_bytes);
  heard.clear();
  ours.send(message);
  run_for(*r, milliseconds(20));
  CHECK(ours.seen.drained == 0);
  CHECK(ours.stream->queued_bytes() > limits::write_queue_high_bytes);
  ours.seen.drained_hook = [&] {
    CHECK(ours.stream->queued_bytes() < limits::write_queue_low_bytes);
  };
  REQUIRE(turn_until(*r, [&] { return (heard += pair.heard()).size() == message.size(); }));
  run_for(*r, milliseconds(5));
  CHECK(heard == message);
  CHECK(ours.seen.drained == 1);
  CHECK(ours.stream->queued_bytes() == 0);
}

TEST_CASE("stream cuts off a reader whose queue exceeds the limit", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  auto& ours = pair.ours;
  const std::string part(1024 * 1024, 'x');
  std::size_t written = 0;
  while (written <= limits::write_queue_bytes_max + 2 * part.size() && ours.seen.errors.empty()) {
    ours.send(part);
    written += part.size();
    CHECK(ours.seen.errors.empty()); // Never from within a call.
    r->poll();
  }
  REQUIRE(run_until(*r, [&] { return !ours.seen.errors.empty(); }));
  CHECK(ours.seen.failed_with(errc::write_queue_full));
  CHECK(written > limits::write_queue_bytes_max);
  CHECK(ours.stream->queued_bytes() == 0);
}

TEST_CASE("stream gives up a peer that takes nothing, not one that is slow", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  dynamic_cast<reactor_base&>(*r).set_write_stall_timeout_for_test(milliseconds(600));
  raw_pair stalled(*r);
  const std::string message = pattern(8'000'000);
  stalled.ours.send(message);
  std::string heard;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(run_until(*r, [&] { return !stalled.ours.seen.errors.empty(); }));
  CHECK(std::chrono::steady_clock::now() - begin >= milliseconds(600));
  CHECK(stalled.ours.seen.failed_with(errc::timed_out));
  // The steady one takes a little every 50 ms, for longer than the limit.
  raw_pair steady(*r);
  steady.ours.send(message);
  const auto end = std::chrono::steady_clock::now() + milliseconds(1500);
  std::vector<char> sink(200'000);
  while (std::chrono::steady_clock::now() < end) {
    run_for(*r, milliseconds(50));
    const auto n = ::recv(steady.theirs, sink.data(), sink.size(), MSG_DONTWAIT);
    if (n > 0)
      heard.append(sink.data(), static_cast<std::size_t>(n));
  }
  CHECK(steady.ours.seen.errors.empty());
  REQUIRE(turn_until(*r, [&] { return (heard += steady.heard()).size() == message.size(); }));
  CHECK(heard == message);
}

TEST_CASE("stream sees a slow peer go on while the kernel still holds megabytes", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  dynamic_cast<reactor_base&>(*r).set_write_stall_timeout_for_test(milliseconds(600));
  raw_pair slow(*r);
  slow.ours.send(pattern(16'000'000));
  std::vector<char> sink(16'000);
  const auto end = std::chrono::steady_clock::now() + milliseconds(4000);
  auto before = slow.ours.stream->unread_bytes();
  CHECK(before >= slow.ours.stream->queued_bytes());
  while (std::chrono::steady_clock::now() < end && slow.ours.seen.errors.empty()) {
    run_for(*r, milliseconds(25));
    static_cast<void>(::recv(slow.theirs, sink.data(), sink.size(), MSG_DONTWAIT));
  }
  CHECK(slow.ours.seen.errors.empty());
  CHECK(slow.ours.stream->unread_bytes() < before);
}

TEST_CASE("stream whose peer died while it writes hears its last words, then the error",
          "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  run_for(*r, milliseconds(5));
  pair.ours.send(pattern(4'000'000));
  run_for(*r, milliseconds(10));
  pair.say("413 too large");
  pair.close_theirs();
  REQUIRE(run_until(*r, [&] { return !pair.ours.seen.errors.empty(); }));
  CHECK(pair.ours.seen.failed_with(errc::reset));
  CHECK(pair.ours.seen.data == "413 too large");
}

TEST_CASE("shutdown_write sends what is queued first, however much", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  const std::string message = pattern(3'000'000);
  pair.ours.stream->out() += message;
  pair.ours.stream->shutdown_write();
  std::string heard;
  bool ended = false;
  std::vector<char> sink(65536);
  REQUIRE(turn_until(*r, [&] {
    const auto n = ::recv(pair.theirs, sink.data(), sink.size(), MSG_DONTWAIT);
    if (n > 0)
      heard.append(sink.data(), static_cast<std::size_t>(n));
    ended = n == 0;
    r->poll();
    return ended;
  }));
  CHECK(heard == message);
  pair.say("still open this way");
  REQUIRE(run_until(*r, [&] { return pair.ours.seen.data == "still open this way"; }));
}

TEST_CASE("close_after_flush sends everything, ends, and lets go", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  const std::string message = pattern(3'000'000);
  pair.ours.stream->out() += message;
  // Unread input must not turn the end into a reset.
  pair.say("never read");
  close_after_flush(std::move(pair.ours.stream));
  std::string heard;
  bool ended = false;
  std::vector<char> sink(65536);
  REQUIRE(turn_until(*r, [&] {
    const auto n = ::recv(pair.theirs, sink.data(), sink.size(), MSG_DONTWAIT);
    if (n > 0)
      heard.append(sink.data(), static_cast<std::size_t>(n));
    if (n == 0)
      ended = true;
    r->poll();
    return ended;
  }));
  CHECK(heard == message);
  CHECK(pair.ours.seen.data.empty());
  CHECK(r->counters().streams == 1);
  pair.close_theirs();
  REQUIRE(run_until(*r, [&] { return r->counters().streams == 0; }));
  CHECK(pair.ours.seen.ends == 0);
  CHECK(pair.ours.seen.errors.empty());
}

TEST_CASE("close_after_flush gives up a peer that takes nothing", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  dynamic_cast<reactor_base&>(*r).set_write_stall_timeout_for_test(milliseconds(500));
  raw_pair pair(*r);
  pair.ours.stream->out() += pattern(3'000'000);
  close_after_flush(std::move(pair.ours.stream));
  run_for(*r, milliseconds(20));
  CHECK(r->counters().streams == 1);
  REQUIRE(run_until(
      *r, [&] { return r->counters().streams == 0; }, seconds(2)));
}

TEST_CASE("close_after_flush stops waiting for a peer that never ends", "[net][stream][slow]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  raw_pair pair(*r);
  pair.ours.stream->out() += "bye";
  close_after_flush(std::move(pair.ours.stream));
  REQUIRE(run_until(
      *r, [&] { return r->counters().streams == 0; }, limits::linger_timeout + seconds(2)));
  CHECK(pair.heard() == "bye");
}

// Many completions in one turn: what is sent leaves in parts, some of it to peers that are full.
TEST_CASE("a turn with many events sends everything, whoever reads late", "[net][stream]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  constexpr std::size_t count = 400;
  constexpr int rounds = 120;
  std::vector<std::unique_ptr<raw_pair>> pairs;
  std::vector<std::string> heard(count);
  const std::string answer = pattern(3'000);
  for (std::size_t i = 0; i < count; ++i) {
    pairs.push_back(std::make_unique<raw_pair>(*r));
    auto& ours = pairs.back()->ours;
    ours.seen.data_hook = [&ours, &answer](std::string_view bytes) {
      for (std::size_t asked = 0; asked < bytes.size(); ++asked)
        ours.send(answer);
    };
  }
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      pairs[i]->say("?");
      if (i % 3 != 0) // every third does not read while it asks
        heard[i] += pairs[i]->heard();
    }
    r->wait(milliseconds(1));
  }
  const std::size_t wanted = rounds * answer.size();
  REQUIRE(run_until(*r, [&] {
    bool all = true;
    for (std::size_t i = 0; i < count; ++i) {
      heard[i] += pairs[i]->heard();
      all = all && heard[i].size() >= wanted;
    }
    return all;
  }));
  std::string expected;
  for (int round = 0; round < rounds; ++round)
    expected += answer;
  CHECK(std::all_of(heard.begin(), heard.end(),
                    [&](const std::string& one) { return one == expected; }));
}
