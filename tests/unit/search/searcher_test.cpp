#include <algorithm>
#include <string>
#include <vector>

#include "search_fixture.hpp"
#include <catch2/catch.hpp>

#include "base/limits.hpp"

using namespace nexus;
using namespace nexus::search;
using namespace nexus::search::test;

namespace {

std::string best(const index_ptr& in, std::string_view text) {
  const auto hits = find(in, text);
  return hits.empty() ? std::string() : std::string(hits.front().id);
}

const match* matched(const hit& of, std::string_view word) {
  for (const match& m : of.matched) {
    if (m.word == word)
      return &m;
  }
  return nullptr;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("searcher finds the tool that a request is about", "[search][searcher]") {
  const auto in = build_index(small_catalogue());
  struct row {
    std::string query, expected;
  };
  const row rows[] = {
      {"read a file", "files/read_file"},
      {"write_file", "files/write_file"},
      {"list directories", "files/listDirectory"},
      {"what will the weather be like?", "weather/get_forecast"},
      {"are there storm warnings?", "weather/get_alerts"},
      {"email somebody", "mail/send_message"},
      {"look for a message in my inbox", "mail/search_messages"},
      {"file a bug on github", "GitHub/create_issue"},
      {"longitude", "weather/get_forecast"},
      {"Could you please help me to send a message with a subject?", "mail/send_message"},
  };
  for (const row& r : rows) {
    INFO(r.query);
    CHECK(best(in, r.query) == r.expected);
  }
}

TEST_CASE("searcher weighs a word by its field", "[search][searcher]") {
  // The same word at five places, each tool otherwise alike.
  const auto in = build_index(std::vector<document>{
      tool("s", "zebra", "one thing there", {"p"}, {"other words"}),
      tool("s", "horse", "one zebra there", {"p"}, {"other words"}),
      tool("s", "mouse", "one thing there", {"zebra"}, {"other words"}),
      tool("s", "tiger", "one thing there", {"p"}, {"zebra words"}),
  });
  CHECK(ids(find(in, "zebra")) == texts{"s/zebra", "s/horse", "s/mouse", "s/tiger"});
}

TEST_CASE("searcher knows servers by name and by title", "[search][searcher]") {
  auto tools = small_catalogue();
  document titled = tool("srv1", "create", "Makes one.");
  titled.server_title = "Linear tracker";
  titled.server_category = "Projects";
  titled.title = "New ticket";
  tools.push_back(titled);
  const auto in = build_index(tools);
  CHECK(best(in, "linear") == "srv1/create");
  CHECK(best(in, "projects") == "srv1/create");
  CHECK(best(in, "new ticket") == "srv1/create");
  CHECK(best(in, "mail") == "mail/send_message");
}

TEST_CASE("searcher tells which words of the query a tool has, and where", "[search][searcher]") {
  const auto in = build_index(small_catalogue());
  const auto hits = find(in, "Files: READING the path of GitHub");
  REQUIRE_FALSE(hits.empty());
  const hit& first = hits.front();
  CHECK(first.id == "files/read_file");
  CHECK(first.server == "files");
  CHECK(first.name == "read_file");
  const match* reading = matched(first, "READING");
  REQUIRE(reading != nullptr);
  CHECK(reading->where == std::vector{field::name, field::description});
  const match* path = matched(first, "path");
  REQUIRE(path != nullptr);
  CHECK(path->where == std::vector{field::parameter_name});
  CHECK(first.matched.front().word == "Files");
  CHECK(matched(first, "GitHub") == nullptr);
  CHECK(matched(first, "of") == nullptr);
}

TEST_CASE("searcher understands words that are mistyped", "[search][searcher]") {
  const auto in = build_index(small_catalogue());
  CHECK(best(in, "wether forcast") == "weather/get_forecast");
  CHECK(best(in, "waether") == "weather/get_forecast");
  CHECK(best(in, "direcotry") == "files/listDirectory");
  CHECK(best(in, "longtitude") == "weather/get_forecast");
  // What was meant is told by what was written.
  const auto hits = find(in, "recipent");
  REQUIRE(hits.size() == 1);
  CHECK(hits.front().id == "mail/send_message");
  CHECK(matched(hits.front(), "recipent") != nullptr);
  // A compound that only its letters give away.
  CHECK(best(in, "weatherforecasts") == "weather/get_forecast");
  CHECK(find(in, "qqqqqqqq").empty());
  CHECK(find(in, "4217").empty());
}

TEST_CASE("searcher takes verbs for others of their class", "[search][searcher]") {
  const auto in = build_index(std::vector<document>{
      tool("s", "remove_note", "One of the notes."),
      tool("s", "print_note", "One of the notes."),
      tool("s", "anonymous_note", "One of the notes."),
  });
  CHECK(best(in, "delete a note") == "s/remove_note");
}

TEST_CASE("searcher serves each part of a long request", "[search][searcher]") {
  const auto in = build_index(small_catalogue());
  const auto hits =
      find(in, "Get the weather forecast for the weekend. Then send an e-mail message.");
  auto first = ids(hits);
  REQUIRE(first.size() >= 3);
  first.resize(3);
  CHECK(std::ranges::count(first, "weather/get_forecast") == 1);
  CHECK(std::ranges::count(first, "mail/send_message") == 1);
}

TEST_CASE("searcher orders what is equal by id", "[search][searcher]") {
  std::vector<document> tools;
  for (const char* id : {"m", "c", "z", "a"}) {
    tools.push_back(tool("s", "equal_name", "Equal text."));
    tools.back().id = id;
  }
  const auto in = build_index(tools);
  const auto hits = find(in, "equal");
  CHECK(ids(hits) == texts{"a", "c", "m", "z"});
  CHECK(hits.front().score == hits.back().score);
}

TEST_CASE("searcher answers alike however often and after whatever", "[search][searcher]") {
  const auto in = build_index(small_catalogue());
  const auto other = build_index(std::vector<document>{tool("x", "file_weather", "message")});
  const auto fresh = scored(find(in, "send the weather forecast as a message"));
  searcher s;
  for (int k = 0; k < 3; ++k) {
    (void)s.find(*other, "file weather mesage", {});
    (void)s.find(*in, "wether", {});
    CHECK(scored(s.find(*in, "send the weather forecast as a message", {})) == fresh);
  }
}

TEST_CASE("searcher lets a selection show nothing of what it leaves out", "[search][searcher]") {
  const auto tools = small_catalogue();
  auto more = tools;
  // Hidden tools that have the same words, mistyped ones, verbs, and better scores.
  more.push_back(tool("hidden", "read_file", "Reads a file file file and its forecast message"));
  more.push_back(tool("hidden", "wether", "wether forcast mesage"));
  more.push_back(tool("hidden", "fetch_retrieve_show", "display obtain"));
  for (int k = 0; k < 300; ++k)
    more.push_back(tool("hidden", "weather_" + std::to_string(k), "weather forecast of files"));
  const auto without = build_index(tools);
  const auto with = build_index(more);
  const selection visible = with->select([](const tool_ref& t) { return t.server != "hidden"; });
  CHECK(visible.count() == tools.size());
  for (const std::string query :
       {"read a file", "wether forcast mesage", "weather", "get all files. show alerts", "mesage",
        "weatherforecasts", "display", "forecst of the wether"}) {
    INFO(query);
    const auto expected = find(without, query);
    const auto found = find(with, query, {10, &visible});
    CHECK(scored(found) == scored(expected));
    REQUIRE(found.size() == expected.size());
    for (std::size_t k = 0; k < found.size(); ++k) {
      REQUIRE(found[k].matched.size() == expected[k].matched.size());
      for (std::size_t n = 0; n < found[k].matched.size(); ++n)
        CHECK(found[k].matched[n].word == expected[k].matched[n].word);
    }
  }
  const selection nothing = with->select([](const tool_ref&) { return false; });
  CHECK(find(with, "weather", {10, &nothing}).empty());
}

TEST_CASE("searcher keeps within its bounds", "[search][searcher]") {
  const auto in = build_index(small_catalogue());
  CHECK(find(in, "file", {1, nullptr}).size() == 1);
  CHECK(find(in, "file", {0, nullptr}).empty());
  CHECK(find(in, "").empty());
  CHECK(find(in, "the of and").empty());

  // What stands behind the limit is not read.
  const std::string filler(limits::search_query_bytes_max - 8, ' ');
  CHECK_FALSE(find(in, filler + " weather").empty());
  CHECK(find(in, filler + "          weather").empty());

  // Of too many terms the common ones go first, wherever they stand.
  std::string crowd;
  for (const char* word : {"get", "list", "search", "data", "id", "name", "user", "file"})
    crowd += std::string(word) + " ";
  for (std::size_t k = 0; k < limits::search_query_terms_max - 4; ++k)
    crowd += "q" + std::string(1, static_cast<char>('a' + k % 26)) +
             std::string(1, static_cast<char>('a' + k / 26)) + "x ";
  for (const hit& h : find(in, crowd + "inbox", {200, nullptr}))
    CHECK(matched(h, "get") == nullptr);
  CHECK(best(in, crowd + "inbox") == "mail/search_messages");

  std::vector<document> many;
  for (int k = 0; k < 500; ++k)
    many.push_back(tool("s", "equal_" + std::to_string(1000 + k), "Equal text."));
  const auto large = build_index(many);
  const auto hits = find(large, "equal", {1'000, nullptr});
  REQUIRE_FALSE(hits.empty());
  CHECK(hits.size() == limits::search_results_max);
  CHECK(hits.front().id == "s/equal_1000");
  // Asking for more does not change what comes first, and none comes twice.
  auto longer = ids(hits);
  const auto shorter = ids(find(large, "equal", {5, nullptr}));
  CHECK(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  CHECK(std::ranges::is_sorted(hits, std::greater<>(), &hit::score));
  std::ranges::sort(longer);
  CHECK(std::ranges::adjacent_find(longer) == longer.end());
}
