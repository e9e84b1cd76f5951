#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "search/analysis.hpp"
#include "search/characters.hpp"

using namespace nexus;
using namespace nexus::search;

namespace {

std::vector<std::string> stems(std::string_view text) {
  analyzer words;
  analysis out;
  words.append(out, text, gram_use::skip);
  std::vector<std::string> found;
  for (const token& t : out.tokens)
    found.emplace_back(t.key.view());
  return found;
}

analysis analysed(std::string_view text) {
  analyzer words;
  analysis out;
  words.append(out, text, gram_use::collect);
  return out;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("analyzer parts names into words and keeps short ones whole", "[search][analysis]") {
  struct row {
    std::string text;
    texts expected;
  };
  const row rows[] = {
      {"", {}},
      {"  --  ", {}},
      {"weather", {"weather"}},
      {"read_file", {"read", "file"}},
      {"read-file.text", {"read", "file", "text"}},
      {"readFile", {"read", "file", "readfil"}},
      {"GitHub", {"git", "hub", "github"}},
      {"HTTPServer", {"http", "server", "httpserver"}},
      {"parseJSON", {"pars", "json", "parsejson"}},
      {"JSON", {"json"}},
      {"s3bucket", {"s", "3", "bucket", "s3bucket"}},
      {"base64", {"base", "64", "base64"}},
      {"oneTwoThreeFour", {"one", "two", "three", "four"}},
      {"X", {"x"}},
      // The first part is a stop word; the whole is not.
      {"ABc", {"bc", "abc"}},
  };
  for (const row& r : rows) {
    INFO(r.text);
    CHECK(stems(r.text) == r.expected);
  }
}

TEST_CASE("analyzer stems English and drops what says nothing", "[search][analysis]") {
  CHECK(stems("searching searches searched") == texts{"search", "search", "search"});
  CHECK(stems("What is the weather in Oslo?") == texts{"weather", "oslo"});
  CHECK(stems("The AND of") == texts{});
}

TEST_CASE("analyzer folds case and accents and knows other scripts", "[search][analysis]") {
  CHECK(stems("Caf\xc3\xa9") == stems("cafe"));
  CHECK(stems("Cafe\xcc\x81") == stems("cafe"));
  CHECK(stems("\xc4\x90i\xe1\xbb\x83m") == stems("diem"));
  CHECK(stems("\xd0\x9f\xd0\x9e\xd0\x93\xd0\x9e\xd0\x94\xd0\x90") ==
        stems("\xd0\xbf\xd0\xbe\xd0\xb3\xd0\xbe\xd0\xb4\xd0\xb0"));
  CHECK(stems("\xef\xbc\xa1\xef\xbc\xa2\xef\xbc\xa3") == stems("ABC"));
  // Pairs of Han characters; one alone is a term.
  CHECK(stems("\xe5\xa4\xa9\xe6\xb0\x94\xe9\xa2\x84") ==
        texts{"\xe5\xa4\xa9\xe6\xb0\x94", "\xe6\xb0\x94\xe9\xa2\x84"});
  CHECK(stems("\xe5\xa4\xa9") == texts{"\xe5\xa4\xa9"});
  CHECK(stems("\xe5\xa4\xa9\xe3\x80\x82\xe6\xb0\x94").size() == 2);
}

TEST_CASE("analyzer takes bytes that are no UTF-8 for separators", "[search][analysis]") {
  CHECK(stems("read\xff\xfe"
              "file") == texts{"read", "file"});
  CHECK(stems("read\xc3") == texts{"read"});
  CHECK(stems(std::string("read\0file", 9)) == texts{"read", "file"});
}

TEST_CASE("analyzer tells kinds, places and clauses", "[search][analysis]") {
  const std::string_view text = "Please help: list 42 files. Then mail GitHub";
  const analysis out = analysed(text);
  struct row {
    std::string word;
    token_kind kind;
    int clause;
  };
  const row rows[] = {
      {"help", token_kind::courtesy, 0}, {"list", token_kind::word, 1},
      {"42", token_kind::number, 1},     {"files", token_kind::word, 1},
      {"mail", token_kind::word, 2},     {"Git", token_kind::word, 2},
      {"Hub", token_kind::word, 2},      {"GitHub", token_kind::joined, 2},
  };
  REQUIRE(out.tokens.size() == std::size(rows));
  for (std::size_t k = 0; k < std::size(rows); ++k) {
    const token& t = out.tokens[k];
    CHECK(text.substr(t.begin, t.end - t.begin) == rows[k].word);
    CHECK(t.kind == rows[k].kind);
    CHECK(t.clause == rows[k].clause);
  }
}

TEST_CASE("analyzer does not take a point within a word for the end of a clause",
          "[search][analysis]") {
  CHECK(analysed("files.read").tokens.back().clause == 0);
  CHECK(analysed("files. read").tokens.back().clause == 1);
  CHECK(analysed("files\nread").tokens.back().clause == 1);
}

TEST_CASE("analyzer gives words that share letters grams that they share", "[search][analysis]") {
  const auto grams = [](std::string_view text) {
    const analysis out = analysed(text);
    return std::set<std::uint16_t>(out.grams.begin(), out.grams.end());
  };
  const auto shared = [&](std::string_view a, std::string_view b) {
    std::size_t count = 0;
    for (const std::uint16_t gram : grams(a))
      count += grams(b).count(gram);
    return count;
  };
  CHECK(grams("cat").size() == 5); // " ca", "cat", "at ", " cat", "cat "
  CHECK(shared("weather", "wheather") >= 5);
  CHECK(shared("weather", "mailbox") == 0);
  CHECK(grams("42").empty());
}

TEST_CASE("analyzer cuts words that are data", "[search][analysis]") {
  const std::string longest(limits::search_word_bytes_max, 'q');
  CHECK(stems(longest + std::string(100'000, 'q')) == stems(longest));
  // A word that is cut before its last part has no such part.
  for (const std::string& text : {std::string(63, 'q') + "ABc", std::string(64, 'q') + "ABCd",
                                  std::string(62, 'q') + "\xe5\xa4\xa9\xe6\xb0\x94"})
    CHECK_FALSE(stems(text).empty());
}
