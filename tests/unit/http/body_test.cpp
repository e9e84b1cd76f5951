#include <string>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "http/body.hpp"

using namespace nexus;

TEST_CASE("recycle empties a buffer and keeps only what is small", "[http][body]") {
  std::string small(4096, 'x');
  const auto kept = small.capacity();
  http::recycle(small);
  CHECK(small.empty());
  CHECK(small.capacity() == kept);
  std::string large(limits::http_retained_buffer_bytes_max + 1, 'x');
  http::recycle(large);
  CHECK(large.empty());
  CHECK(large.capacity() < 4096);
}

TEST_CASE("append_spared makes room for what is announced, as far as it is credible",
          "[http][body]") {
  const std::string piece(1000, 'x');
  std::string text;
  http::append_spared(text, piece, 5000);
  CHECK(text.capacity() >= 6000 + http::spare_bytes);
  const auto* const stands_at = text.data();
  for (int left = 4000; left >= 0; left -= 1000)
    http::append_spared(text, piece, static_cast<std::uint64_t>(left));
  CHECK(text == std::string(6000, 'x'));
  CHECK(text.data() == stands_at);

  std::string boaster;
  http::append_spared(boaster, piece, std::uint64_t{1} << 60);
  CHECK(boaster.capacity() <= 10 * piece.size());
}
