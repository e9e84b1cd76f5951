#include <catch2/catch.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

#include "http/message.hpp"
#include "http/sse.hpp"
#include "tests/unit/http/wire.hpp"

// A sanitizer brings its own operator new.
#ifndef NEXUS_SANITIZED

namespace {
std::atomic<std::size_t> allocation_count{0};
} // namespace

void* operator new(std::size_t bytes) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace nexus::http {
namespace {

template <class Round>
std::size_t allocations_after_warm_up(Round&& round) {
  for (int i = 0; i < 3; ++i)
    round();
  const std::size_t before = allocation_count.load();
  for (int i = 0; i < 10; ++i)
    round();
  return allocation_count.load() - before;
}

struct counting_handler final : response_handler, sse_handler {
  void on_head(const response_head&) override {}
  void on_body(std::string_view bytes) override { body_bytes += bytes.size(); }
  void on_done() override { ++done; }
  void on_event(const sse_event&) override { ++events; }

  std::size_t body_bytes = 0;
  std::size_t done = 0;
  std::size_t events = 0;
};

} // namespace

TEST_CASE("a reused request_parser does not allocate", "[http][request]") {
  const std::string plain =
      std::string{test::sample_request_head} + std::string{test::sample_request_body};
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX: y\r\n\r\n";
  for (const std::string& wire : {plain, chunked}) {
    for (const std::size_t piece_size : {std::size_t{1000}, std::size_t{7}}) {
      request_parser parser;
      std::size_t done = 0;
      CHECK(allocations_after_warm_up([&] {
              for (std::size_t at = 0; at < wire.size(); at += piece_size)
                (void)parser.feed(std::string_view{wire}.substr(at, piece_size)).value();
              done += parser.done() ? 1 : 0;
              parser.reset();
            }) == 0);
      CHECK(done == 13);
    }
  }
}

TEST_CASE("a reused response_parser does not allocate", "[http][response]") {
  const std::string wire = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  response_parser parser;
  counting_handler receiver;
  CHECK(allocations_after_warm_up([&] { (void)parser.feed(wire, receiver).value(); }) == 0);
  CHECK(receiver.done == 13);
}

TEST_CASE("a running sse_parser does not allocate", "[http][sse]") {
  std::string wire;
  append_sse_event(wire, std::string(300, 'x'), "message", "an-id-that-is-not-short-12345");
  sse_parser parser;
  counting_handler receiver;
  CHECK(allocations_after_warm_up([&] {
          const std::string_view bytes = wire;
          (void)parser.feed(bytes.substr(0, 100), receiver);
          (void)parser.feed(bytes.substr(100), receiver);
        }) == 0);
  CHECK(receiver.events == 13);
}

} // namespace nexus::http

#endif
