#pragma once

#include <map>
#include <string>
#include <vector>

#include "search/document.hpp"

/// Tools to be found, and queries for them.
namespace nexus::bench {

struct corpus {
  std::vector<search::document> tools;
  std::vector<std::string> queries;
};

/// Real ones: FOLDER/toucan_corpus/tools.jsonl and FOLDER/SET/queries.jsonl.
[[nodiscard]] corpus real_corpus(const std::string& folder);
/// As many tools as the real ones, made of a vocabulary in which few words are frequent. The same
/// every time.
[[nodiscard]] corpus generated_corpus();

} // namespace nexus::bench
