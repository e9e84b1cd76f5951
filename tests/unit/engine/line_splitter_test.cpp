#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/stdio_channel.hpp"

using nexus::engine::line_splitter;

namespace {

using lines = std::vector<std::string>;

/// What comes out when `wire` arrives in pieces of `size` bytes; 0 stands for all at once.
lines split(const std::string& wire, std::size_t size, std::size_t line_bytes_max = 64) {
  lines out;
  line_splitter splitter(line_bytes_max);
  const auto step = size == 0 ? std::max<std::size_t>(wire.size(), 1) : size;
  for (std::size_t at = 0; at < wire.size(); at += step)
    if (!splitter.feed(wire.substr(at, step), [&](std::string& line) { out.push_back(line); })) {
      out.emplace_back("too long");
      break;
    }
  return out;
}

} // namespace

TEST_CASE("line_splitter cuts lines however they arrive", "[engine][stdio]") {
  const std::string bom = "\xef\xbb\xbf";
  struct row {
    std::string wire;
    lines expected;
  };
  const row rows[] = {
      {"", {}},
      {"a", {}},
      {"a\n", {"a"}},
      {"a\nbc\n", {"a", "bc"}},
      {"a\r\nb\r\n", {"a", "b"}},
      {"\n\n\r\n a\n\n", {" a"}},
      {"a\rb\n", {"a\rb"}},
      {"a\r\r\n", {"a\r"}},
      {bom + "{}\n", {"{}"}},
      {bom + "\n" + "{}\n", {"{}"}},
      {"{\"a\":\"" + bom + "\"}\n", {"{\"a\":\"" + bom + "\"}"}},
      {bom + "a\nb\n", {"a", "b"}},
      {"\xef\xbb\n", {"\xef\xbb"}},
      {std::string("a\0b\n", 4), {std::string("a\0b", 3)}},
      {"caf\xc3\xa9\nrest", {"caf\xc3\xa9"}},
      {std::string(64, 'x') + "\ny\n", {std::string(64, 'x'), "y"}},
      {"a\n" + std::string(65, 'x') + "\ny\n", {"a", "too long"}},
      {"a\n" + std::string(65, 'x'), {"a", "too long"}},
  };
  for (const auto& r : rows)
    for (std::size_t size = 0; size <= r.wire.size(); ++size) {
      INFO("in pieces of " << size << ": " << r.wire);
      CHECK(split(r.wire, size) == r.expected);
    }
}

TEST_CASE("line_splitter tells what waits for its line end", "[engine][stdio]") {
  line_splitter splitter(10);
  const auto drop = [](std::string&) {};
  CHECK(splitter.feed("abc", drop));
  CHECK(splitter.pending_bytes() == 3);
  CHECK(splitter.feed("de\nf", drop));
  CHECK(splitter.pending_bytes() == 1);
}

TEST_CASE("line_splitter lets its sink take the line", "[engine][stdio]") {
  line_splitter splitter(100'000'000);
  std::vector<std::string> taken;
  const auto take = [&](std::string& line) { taken.push_back(std::move(line)); };
  const std::string huge(4 << 20, 'x');
  CHECK(splitter.feed(huge, take));
  CHECK(splitter.feed("\nsmall\n", take));
  REQUIRE(taken.size() == 2);
  CHECK(taken[0] == huge);
  CHECK(taken[1] == "small");
}
