/// Makes src/search/background_terms.inc from a catalogue: how many tools have a term, a gram.
///   nexus_search_background FOLDER/tools.jsonl > background_terms.inc
/// It takes tools apart with the product's own analyzer, so that the table fits it.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bench/retrieval/tool_file.hpp"
#include "search/analysis.hpp"

namespace {

using namespace nexus;

/// Rarer terms are left out: nothing of a single tool or server is to be found in the table, and
/// one byte more of it is hardly worth one percent of a term's rarity.
constexpr unsigned tools_min = 4;
constexpr std::size_t gram_classes = 32'768;
constexpr double class_steps = 6;

struct statistics {
  std::map<std::string, unsigned> tools_of_term;
  std::vector<unsigned> tools_of_grams = std::vector<unsigned>(gram_classes);
};

void count(const search::document& tool, search::analyzer& words, statistics& to) {
  search::analysis spoken, rest;
  for (const std::string* text : {&tool.name, &tool.title, &tool.description})
    words.append(spoken, *text, search::gram_use::collect);
  words.append(rest, tool.server, search::gram_use::skip);
  for (const auto* texts : {&tool.parameter_names, &tool.parameter_texts}) {
    for (const std::string& text : *texts)
      words.append(rest, text, search::gram_use::skip);
  }
  std::set<std::string> terms;
  for (const auto* tokens : {&spoken.tokens, &rest.tokens}) {
    for (const search::token& t : *tokens) {
      if (t.key.size < search::term_key::text_bytes)
        terms.emplace(t.key.view());
    }
  }
  for (const std::string& term : terms)
    ++to.tools_of_term[term];
  std::set<std::size_t> grams;
  for (const std::uint16_t gram : spoken.grams)
    grams.insert(gram / (65'536 / gram_classes));
  for (const std::size_t gram : grams)
    ++to.tools_of_grams[gram];
}

/// Is it a word that a string literal can hold as it is, and no mere number?
bool worth_keeping(const std::string& term) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::ranges::any_of(term, letter) &&
         std::ranges::all_of(term, [&](char c) { return letter(c) || digit(c); });
}

void print_terms(const statistics& counted) {
  std::string line;
  std::puts("constexpr entry terms[] = {");
  for (const auto& [term, tools] : counted.tools_of_term) {
    if (tools < tools_min || !worth_keeping(term))
      continue;
    const std::string made = "{\"" + term + "\"," + std::to_string(std::min(tools, 65'535U)) + "},";
    if (line.size() + made.size() > 100) {
      std::puts(line.c_str());
      line.clear();
    }
    line += made;
  }
  std::printf("%s\n};\n", line.c_str());
}

void print_grams(const statistics& counted) {
  std::fputs("constexpr std::string_view gram_classes =", stdout);
  for (std::size_t at = 0; at < gram_classes; ++at) {
    if (at % 96 == 0)
      std::fputs(at == 0 ? "\n\"" : "\"\n\"", stdout);
    const double steps = std::round(class_steps * std::log2(1.0 + counted.tools_of_grams[at]));
    char c = static_cast<char>('!' + static_cast<int>(steps));
    // Neither the end of a literal, nor of a trigraph.
    if (c == '"' || c == '\\' || c == '?')
      ++c;
    std::fputc(c, stdout);
  }
  std::puts("\";");
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: nexus_search_background TOOLS.jsonl > background_terms.inc\n", stderr);
    return 2;
  }
  const auto tools = bench::read_tools(argv[1]);
  search::analyzer words;
  statistics counted;
  for (const search::document& tool : tools)
    count(tool, words, counted);
  std::puts("// Statistics of a corpus of public tools, made by bench/retrieval/background.cpp;\n"
            "// see bench/retrieval/README.md. clang-format off");
  std::printf("constexpr std::uint32_t tools_count = %zu;\n", tools.size());
  print_terms(counted);
  print_grams(counted);
}
