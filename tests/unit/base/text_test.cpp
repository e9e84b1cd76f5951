#include "base/text.hpp"

#include <string>

#include <catch2/catch.hpp>

using nexus::iequals;

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

} // namespace

TEST_CASE("iequals folds the letters of ASCII and nothing else", "[text]") {
  // Texts of every length up to three words, with two bytes compared at each end and in between.
  for (std::size_t size = 1; size <= 24; ++size) {
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      std::string a(size, 'q'), b(size, 'Q');
      std::size_t wrong = 0;
      for (int x = 0; x < 256; ++x) {
        a[at] = static_cast<char>(x);
        for (int y = 0; y < 256; ++y) {
          b[at] = static_cast<char>(y);
          wrong += iequals(a, b) != (lower(a[at]) == lower(b[at])) ? 1u : 0u;
        }
      }
      INFO(size << " bytes, at " << at);
      CHECK(wrong == 0);
    }
  }
  CHECK(iequals("", ""));
  CHECK(!iequals("content-type", "content-typ"));
  CHECK(!iequals("content-typo", "content-type"));
}
