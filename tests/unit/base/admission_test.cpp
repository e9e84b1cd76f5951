#include <catch2/catch.hpp>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "base/admission.hpp"

namespace nexus {
namespace {

TEST_CASE("places are taken up to the limit and again once they are given back") {
  admission places{2};
  CHECK(places.admit());
  CHECK(places.admit());
  CHECK_FALSE(places.admit());
  CHECK(places.taken() == 2);
  places.release();
  CHECK(places.admit());
  CHECK_FALSE(places.admit());
}

TEST_CASE("threads that ask at the same time never get more than the limit") {
  constexpr std::size_t limit = 3;
  constexpr int rounds = 20'000;
  admission places{limit};
  std::atomic<std::size_t> inside{0};
  std::atomic<bool> too_many{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int r = 0; r < rounds; ++r) {
        if (!places.admit())
          continue;
        if (inside.fetch_add(1) >= limit)
          too_many = true;
        inside.fetch_sub(1);
        places.release();
      }
    });
  threads.clear();
  CHECK_FALSE(too_many.load());
  CHECK(places.taken() == 0);
}

} // namespace
} // namespace nexus
