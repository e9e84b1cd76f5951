#include "registry/duplicates.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <unordered_map>

#include "registry/features.hpp"

namespace nexus::registry {
namespace {

/// From here on two tools are called near duplicates, if each of the parts says so as well.
constexpr float near_score_min = 0.5F;
constexpr float near_name_min = 0.3F;
constexpr float near_description_min = 0.3F;
/// Where the one part says little, the other has to say more.
constexpr float near_words_min = 0.9F;
/// Within a group every two are at least so much alike.
constexpr float group_score_min = 0.45F;
/// Tools that one tool is compared to: those that share most with it.
constexpr std::size_t candidates_max = 32;
/// A term that more tools have tells none of them from another: of so many, or of one in fifty.
constexpr std::size_t common_term_min = 64;
constexpr std::size_t common_term_part = 50;

struct digest_hash {
  std::size_t operator()(const seal::digest& of) const noexcept {
    std::size_t out = 0;
    std::memcpy(&out, of.data(), sizeof out);
    return out;
  }
};

/// What decides between the tools of a group, and ranks it.
class chooser {
 public:
  chooser(std::span<const tool_entry> tools, const config::duplicate_rules& rules)
      : tools_(tools), prefer_(rules.prefer) {}

  /// @param best the server that the group's rule names; may be empty
  void rank(duplicate_group& group, std::string_view best) const {
    group.ranked = group.tools;
    std::stable_sort(group.ranked.begin(), group.ranked.end(), [&](auto a, auto b) {
      const tool_entry &x = tools_[a], &y = tools_[b];
      if (wish(x, best) != wish(y, best))
        return wish(x, best) < wish(y, best);
      if (x.available != y.available)
        return x.available;
      return latency_class(x) < latency_class(y);
    });
    group.canonical = group.shown = group.ranked.front();
    if (wish(tools_[group.canonical], best) <= prefer_.size())
      return;
    for (const auto i : group.ranked)
      if (tools_[i].shown) {
        group.shown = i;
        return;
      }
  }

 private:
  /// 0 for the best by rule, then the places in `prefer`; the greatest for all others.
  [[nodiscard]] std::size_t wish(const tool_entry& tool, std::string_view best) const {
    if (tool.server == best)
      return 0;
    const auto place = std::find(prefer_.begin(), prefer_.end(), tool.server) - prefer_.begin();
    return static_cast<std::size_t>(place) + 1;
  }
  /// Two for each doubling, so that what is measured does not turn the order all the time. Unknown
  /// ones come last.
  static int latency_class(const tool_entry& tool) {
    constexpr double least_ms = 0.01;
    return tool.latency_ms <= 0
               ? std::numeric_limits<int>::max()
               : static_cast<int>(std::floor(2 * std::log2(std::max(tool.latency_ms, least_ms))));
  }

  std::span<const tool_entry> tools_;
  std::span<const std::string> prefer_;
};

bool on_several_servers(std::span<const tool_entry> tools, const std::vector<std::uint32_t>& of) {
  return std::any_of(of.begin(), of.end(),
                     [&](std::uint32_t i) { return tools[i].server != tools[of.front()].server; });
}

/// Finds pairs of similar tools on different servers, and makes groups of them.
class near_finder {
 public:
  /// @param settled tools that are compared to nothing
  near_finder(std::span<const tool_entry> tools, const std::vector<std::uint32_t>& chosen,
              const std::vector<bool>& settled)
      : tools_(tools), chosen_(chosen), settled_(settled), features_(read_features(tools, chosen)) {
    std::size_t terms = 0;
    for (const tool_features& f : features_)
      for (const auto& [id, weight] : f.rare)
        terms = std::max<std::size_t>(terms, id + 1);
    with_term_.resize(terms);
    for (std::uint32_t i = 0; i < features_.size(); ++i)
      for (const auto& [id, weight] : features_[i].rare)
        with_term_[id].push_back(i);
  }

  struct pair {
    std::uint32_t first, second; ///< places in `chosen`, in order
    likeness how;
  };

  /// The best first.
  std::vector<pair> pairs() {
    std::vector<pair> out;
    for (std::uint32_t i = 0; i < features_.size(); ++i)
      for (const std::uint32_t j : candidates_of(i)) {
        if (settled_[chosen_[i]] || settled_[chosen_[j]])
          continue;
        const likeness how = compare(features_[i], features_[j]);
        if (how.score >= near_score_min && how.name >= near_name_min &&
            how.description >= near_description_min && how.name + how.description >= near_words_min)
          out.push_back({std::min(i, j), std::max(i, j), how});
      }
    const auto place = [](const pair& p) { return std::pair(p.first, p.second); };
    std::sort(out.begin(), out.end(), [&](const pair& a, const pair& b) {
      return a.how.score != b.how.score ? a.how.score > b.how.score : place(a) < place(b);
    });
    const auto same = [&](const pair& a, const pair& b) { return place(a) == place(b); };
    out.erase(std::unique(out.begin(), out.end(), same), out.end());
    return out;
  }

