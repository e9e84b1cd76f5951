#include "tests/unit/net/net_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>

using namespace nexus;
using namespace nexus::net;
using namespace nexus::net::streams_test;

namespace {

struct pipe_ends {
  int read = -1, write = -1;
  pipe_ends() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    read = fds[0];
    write = fds[1];
  }
};

} // namespace

TEST_CASE("pipes carry a stream both ways", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  pipe_ends there, back;
  end_point a, b;
  a.set(r->adopt(back.read, there.write));
  b.set(r->adopt(there.read, back.write));
  b.seen.data_hook = [&](std::string_view bytes) { b.send(bytes); };
  const auto size = GENERATE(as<std::size_t>{}, 1, 4096, 65'536, 65'537, 3'000'000);
  const std::string message = pattern(size);
  a.send(message);
  REQUIRE(run_until(*r, [&] { return a.seen.data.size() >= size; }));
  CHECK(a.seen.data == message);
  // Closing one direction of a pair of pipes is the end for the other side alone.
  a.stream->shutdown_write();
  REQUIRE(run_until(*r, [&] { return b.seen.ends == 1; }));
  CHECK(a.seen.ends == 0);
  b.send("last");
  b.stream->shutdown_write();
  REQUIRE(run_until(*r, [&] { return a.seen.ends == 1; }));
  CHECK(a.seen.data == message + "last");
  CHECK(a.seen.errors.empty());
  CHECK(b.seen.errors.empty());
}

TEST_CASE("pipes of one direction work alone", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  pipe_ends p;
  end_point source, sink;
  source.set(r->adopt(-1, p.write));
  sink.set(r->adopt(p.read, -1));
  sink.send("nowhere to go"); // Dropped.
  source.send("to the sink");
  REQUIRE(run_until(*r, [&] { return sink.seen.data == "to the sink"; }));
  CHECK(sink.stream->queued_bytes() == 0);
  source.stream.reset();
  REQUIRE(run_until(*r, [&] { return sink.seen.ends == 1; }));
}

TEST_CASE("a pipe whose reader died is an error, and the process lives", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  pipe_ends there, back;
  end_point a;
  a.set(r->adopt(back.read, there.write));
  run_for(*r, milliseconds(5));
  REQUIRE(::write(back.write, "last words", 10) == 10);
  ::close(there.read);
  a.send("hello?");
  REQUIRE(run_until(*r, [&] { return !a.seen.errors.empty(); }));
  CHECK(a.seen.failed_with(errc::reset));
  CHECK(a.seen.data == "last words");
  ::close(back.write);
}

TEST_CASE("a reader of a full pipe that dies ends the writer that waits", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  pipe_ends p;
  end_point source;
  source.set(r->adopt(-1, p.write));
  source.send(pattern(1'000'000));
  run_for(*r, milliseconds(20));
  CHECK(source.stream->queued_bytes() > 0);
  ::close(p.read);
  REQUIRE(run_until(*r, [&] { return !source.seen.errors.empty(); }));
  CHECK(source.seen.failed_with(errc::reset));
}

// Since Linux 6.13 a call to the kernel leaves work of its ring to the next when there is much of
// it, and with that the news that a pipe was full.
TEST_CASE("a pipe that is full loses nothing while much else arrives", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  pipe_ends p;
  REQUIRE(::fcntl(p.read, F_SETFL, O_NONBLOCK) == 0);
  std::vector<std::unique_ptr<raw_pair>> busy;
  for (int i = 0; i < 100; ++i)
    busy.push_back(std::make_unique<raw_pair>(*r));
  end_point source;
  source.set(r->adopt(-1, p.write));
  std::string sent, received;
  std::string buffer(1'000'000, '\0');
  const auto read_all = [&] {
    const ssize_t n = ::read(p.read, buffer.data(), buffer.size());
    received.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  };
  // A pipe has 16 pages: the last pieces of every 20 find it full.
  for (unsigned round = 1; round <= 200; ++round) {
    for (const auto& pair : busy)
      pair->say("news");
    const auto piece = pattern(4096, round);
    sent += piece;
    source.send(piece);
    r->wait(milliseconds(1));
    if (round % 20 == 0)
      read_all();
  }
  REQUIRE(run_until(*r, [&] {
    read_all();
    return received.size() >= sent.size();
  }));
  CHECK(received == sent);
  ::close(p.read);
}

TEST_CASE("a regular file is read to its end", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  char name[] = "/tmp/nexus_net_test_XXXXXX";
  const int fd = ::mkstemp(name);
  REQUIRE(fd >= 0);
  ::unlink(name);
  const std::string content = pattern(500'000);
  REQUIRE(::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
  end_point file;
  file.set(r->adopt(fd, -1));
  REQUIRE(run_until(*r, [&] { return file.seen.ends == 1; }));
  CHECK(file.seen.data == content);
}

TEST_CASE("adopted descriptors block again for others once they are closed", "[net][pipe]") {
  const auto kind = GENERATE(from_range(kinds_here()));
  CAPTURE(name_of(kind));
  auto r = make_reactor(kind);
  pipe_ends p;
  const int shared = ::dup(p.read);
  CHECK((::fcntl(shared, F_GETFL) & O_NONBLOCK) == 0);
  end_point sink;
  sink.set(r->adopt(p.read, -1));
  CHECK((::fcntl(shared, F_GETFL) & O_NONBLOCK) != 0);
  r->poll();
  sink.stream.reset();
  r->poll();
  CHECK((::fcntl(shared, F_GETFL) & O_NONBLOCK) == 0);
  ::close(shared);
  ::close(p.write);
}
