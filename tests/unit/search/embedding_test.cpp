#include <cmath>
#include <limits>

#include "search/embedding.hpp"
#include "search_fixture.hpp"
#include <catch2/catch.hpp>

#include "base/limits.hpp"

using namespace nexus;
using namespace nexus::search;
using namespace nexus::search::test;

namespace {

embedding point(std::vector<float> numbers) {
  auto made = embedding::from(numbers);
  REQUIRE(made);
  return *made;
}

std::shared_ptr<const embedding_table>
table_of(std::vector<std::pair<std::string, std::vector<float>>> rows) {
  auto out = std::make_shared<embedding_table>();
  for (auto& [id, numbers] : rows)
    out->emplace(id, std::make_shared<const embedding>(point(std::move(numbers))));
  return out;
}

/// Two tools about files, and one about the weather that shares no word with any query here.
struct small_world {
  std::vector<document> tools = {tool("f", "read", "Reads a file."),
                                 tool("f", "write", "Writes a file."),
                                 tool("w", "sky", "What clouds do.")};
  index_ptr in = build_index(tools);
  embedded_index laid;
  searcher words;

  small_world() {
    laid.lay(in,
             table_of({{"f/read", {1, 0, 0}}, {"f/write", {0.8F, 0.6F, 0}}, {"w/sky", {0, 0, 1}}}));
  }
  std::vector<hit> ask(std::string_view text, const std::vector<float>& query, double weight,
                       request how = {}) {
    return find_blended(words, *in, text, how, laid, point(query), weight);
  }
};

} // namespace

TEST_CASE("embedding keeps directions, whatever their lengths", "[search][embedding]") {
  const auto a = point({3, 4});
  CHECK(a.dimensions() == 2);
  CHECK(a.likeness(point({30, 40})) == Approx(1).margin(0.01));
  CHECK(a.likeness(point({-3, -4})) == Approx(-1).margin(0.01));
  CHECK(a.likeness(point({4, -3})) == Approx(0).margin(0.01));
  CHECK(point({1e-30F, 0}).likeness(point({1e30F, 0})) == Approx(1).margin(0.01));
  std::vector<float> many(limits::embedding_dimensions_max, 1);
  CHECK(point(many).likeness(point(many)) == Approx(1).margin(0.01));
}

TEST_CASE("embedding is made of nothing that is no direction", "[search][embedding]") {
  CHECK_FALSE(embedding::from({}));
  for (const std::vector<float>& wrong :
       {std::vector<float>{0, 0},
        {1, std::numeric_limits<float>::infinity()},
        {std::nanf(""), 1},
        std::vector<float>(limits::embedding_dimensions_max + 1, 1)})
    CHECK_FALSE(embedding::from(wrong));
}

TEST_CASE("embedding_text is what a model reads, cut between characters", "[search][embedding]") {
  auto made = tool("files", "read", "Reads.", {"path", "from"});
  CHECK(embedding_text(made) == "server: files\ntool: read\nReads.\nparams: path, from");
  made.title = "Read it";
  CHECK(embedding_text(made).starts_with("server: files\ntool: read (Read it)\n"));
  made.description.assign(limits::embedding_text_bytes_max, 'x');
  CHECK(embedding_text(made).size() == limits::embedding_text_bytes_max);
  made.title.clear();
  made.description.clear();
  while (made.description.size() < limits::embedding_text_bytes_max)
    made.description += "\xE2\x82\xAC"; // three bytes each, so that the bound lies within one
  const auto cut = embedding_text(made);
  CHECK(cut.size() <= limits::embedding_text_bytes_max);
  CHECK(cut.size() > limits::embedding_text_bytes_max - 3);
  CHECK((static_cast<unsigned char>(cut.back()) & 0xC0) == 0x80);
}

TEST_CASE("find_blended finds by meaning what no word finds", "[search][embedding]") {
  small_world w;
  const auto hits = w.ask("forecast please", {0, 0.1F, 1}, 0.5);
  REQUIRE(!hits.empty());
  CHECK(hits.front().id == "w/sky");
  CHECK(hits.front().matched.empty());
  CHECK(*hits.front().likeness == Approx(0.995).margin(0.02));
}

TEST_CASE("find_blended weighs the two opinions", "[search][embedding]") {
  small_world w;
  // The words say read, the model says write.
  const std::vector<float> write_like{0.8F, 0.6F, 0};
  CHECK(w.ask("read a file", write_like, 0).front().id == "f/read");
  CHECK(w.ask("read a file", write_like, 1).front().id == "f/write");
  const auto alone = w.words.find(*w.in, "read a file", {});
  CHECK(ids(w.ask("read a file", write_like, 0)).front() == ids(alone).front());
  for (const auto& hit : w.ask("read a file", write_like, 0.5)) {
    CHECK(hit.score >= 0);
    CHECK(hit.score <= 1);
  }
}

TEST_CASE("find_blended lets a tool without an embedding stand by its words",
          "[search][embedding]") {
  small_world w;
  w.laid.lay(w.in, table_of({{"w/sky", {0, 0, 1}}, {"gone/tool", {1, 0, 0}}}));
  const auto hits = w.ask("read a file", {0, 0, 1}, 0.9);
  REQUIRE(hits.size() == 3);
  CHECK(hits.front().id == "f/read");
  CHECK(hits.front().score == Approx(1));
  CHECK_FALSE(hits.front().likeness);
  // Those of another model are of no use.
  CHECK_FALSE(w.ask("read a file", {1, 0}, 0.9).front().likeness);
}

TEST_CASE("find_blended knows nothing of what it is not to show", "[search][embedding]") {
  small_world w;
  const auto visible = w.in->select([](const tool_ref& t) { return t.server == "f"; });
  for (const double weight : {0.0, 0.5, 1.0}) {
    const auto hits = w.ask("what clouds do in a file", {0, 0, 1}, weight, {10, &visible});
    CHECK(hits.size() == 2);
    for (const auto& hit : hits)
      CHECK(hit.server == "f");
  }
  // What is left out does not change the others' scores either.
  small_world without;
  without.tools.pop_back();
  without.in = build_index(without.tools);
  without.laid.lay(without.in, table_of({{"f/read", {1, 0, 0}}, {"f/write", {0.8F, 0.6F, 0}}}));
  CHECK(scored(w.ask("read a file", {1, 0.2F, 0}, 0.5, {10, &visible})) ==
        scored(without.ask("read a file", {1, 0.2F, 0}, 0.5)));
}

TEST_CASE("find_blended gives as many as it is asked for", "[search][embedding]") {
  small_world w;
  CHECK(w.ask("read a file", {1, 0, 0}, 0.5, {1, nullptr}).size() == 1);
  CHECK(w.ask("", {1, 0, 0}, 0.5).size() == 3);
  w.laid.lay(w.in, nullptr);
  CHECK(w.laid.empty());
  CHECK(w.ask("read a file", {1, 0, 0}, 0.5, {1, nullptr}).size() == 1);
}
