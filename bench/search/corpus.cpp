#include "bench/search/corpus.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>

#include "bench/retrieval/tool_file.hpp"

namespace nexus::bench {
namespace {

constexpr std::size_t generated_tools = 15'000;
constexpr std::size_t generated_queries = 1'000;
constexpr std::size_t tools_per_server = 24;
constexpr std::size_t vocabulary_words = 8'000;

/// Words of a made-up language; the n-th is about n times rarer than the first.
class vocabulary {
 public:
  vocabulary() {
    constexpr std::string_view consonants = "bcdfghklmnprstvz", vowels = "aeiou";
    for (std::size_t i = 0; i < vocabulary_words; ++i) {
      std::string word;
      for (std::size_t rest = i + 80; rest > 0; rest /= consonants.size() * vowels.size()) {
        word += consonants[rest % consonants.size()];
        word += vowels[rest / consonants.size() % vowels.size()];
      }
      words_.push_back(std::move(word));
    }
  }
  [[nodiscard]] std::string text(std::size_t words, std::string_view between = " ") {
    std::string out;
    for (std::size_t i = 0; i < words; ++i) {
      if (i > 0)
        out += between;
      out += word();
    }
    return out;
  }
  [[nodiscard]] std::size_t between(std::size_t low, std::size_t high) {
    return low + random_() % (high - low + 1);
  }

 private:
  [[nodiscard]] const std::string& word() {
    // Uniform in the logarithm of the rank.
    const double share = static_cast<double>(random_()) / static_cast<double>(random_.max());
    const auto rank =
        static_cast<std::size_t>(std::pow(static_cast<double>(words_.size()), share) - 1.0);
    return words_[std::min(rank, words_.size() - 1)];
  }

  std::vector<std::string> words_;
  std::mt19937 random_{1}; // NOLINT: the same every time
};

} // namespace

corpus real_corpus(const std::string& folder) {
  corpus out{read_tools(folder + "/toucan_corpus/tools.jsonl"), {}};
  for (const char* set : {"metatool", "metatool_multi", "bfcl"}) {
    const auto some = read_strings(folder + "/" + set + "/queries.jsonl", "query");
    out.queries.insert(out.queries.end(), some.begin(), some.end());
  }
  return out;
}

corpus generated_corpus() {
  corpus out;
  vocabulary words;
  for (std::size_t i = 0; i < generated_tools; ++i) {
    search::document tool;
    tool.server = "server" + std::to_string(i / tools_per_server);
    tool.name = words.text(words.between(1, 3), "_");
    tool.id = tool.server + "/" + tool.name + std::to_string(i);
    tool.description = words.text(words.between(5, 40));
    for (std::size_t k = words.between(0, 6); k > 0; --k) {
      tool.parameter_names.push_back(words.text(words.between(1, 2), "_"));
      tool.parameter_texts.push_back(words.text(words.between(3, 12)));
    }
    out.tools.push_back(std::move(tool));
  }
  for (std::size_t i = 0; i < generated_queries; ++i)
    out.queries.push_back(words.text(words.between(3, 15)));
  return out;
}

} // namespace nexus::bench
