#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "http/body.hpp"
#include "http/message.hpp"
#include "http/syntax.hpp"
#include "json/scan.hpp"

namespace nexus::http {

using namespace std::string_view_literals;

static_assert(spare_bytes == json::padding_bytes, "bodies go to the JSON scanner as they are");

TEST_CASE("header_fields finds fields in any case", "[http][fields]") {
  header_fields fields;
  fields.add("Content-Type", "application/json");
  fields.add("X-Empty", "");
  fields.add("Set-Cookie", "a=1");
  fields.add("set-cookie", "b=2");
  CHECK(fields.size() == 4);
  CHECK(fields.find("content-type") == "application/json"sv);
  CHECK(fields.find("CONTENT-TYPE") == "application/json"sv);
  CHECK(fields.find("x-empty") == ""sv);
  CHECK(fields.find("Set-Cookie") == "a=1"sv);
  CHECK(fields.count("SET-COOKIE") == 2);
  CHECK_FALSE(fields.find("content-typ"));
  CHECK_FALSE(fields.find("content-tyqe"));
  CHECK_FALSE(fields.find(""));
  CHECK(fields[3].name == "set-cookie");
  CHECK(fields[3].value == "b=2");
  fields.clear();
  CHECK(fields.size() == 0);
  CHECK_FALSE(fields.find("content-type"));
}

TEST_CASE("header_fields tells names of one hash apart", "[http][fields]") {
  header_fields fields;
  fields.add("abcde", "1");
  fields.add("axcye", "2");
  CHECK(fields.find("AXCYE") == "2"sv);
  CHECK(fields.count("abcde") == 1);
  CHECK_FALSE(fields.find("azcze"));
}

TEST_CASE("header_fields survives a move and a copy", "[http][fields]") {
  header_fields fields;
  fields.add("a", "1");
  const header_fields copy = fields;
  const header_fields moved = std::move(fields);
  CHECK(copy.find("a") == "1"sv);
  CHECK(moved.find("a") == "1"sv);
}

TEST_CASE("http errors have a status", "[http]") {
  const std::vector<std::pair<errc, unsigned>> rows{
      {errc::bad_request, 400},        {errc::header_too_large, 431},
      {errc::uri_too_long, 414},       {errc::body_too_large, 413},
      {errc::bad_version, 505},        {errc::bad_response, 502},
      {errc::unexpected_end, 400},     {errc::event_too_large, 413},
      {errc::expectation_failed, 417}, {errc::unsupported_coding, 501},
  };
  for (const auto& [code, status] : rows) {
    CHECK(status_of(error{code, {}, {}}) == status);
    CHECK(reason_phrase(status) != "Unknown");
    CHECK(make_error_code(code).message() != "unknown http error");
  }
  CHECK(status_of(error{std::make_error_code(std::errc::io_error), {}, {}}) == 400);
}

TEST_CASE("tokens and field values are told from others", "[http]") {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    INFO("byte " << byte);
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    CHECK(is_token({&c, 1}) == (alnum || (c != '\0' && "!#$%&'*+-.^_`|~"sv.find(c) != "x"sv.npos)));
    const bool fits = (byte >= 0x20 || byte == '\t') && byte != 0x7f;
    // At each position of a word and behind the last whole one.
    for (std::size_t position = 0; position < 11; ++position) {
      std::string value(11, 'v');
      value[position] = c;
      CHECK(is_field_value(value) == fits);
    }
  }
  CHECK_FALSE(is_token(""));
  CHECK(is_field_value(""));
}

TEST_CASE("messages are written", "[http]") {
  std::string out;
  append_status_line(out, 200);
  append_field(out, "Content-Length", std::uint64_t{18446744073709551615u});
  append_field(out, "A", "b"sv);
  append_status_line(out, 299);
  append_chunk(out, "");
  append_chunk(out, "0123456789abcdef0");
  append_last_chunk(out);
  CHECK(out == "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nA: b\r\n"
               "HTTP/1.1 299 Unknown\r\n11\r\n0123456789abcdef0\r\n0\r\n\r\n");
}

TEST_CASE("media types compare without parameters", "[http]") {
  CHECK(media_type_is("application/json", "application/json"));
  CHECK(media_type_is("Application/JSON ; charset=utf-8", "application/json"));
  CHECK(media_type_is(" text/event-stream", "text/event-stream"));
  CHECK_FALSE(media_type_is("application/jsonx", "application/json"));
  CHECK_FALSE(media_type_is("application/json, text/html", "application/json"));
  CHECK_FALSE(media_type_is("", "application/json"));
  CHECK_FALSE(media_type_is("*/*", "application/json"));
}

TEST_CASE("accepts reads media ranges", "[http]") {
  struct row {
    std::optional<std::string_view> accept;
    bool expected;
  };
  const std::vector<row> rows{
      {std::nullopt, true},
      {"", false},
      {"application/json", true},
      {"Application/JSON;q=0.5", true},
      {"text/event-stream, application/json", true},
      {"text/event-stream,application/*", true},
      {"*/*", true},
      {"text/*", false},
      {"text/html, text/event-stream", false},
      {"application/json;q=0", false},
      {"application/json; Q=0.000", false},
      {"application/json;q=0.001", true},
      {"application/json;q=0, */*", false},
      {"*/*, application/json;q=0", false},
      {"application/*;q=0, application/json", true},
      {"*/*;q=0", false},
      {"application/json;charset=utf-8;q=1", true},
      {"application/jsonx", false},
      {"app/*", false},
      {"*", false},
      {",,application/json,", true},
  };
  for (const auto& [accept, expected] : rows) {
    INFO(accept.value_or("(absent)"));
    CHECK(accepts(accept, "application/json") == expected);
  }
}

} // namespace nexus::http
