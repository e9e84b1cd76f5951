/// What a WebSocket message costs in each direction, beside one copy of it, which is the floor.

#include <array>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/support/micro.hpp"
#include "websocket/codec.hpp"

namespace nexus::websocket {
namespace {

/// A text message in one frame as clients send it. @source RFC 6455 s5.2
std::string masked_frame(std::size_t bytes) {
  constexpr std::array<char, 4> mask{0x37, 0x5a, 0x21, 0x6d};
  std::string frame("\x81", 1);
  const bool is_long = bytes > 0xffff;
  if (bytes < 126) {
    frame += static_cast<char>(0x80 | bytes);
  } else {
    frame += static_cast<char>(0x80 | (is_long ? 127 : 126));
    for (int shift = is_long ? 56 : 8; shift >= 0; shift -= 8)
      frame += static_cast<char>(bytes >> shift & 0xff);
  }
  frame.append(mask.data(), mask.size());
  for (std::size_t i = 0; i < bytes; ++i)
    frame += static_cast<char>('x' ^ mask[i % mask.size()]);
  return frame;
}

struct ignoring_handler final : handler {
  void on_text(std::string& message) override { benchmark::DoNotOptimize(message.data()); }
  void on_close(std::uint16_t, std::string_view) override {}
};

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("bytes")->Arg(128)->Arg(16 << 10)->Arg(1 << 20);
}

void BM_websocket_receive(benchmark::State& state) {
  const std::string frame = masked_frame(static_cast<std::size_t>(state.range(0)));
  codec frames;
  ignoring_handler receiver;
  for (auto _ : state) {
    if (!frames.feed(frame, time_point(), receiver))
      state.SkipWithError("the sample is refused");
  }
  bench::report(state, frame.size());
}
BENCHMARK(BM_websocket_receive)->Apply(sizes);

void BM_websocket_send(benchmark::State& state) {
  const std::string message(static_cast<std::size_t>(state.range(0)), 'x');
  codec frames;
  for (auto _ : state) {
    frames.send_text(message);
    benchmark::DoNotOptimize(frames.output().data());
    frames.output().clear();
  }
  bench::report(state, message.size());
}
BENCHMARK(BM_websocket_send)->Apply(sizes);

/// The floor of both.
void BM_websocket_copy(benchmark::State& state) {
  bench::copy_floor(state, std::string(static_cast<std::size_t>(state.range(0)), 'x'));
}
BENCHMARK(BM_websocket_copy)->Apply(sizes);

} // namespace
} // namespace nexus::websocket
