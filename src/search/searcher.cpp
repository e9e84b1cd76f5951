#include "search/searcher.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "search/query_run.hpp"

namespace nexus::search {

struct searcher::state {
  analyzer words;
  verb_classes verbs{words};
  query_memory memory;
};

searcher::searcher() : state_(std::make_unique<state>()) {}
searcher::~searcher() = default;
searcher::searcher(searcher&&) noexcept = default;
searcher& searcher::operator=(searcher&&) noexcept = default;

std::vector<hit> searcher::find(const index& in, std::string_view text, const request& how) {
  request bounded = how;
  bounded.top_k = std::min(how.top_k, limits::search_results_max);
  return query_run(in, bounded, state_->memory).answer(text, state_->words, state_->verbs);
}

} // namespace nexus::search
