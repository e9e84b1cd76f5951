#include <catch2/catch.hpp>

#include "base/utf8.hpp"

using namespace nexus;

TEST_CASE("next_utf8 tells code points from maximal subparts", "[base][utf8]") {
  struct row {
    std::string_view text;
    std::size_t bytes;
    bool valid;
  };
  const row rows[] = {
      {"a", 1, true},
      {"\x7F", 1, true},
      {"\xC2\x80", 2, true},
      {"\xDF\xBF!", 2, true},
      {"\xE0\xA0\x80", 3, true},
      {"\xED\x9F\xBF", 3, true},
      {"\xEF\xBF\xBF", 3, true},
      {"\xF0\x90\x80\x80", 4, true},
      {"\xF4\x8F\xBF\xBF", 4, true},
      {"\x80", 1, false},
      {"\xC0\x80", 1, false},
      {"\xC1\xBF", 1, false},
      {"\xC3", 1, false},
      {"\xC3(", 1, false},
      {"\xE0\x9F\xBF", 1, false}, // overlong
      {"\xED\xA0\x80", 1, false}, // a surrogate
      {"\xE2\x82", 2, false},
      {"\xE2\x82(", 2, false},
      {"\xF0\x8F\xBF\xBF", 1, false}, // overlong
      {"\xF0\x9F\x98", 3, false},
      {"\xF0\x9F\x98(", 3, false},
      {"\xF4\x90\x80\x80", 1, false}, // beyond U+10FFFF
      {"\xF5\x80\x80\x80", 1, false},
      {"\xFF", 1, false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    const auto next = next_utf8(r.text);
    CHECK(next.bytes == r.bytes);
    CHECK(next.valid == r.valid);
  }
  CHECK(next_utf8("").bytes == 0);
}

TEST_CASE("replace_invalid_utf8 puts one U+FFFD for each maximal subpart", "[base][utf8]") {
  CHECK(replace_invalid_utf8("") == "");
  CHECK(replace_invalid_utf8("gr\xC3\xB6\xC3\x9F") == "gr\xC3\xB6\xC3\x9F");
  CHECK(replace_invalid_utf8("a\xF0\x9F\x98z\xFF") == "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  CHECK(replace_invalid_utf8("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}
