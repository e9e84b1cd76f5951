#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/base64.hpp"

namespace nexus {
namespace {

using namespace std::string_literals;

std::string text_of(std::string_view bytes, base64_form form) {
  std::string out = "before ";
  append_base64(out, bytes, form);
  REQUIRE(out.starts_with("before "));
  return out.substr(7);
}

struct row {
  std::string bytes;
  std::string standard;
  std::string url;
};

const std::vector<row>& rows() {
  static const std::vector<row> table{
      {"", "", ""},
      {"n", "bg==", "bg"},
      {"ne", "bmU=", "bmU"},
      {"nex", "bmV4", "bmV4"},
      {"nexus", "bmV4dXM=", "bmV4dXM"},
      {"\0"s, "AA==", "AA"},
      {"\0\0\0"s, "AAAA", "AAAA"},
      {"\xFB\xEF\xBE", "++++", "----"},
      {"\xFF\xFF\xFF", "////", "____"},
      {"\xFF", "/w==", "_w"},
      {"\xFB\xFF", "+/8=", "-_8"},
  };
  return table;
}

TEST_CASE("base64 writes and reads both forms", "[base][base64]") {
  for (const row& r : rows()) {
    CAPTURE(r.standard);
    CHECK(text_of(r.bytes, base64_form::standard) == r.standard);
    CHECK(text_of(r.bytes, base64_form::url) == r.url);
    std::string bytes = "what was there";
    REQUIRE(decode_base64(r.standard, base64_form::standard, bytes));
    CHECK(bytes == r.bytes);
    bytes = "what was there";
    REQUIRE(decode_base64(r.url, base64_form::url, bytes));
    CHECK(bytes == r.bytes);
  }
}

TEST_CASE("base64 reads back every length and every byte", "[base][base64]") {
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    for (const auto form : {base64_form::standard, base64_form::url}) {
      std::string back;
      REQUIRE(decode_base64(text_of(bytes, form), form, back));
      REQUIRE(back == bytes);
    }
    bytes += static_cast<char>(i * 7);
  }
}

TEST_CASE("base64 refuses all but the one text of some bytes", "[base][base64]") {
  std::string bytes;
  for (const std::string_view text :
       {"b",     "bg",       "bg=",   "bg===",      "=",        "==",   "====",    "bmU",   "bmU==",
        "bmV4=", "bmV4====", "bh==",  "bmV=",       "bm=4",     "b===", " bg==",   "bg== ", "bg\n=",
        "b-==",  "b_==",     "bg=\0", "\xC3\xA9==", "bmV4*mV4", "bm V", "bmV4=mV4"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_base64(text, base64_form::standard, bytes));
  }
  for (const std::string_view text : {"b", "bg==", "bmU=", "bh", "bmV", "bmV4b", "b+", "b/", "bg ",
                                      " bg", "bm\nV4", "\x80\x80", "bmV4\xFFmV4"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_base64(text, base64_form::url, bytes));
  }
}

} // namespace
} // namespace nexus
