#include "search/verbs.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace nexus::search {
namespace {

/// One class a line; a word may be in several.
constexpr std::array<std::string_view, 22> classes{
    "get fetch retrieve read show view display obtain lookup check tell give provide",
    "list enumerate browse all available show",
    "search find query lookup discover locate seek",
    "create add make new insert generate build",
    "generate produce compose write draft",
    "update edit modify change set alter adjust",
    "delete remove erase clear drop discard",
    "send post publish submit deliver share",
    "book reserve schedule arrange appointment",
    "buy purchase order shop pay",
    "calculate compute evaluate solve determine",
    "convert transform translate change",
    "analyze examine inspect assess evaluate review",
    "summarize condense digest summary overview",
    "recommend suggest advise recommendation suggestion",
    "start run execute launch begin trigger invoke",
    "stop cancel end abort terminate halt",
    "open load access visit navigate",
    "save store export download write",
    "upload import attach",
    "compare match difference versus",
    "verify validate check test confirm",
};

} // namespace

verb_classes::verb_classes(analyzer& stemmer) {
  for (const std::string_view words : classes) {
    std::vector<std::uint64_t> members;
    for (std::size_t at = 0; at < words.size();) {
      const std::size_t end = std::min(words.find(' ', at), words.size());
      members.push_back(stemmer.stem(words.substr(at, end - at)).hash);
      at = end + 1;
    }
    for (const std::uint64_t one : members) {
      auto& all = fellows_[one];
      for (const std::uint64_t other : members) {
        if (std::ranges::find(all, other) == all.end())
          all.push_back(other);
      }
    }
  }
}

std::span<const std::uint64_t> verb_classes::fellows(std::uint64_t term) const {
  const auto found = fellows_.find(term);
  return found == fellows_.end() ? std::span<const std::uint64_t>() : found->second;
}

} // namespace nexus::search
