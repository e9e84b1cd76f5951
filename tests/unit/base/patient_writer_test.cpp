#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/patient_writer.hpp"

using namespace nexus;

namespace {

struct pipe_ends {
  std::array<int, 2> fds{-1, -1};

  explicit pipe_ends(int flags) { REQUIRE(::pipe2(fds.data(), O_CLOEXEC | flags) == 0); }
  ~pipe_ends() {
    close_reader();
    ::close(fds[1]);
  }
  void close_reader() {
    if (fds[0] >= 0)
      ::close(std::exchange(fds[0], -1));
  }
  std::string read_all(std::size_t bytes) const {
    std::string text;
    std::array<char, 512> buffer;
    while (text.size() < bytes) {
      const auto count = ::read(fds[0], buffer.data(), buffer.size());
      if (count > 0)
        text.append(buffer.data(), static_cast<std::size_t>(count));
      else
        std::this_thread::yield();
    }
    return text;
  }
};

} // namespace

TEST_CASE("patient_writer loses nothing to a slow reader", "[base][log]") {
  const int flags = GENERATE(0, O_NONBLOCK);
  CAPTURE(flags);
  const pipe_ends pipe(flags);
  std::string text;
  for (int i = 0; text.size() < 300'000; ++i)
    text += std::to_string(i) + '\n';
  std::string received;
  std::thread reader([&] { received = pipe.read_all(text.size()); });
  patient_writer writer(pipe.fds[1]);
  CHECK(writer.write(text));
  reader.join();
  CHECK(received == text);
}

TEST_CASE("patient_writer gives up a reader that stalls once it is hurried", "[base][log]") {
  const int flags = GENERATE(0, O_NONBLOCK);
  CAPTURE(flags);
  const pipe_ends pipe(flags);
  patient_writer writer(pipe.fds[1]);
  writer.hurry(milliseconds(100));
  const auto started = std::chrono::steady_clock::now();
  const std::string text(300'000, 'x');
  for (int i = 0; i < 100; ++i)
    CHECK_FALSE(writer.write(text));
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(4));
}

TEST_CASE("patient_writer does not wait for a reader that is gone", "[base][log]") {
  ::signal(SIGPIPE, SIG_IGN);
  pipe_ends pipe(0);
  pipe.close_reader();
  patient_writer writer(pipe.fds[1]);
  CHECK_FALSE(writer.write("text"));
}
