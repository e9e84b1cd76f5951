#include <string>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "http/syntax.hpp"

using namespace nexus;

TEST_CASE("recycle empties a buffer and keeps only what is small", "[http][syntax]") {
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
