/// The second half of a query: tools are gathered by their terms, and the best are looked at again.

#include "search/query_run.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/assert.hpp"
#include "search/background.hpp"

namespace nexus::search {
namespace {

constexpr float impact_unit = 1.0F / 65'535;
constexpr float parameter_unit = 1.0F / 255;
/// The square of a gram's rarity fits a byte: background::gram_rarity() is 9.7 at most.
constexpr float gram_unit = 2.5F;

constexpr std::size_t block_tools = 16;

/// The greatest of each block, in lanes that the compiler turns into vectors.
void block_maxima(const std::vector<float>& values, std::vector<float>& to) {
  to.clear();
  std::size_t at = 0;
  for (; at + block_tools <= values.size(); at += block_tools) {
    std::array<float, 4> lanes{};
    for (std::size_t k = 0; k < block_tools; ++k) {
      float& lane = lanes[k % lanes.size()];
      lane = values[at + k] > lane ? values[at + k] : lane;
    }
    to.push_back(std::max(std::max(lanes[0], lanes[1]), std::max(lanes[2], lanes[3])));
  }
  for (; at < values.size(); ++at)
    to.push_back(values[at]);
}

} // namespace

query_run::query_run(const index& in, const request& how, query_memory& memory)
    : in_(in), numbers_(in.numbers_), how_(how), m_(memory),
      tools_count_(how.visible == nullptr ? in.size() : how.visible->count()) {
  NEXUS_ASSERT(how.visible == nullptr || in.made(*how.visible));
  m_.text.clear();
  m_.terms.clear();
  m_.pairs.clear();
  m_.candidates.clear();
  m_.scores.resize(in.size());
  if (m_.term_slots.size() < in.terms_.size())
    m_.term_slots.resize(in.terms_.size());
}

query_run::~query_run() {
  m_.term_hints.reset();
  for (const query_term& term : m_.terms) {
    if (term.id < m_.term_slots.size())
      m_.term_slots[term.id] = 0;
  }
  for (const std::uint16_t gram : m_.text.grams)
    m_.gram_weights[gram] = 0;
}

std::vector<hit> query_run::answer(std::string_view text, analyzer& words,
                                   const verb_classes& verbs) {
  text = text.substr(0, limits::search_query_bytes_max);
  words.append(m_.text, text, gram_use::collect);
  read_terms();
  drop_common_terms();
  read_pairs();
  for (query_term& term : m_.terms) {
    look_up(term);
    mass_ += term.rarity;
  }
  gather();
  if (m_.candidates.size() < numbers_.hits_wanted) {
    mend_typos();
    gather();
  }
  add_fellows(verbs);
  prepare_rescoring();
  if (m_.candidates.size() < numbers_.hits_wanted)
    gather_likenesses();
  for (candidate& c : m_.candidates)
    rescore(c);
  combine();
  std::vector<hit> out;
  out.reserve(std::min(how_.top_k, m_.candidates.size() + m_.gathered.size()));
  for (const candidate& c : m_.candidates) {
    if (out.size() < how_.top_k)
      out.push_back(describe(c, text));
  }
  return out;
}

/// BM25F of every tool that has a term; the best become candidates.
void query_run::gather() {
  std::ranges::fill(m_.scores, 0.0F);
  for (const query_term& term : m_.terms) {
    if (!term.known)
      continue;
    const float unit = term.rarity * impact_unit;
    for (const auto& posting : in_.postings(term.id)) {
      if (visible(posting.tool))
        m_.scores[posting.tool] += unit * static_cast<float>(posting.impact);
    }
  }
  keep_best();
}

/// There are as many scores of at least some value as blocks whose greatest one is: so the maxima
/// of blocks give a bound below which nothing has to be looked at.
void query_run::keep_best() {
  m_.candidates.clear();
  m_.gathered.clear();
  block_maxima(m_.scores, m_.maxima);
  const auto wanted = static_cast<std::ptrdiff_t>(std::max(numbers_.candidates, how_.top_k));
  float bound = 0;
  if (std::ssize(m_.maxima) > wanted) {
    const auto middle = m_.maxima.begin() + wanted - 1;
    std::ranges::nth_element(m_.maxima, middle, std::greater<>());
    bound = *middle;
  }
  for (std::uint32_t tool = 0; tool < m_.scores.size(); ++tool) {
    if (m_.scores[tool] >= bound && m_.scores[tool] > 0)
      m_.gathered.push_back({m_.scores[tool], tool});
  }
  const auto better = [this](const auto& a, const auto& b) {
    return a.score != b.score ? a.score > b.score : in_.tool(a.tool).id < in_.tool(b.tool).id;
  };
  if (std::ssize(m_.gathered) > wanted) {
    std::ranges::nth_element(m_.gathered, m_.gathered.begin() + wanted, better);
    m_.gathered.resize(static_cast<std::size_t>(wanted));
  }
  const auto own = std::min(m_.gathered.size(), numbers_.candidates);
  if (m_.gathered.size() > own)
    std::ranges::sort(m_.gathered, better);
  for (std::size_t k = 0; k < own; ++k)
    m_.candidates.push_back({m_.gathered[k].score, m_.gathered[k].tool});
  m_.gathered.erase(m_.gathered.begin(), m_.gathered.begin() + static_cast<std::ptrdiff_t>(own));
}

void query_run::prepare_rescoring() {
  NEXUS_ASSERT(m_.terms.size() < 255);
  for (std::size_t k = 0; k < m_.terms.size(); ++k) {
    const query_term& term = m_.terms[k];
    if (!term.known && term.wanted)
      continue;
    m_.term_slots[term.id] = static_cast<std::uint8_t>(k + 1);
    m_.term_hints.set(term.id % m_.term_hints.size());
  }
  for (const query_pair& pair : m_.pairs)
    pair_hints_ |= std::uint64_t{1} << pair.hash % 64;
  float squares = 0;
  for (const std::uint16_t gram : m_.text.grams) {
    if (m_.gram_weights[gram] != 0)
      continue; // again
    const float rarity = background::gram_rarity(gram);
    m_.gram_weights[gram] = static_cast<std::uint8_t>(std::lround(rarity * rarity * gram_unit));
    squares += rarity * rarity;
  }
  gram_norm_ = std::sqrt(squares);
}

/// Tools without any of the terms whose letters are the most alike.
void query_run::gather_likenesses() {
  for (std::uint32_t tool = 0; tool < in_.size() && gram_norm_ > 0; ++tool) {
    if (m_.scores[tool] > 0 || !visible(tool))
      continue;
    candidate c{0, tool};
    score_grams(c);
    if (c.grams >= numbers_.likeness_min)
      m_.candidates.push_back(c);
  }
  std::ranges::sort(m_.candidates, [this](const candidate& a, const candidate& b) {
    if (a.score != b.score)
      return a.score > b.score;
    return a.grams != b.grams ? a.grams > b.grams : in_.tool(a.tool).id < in_.tool(b.tool).id;
  });
  m_.candidates.resize(std::min(m_.candidates.size(), numbers_.candidates));
}

void query_run::rescore(candidate& c) const {
  score_terms(c);
  score_pairs(c);
  score_grams(c);
}

void query_run::score_terms(candidate& c) const {
  const index::placed_tool& placed = in_.tools_[c.tool];
  for (const term_use& use : placed.get().terms.in(placed.in->terms)) {
    if (!m_.term_hints[use.term % m_.term_hints.size()])
      continue;
    const std::uint8_t slot = m_.term_slots[use.term];
    if (slot == 0)
      continue;
    const query_term& term = m_.terms[slot - 1U];
    const float score = term.rarity * impact_unit * static_cast<float>(use.impact);
    c.verbs += score;
    if (!term.wanted)
      continue;
    c.mass += term.rarity;
    c.parameters += term.rarity * parameter_unit * static_cast<float>(use.parameter_impact);
    for (unsigned bits = term.clauses; bits != 0; bits &= bits - 1)
      c.clauses[static_cast<std::size_t>(std::countr_zero(bits))] += score;
  }
}

void query_run::score_pairs(candidate& c) const {
  const index::placed_tool& placed = in_.tools_[c.tool];
  for (const std::uint32_t own : placed.get().pairs.in(placed.in->pairs)) {
    if ((pair_hints_ >> own % 64 & 1) == 0)
      continue;
    const auto found = std::ranges::lower_bound(m_.pairs, own, {}, &query_pair::hash);
    if (found != m_.pairs.end() && found->hash == own)
      c.pairs += (m_.terms[found->first].rarity + m_.terms[found->second].rarity) / 2;
  }
}

void query_run::score_grams(candidate& c) const {
  const index::placed_tool& placed = in_.tools_[c.tool];
  const indexed_tool& tool = placed.get();
  std::uint32_t sum = 0;
  for (const std::uint16_t gram : tool.grams.in(placed.in->grams))
    sum += m_.gram_weights[gram];
  const float norms = tool.gram_norm * gram_norm_ * gram_unit;
  c.grams = norms > 0 ? static_cast<float>(sum) / norms : 0;
}

/// Adds up what is known of each candidate, and orders them.
void query_run::combine() {
  candidate most;
  for (const candidate& c : m_.candidates) {
    most.score = std::max(most.score, c.score);
    most.verbs = std::max(most.verbs, c.verbs);
    for (std::size_t k = 0; k < clauses_max; ++k)
      most.clauses[k] = std::max(most.clauses[k], c.clauses[k]);
  }
  const auto part = [](float of, float all) { return all > 0 ? of / all : 0; };
  for (candidate& c : m_.candidates) {
    float clause = 0;
    for (std::size_t k = 0; k < clauses_max; ++k)
      clause = std::max(clause, part(c.clauses[k], most.clauses[k]));
    c.score = part(c.score, most.score) + numbers_.grams * c.grams +
              numbers_.verbs * part(c.verbs, most.verbs) + numbers_.pairs * part(c.pairs, mass_) +
              numbers_.coverage * part(c.mass, mass_) + numbers_.clauses * clause +
              numbers_.parameters * part(c.parameters, mass_);
  }
  std::ranges::sort(m_.candidates, [this](const candidate& a, const candidate& b) {
    return a.score != b.score ? a.score > b.score : in_.tool(a.tool).id < in_.tool(b.tool).id;
  });
  add_rest(most.score);
}

/// Those that were not looked at again follow: each has less BM25F than any candidate, and no more
/// than that.
void query_run::add_rest(float most) {
  for (const gathered_tool& g : m_.gathered)
    m_.candidates.push_back({g.score / most, g.tool});
}

hit query_run::describe(const candidate& c, std::string_view text) const {
  const tool_ref tool = in_.tool(c.tool);
  hit out{c.tool, tool.id, tool.server, tool.name, static_cast<double>(c.score), {}};
  const index::placed_tool& placed = in_.tools_[c.tool];
  std::vector<std::pair<std::uint32_t, match>> found;
  for (const term_use& use : placed.get().terms.in(placed.in->terms)) {
    const std::uint8_t slot = m_.term_slots[use.term];
    if (slot == 0 || !m_.terms[slot - 1U].wanted)
      continue;
    const query_term& term = m_.terms[slot - 1U];
    match made{std::string(text.substr(term.begin, term.end - term.begin)), {}};
    for (std::size_t f = 0; f < field_count; ++f) {
      if ((use.fields >> f & 1) != 0)
        made.where.push_back(static_cast<field>(f));
    }
    found.emplace_back(term.begin, std::move(made));
  }
  std::ranges::stable_sort(found, {}, [](const auto& f) { return f.first; });
  for (auto& [place, made] : found)
    out.matched.push_back(std::move(made));
  return out;
}

} // namespace nexus::search
