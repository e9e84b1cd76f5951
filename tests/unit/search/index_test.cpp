#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "search_fixture.hpp"
#include <catch2/catch.hpp>

#include "base/limits.hpp"

using namespace nexus;
using namespace nexus::search;
using namespace nexus::search::test;

namespace {

/// Tools of made-up words, the same for the same seed.
std::vector<document> made_up(std::string server, std::size_t count, unsigned seed) {
  std::minstd_rand random(seed);
  const auto word = [&random] {
    static constexpr std::string_view syllables[] = {"ka", "lo", "mi", "ru",
                                                     "te", "sa", "no", "vi"};
    std::string out;
    for (unsigned k = 0; k < 2 + random() % 2; ++k)
      out += syllables[random() % std::size(syllables)];
    return out;
  };
  std::vector<document> out;
  for (std::size_t k = 0; k < count; ++k) {
    std::string text;
    for (unsigned n = 0; n < 12; ++n)
      text += word() + ' ';
    out.push_back(tool(server, word() + "_" + std::to_string(k), text, {word()}, {word()}));
  }
  return out;
}

const std::vector<std::string> queries = {"kalo miru", "read a file",   "tesa novi rumi. then kata",
                                          "weather",   "list all lolo", "vivi 12"};

void check_same(const index_ptr& a, const index_ptr& b) {
  REQUIRE(a->size() == b->size());
  for (const std::string& query : queries) {
    INFO(query);
    CHECK(scored(find(a, query, {50, nullptr})) == scored(find(b, query, {50, nullptr})));
  }
}

} // namespace

TEST_CASE("index changed server by server ranks as one made at once", "[search][index]") {
  index_builder changing;
  changing.set_server("a", made_up("a", 40, 1));
  changing.set_server("b", made_up("b", 300, 2));
  changing.set_server("gone", made_up("gone", 80, 3));
  changing.set_server("c", made_up("c", 10, 4));
  (void)changing.build();
  changing.remove_server("gone");
  changing.set_server("b", made_up("b", 120, 5));
  changing.set_server("empty", {});
  changing.remove_server("never there");

  index_builder at_once;
  at_once.set_server("c", made_up("c", 10, 4));
  at_once.set_server("b", made_up("b", 120, 5));
  at_once.set_server("a", made_up("a", 40, 1));
  check_same(changing.build(), at_once.build());
}

TEST_CASE("index does not depend on the order of a server's tools", "[search][index]") {
  auto tools = made_up("a", 100, 7);
  const auto forward = build_index(tools);
  std::ranges::reverse(tools);
  check_same(forward, build_index(tools));
}

TEST_CASE("index keeps its contents while its builder goes on", "[search][index]") {
  index_builder builder;
  builder.set_server("files", small_catalogue());
  const auto before = builder.build();
  const auto hits = scored(find(before, "read a file"));
  builder.remove_server("files");
  builder.set_server("other", made_up("other", 50, 9));
  CHECK(builder.build()->size() == 50);
  CHECK(scored(find(before, "read a file")) == hits);
}

TEST_CASE("index without tools finds nothing", "[search][index]") {
  CHECK(find(build_index({}), "read a file").empty());
  CHECK(find(std::make_shared<const index>(), "read a file").empty());
}

TEST_CASE("index keeps a server within its limit", "[search][index]") {
  std::vector<document> many(limits::tools_per_server_max + 1, tool("a", "b", ""));
  index_builder builder;
  builder.set_server("a", many);
  CHECK(builder.build()->size() == limits::tools_per_server_max);
}

TEST_CASE("index tells server and name of a tool", "[search][index]") {
  const auto in = build_index(small_catalogue());
  REQUIRE(in->size() == 8);
  // By servers' names: GitHub, files, mail, weather.
  CHECK(in->tool(0).id == "GitHub/create_issue");
  CHECK(in->tool(0).server == "GitHub");
  CHECK(in->tool(1).name == "read_file");
  CHECK(in->tool(7).server == "weather");
}