  /// Joins what is alike, the most alike first, as long as all of a group are.
  std::vector<std::vector<std::uint32_t>> groups() {
    std::vector<std::uint32_t> group_of(chosen_.size(), none);
    std::vector<std::vector<std::uint32_t>> made;
    for (const pair& p : pairs()) {
      auto &a = group_of[p.first], &b = group_of[p.second];
      if (a != none && a == b)
        continue;
      for (auto* const one : {&a, &b})
        if (*one == none) {
          made.push_back({one == &a ? p.first : p.second});
          *one = static_cast<std::uint32_t>(made.size() - 1);
        }
      if (!all_alike(made[a], made[b]))
        continue;
      const auto from = b;
      for (const std::uint32_t i : made[from]) {
        made[a].push_back(i);
        group_of[i] = a;
      }
      made[from].clear();
    }
    std::erase_if(made, [](const auto& group) { return group.size() < 2; });
    for (auto& group : made)
      std::sort(group.begin(), group.end());
    return made;
  }

  [[nodiscard]] likeness least_alike(const std::vector<std::uint32_t>& group) const {
    likeness least;
    least.score = 2;
    for (std::size_t i = 0; i < group.size(); ++i)
      for (std::size_t j = i + 1; j < group.size(); ++j)
        if (const likeness how = compare(features_[group[i]], features_[group[j]]);
            how.score < least.score)
          least = how;
    return least;
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  [[nodiscard]] std::string_view server(std::uint32_t i) const { return tools_[chosen_[i]].server; }

  /// Tools after `i` or before it that share its rare terms, on other servers.
  std::vector<std::uint32_t> candidates_of(std::uint32_t i) {
    shared_.resize(features_.size());
    std::vector<std::uint32_t> found;
    const std::size_t common = std::max(common_term_min, features_.size() / common_term_part);
    for (const auto& [id, weight] : features_[i].rare) {
      if (with_term_[id].size() > common)
        continue;
      for (const std::uint32_t j : with_term_[id]) {
        if (shared_[j] == 0 && server(j) != server(i))
          found.push_back(j);
        shared_[j] += weight;
      }
    }
    const auto more = [&](std::uint32_t a, std::uint32_t b) {
      return shared_[a] != shared_[b] ? shared_[a] > shared_[b] : a < b;
    };
    if (found.size() > candidates_max) {
      std::nth_element(found.begin(), found.begin() + candidates_max, found.end(), more);
      found.resize(candidates_max);
    }
    for (const auto& [id, weight] : features_[i].rare)
      if (with_term_[id].size() <= common)
        for (const std::uint32_t j : with_term_[id])
          shared_[j] = 0;
    return found;
  }

  bool all_alike(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) const {
    for (const std::uint32_t i : a)
      for (const std::uint32_t j : b)
        if (server(i) == server(j) || compare(features_[i], features_[j]).score < group_score_min)
          return false;
    return true;
  }

  std::span<const tool_entry> tools_;
  const std::vector<std::uint32_t>& chosen_;
  const std::vector<bool>& settled_;
  std::vector<tool_features> features_;
  std::vector<std::vector<std::uint32_t>> with_term_; ///< places in `chosen`, by term
  std::vector<float> shared_;                         ///< all zero between calls
};

/// Adds the groups that the configuration names, as far as their tools are there.
/// @returns which tools it names, whatever is to be done about them
std::vector<bool> grouped_by_name(std::span<const tool_entry> tools,
                                  const config::duplicate_rules& rules,
                                  std::vector<duplicate_group>& out) {
  std::vector<bool> named(tools.size());
  if (rules.groups.empty())
    return named;
  std::map<std::pair<std::string_view, std::string_view>, std::uint32_t> places;
  for (std::uint32_t i = 0; i < tools.size(); ++i)
    places.emplace(std::pair(tools[i].server, tools[i].name), i);
  const chooser choose(tools, rules);
  for (const auto& rule : rules.groups) {
    duplicate_group made;
    made.kind = duplicate_kind::named;
    made.action = rule.action;
    for (const auto& [server, name] : rule.tools)
      if (const auto found = places.find({server, name}); found != places.end()) {
        made.tools.push_back(found->second);
        named[found->second] = true;
      }
    if (made.tools.size() < 2)
      continue;
    std::sort(made.tools.begin(), made.tools.end());
    choose.rank(made, rule.canonical);
    out.push_back(std::move(made));
  }
  return named;
}

/// Names that several servers have, and no other group tells of.
std::vector<std::vector<std::uint32_t>> same_names(std::span<const tool_entry> tools,
                                                   const std::vector<bool>& settled,
                                                   const std::vector<duplicate_group>& told) {
  std::map<std::string_view, std::vector<std::uint32_t>> by_name;
  for (std::uint32_t i = 0; i < tools.size(); ++i)
    if (!settled[i])
      by_name[tools[i].name].push_back(i);
  std::vector<std::vector<std::uint32_t>> out;
  for (auto& [name, group] : by_name) {
    const auto says_it_all = [&](const duplicate_group& other) {
      return std::includes(other.tools.begin(), other.tools.end(), group.begin(), group.end());
    };
    if (on_several_servers(tools, group) && std::none_of(told.begin(), told.end(), says_it_all))
      out.push_back(std::move(group));
  }
  return out;
}

} // namespace

std::string_view name_of(duplicate_kind kind) noexcept {
  switch (kind) {
  case duplicate_kind::named:
    return "named";
  case duplicate_kind::exact:
    return "exact";
  case duplicate_kind::near:
    return "near";
  case duplicate_kind::same_name:
    return "same-name";
  }
  return {};
}

namespace {

/// @param named set to which tools the configuration names
std::vector<duplicate_group> certain_duplicates(std::span<const tool_entry> tools,
                                                const config::duplicate_rules& rules,
                                                std::vector<bool>& named) {
  const chooser choose(tools, rules);
  std::vector<duplicate_group> out;
  named = grouped_by_name(tools, rules, out);
  std::unordered_map<seal::digest, std::vector<std::uint32_t>, digest_hash> by_digest;
  for (std::uint32_t i = 0; i < tools.size(); ++i)
    if (!named[i])
      by_digest[tools[i].digest].push_back(i);
  const auto first_exact = static_cast<std::ptrdiff_t>(out.size());
  for (auto& [digest, group] : by_digest)
    if (on_several_servers(tools, group)) {
      out.push_back({duplicate_kind::exact, std::move(group), {1, 1, 1, 1}, {}, 0, 0, rules.exact});
      choose.rank(out.back(), {});
    }
  std::sort(out.begin() + first_exact, out.end(),
            [](const auto& a, const auto& b) { return a.tools.front() < b.tools.front(); });
  return out;
}

} // namespace

std::vector<duplicate_group> find_certain_duplicates(std::span<const tool_entry> tools,
                                                     const config::duplicate_rules& rules) {
  std::vector<bool> named;
  return certain_duplicates(tools, rules, named);
}

std::vector<duplicate_group> find_duplicates(std::span<const tool_entry> tools,
                                             const config::duplicate_rules& rules) {
  const chooser choose(tools, rules);
  std::vector<bool> settled;
  std::vector<duplicate_group> out = certain_duplicates(tools, rules, settled);
  // One of each exact group stands for it; those that the configuration names are settled.
  std::vector<std::uint32_t> stands_for(tools.size()), chosen, place(tools.size());
  for (std::uint32_t i = 0; i < tools.size(); ++i)
    stands_for[i] = i;
  for (const duplicate_group& group : out)
    for (const std::uint32_t i : group.tools)
      if (!settled[i])
        stands_for[i] = group.tools.front();
  for (std::uint32_t i = 0; i < tools.size(); ++i)
    if (stands_for[i] == i) {
      place[i] = static_cast<std::uint32_t>(chosen.size());
      chosen.push_back(i);
    }
  near_finder finder(tools, chosen, settled);
  const auto least_alike = [&](const std::vector<std::uint32_t>& group) {
    std::vector<std::uint32_t> places;
    for (const std::uint32_t i : group)
      places.push_back(place[stands_for[i]]);
    return finder.least_alike(places);
  };
  for (duplicate_group& group : out)
    if (group.kind == duplicate_kind::named)
      group.evidence = least_alike(group.tools);
  const auto add = [&](duplicate_kind kind, std::vector<std::uint32_t> found) {
    const auto evidence = least_alike(found);
    out.push_back({kind, std::move(found), evidence, {}, 0, 0, config::duplicate_policy::leave});
    choose.rank(out.back(), {});
  };
  for (const auto& found : finder.groups()) {
    std::vector<std::uint32_t> members;
    for (const std::uint32_t i : found)
      members.push_back(chosen[i]);
    add(duplicate_kind::near, std::move(members));
  }
  for (auto& found : same_names(tools, settled, out))
    add(duplicate_kind::same_name, std::move(found));
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.evidence.score > b.evidence.score;
  });
  return out;
}

} // namespace nexus::registry
