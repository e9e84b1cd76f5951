/// The first half of a query: its text becomes terms with weights.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "search/background.hpp"
#include "search/query_run.hpp"

namespace nexus::search {
namespace {

/// Words as long as this may have one wrong letter, and those twice as long two.
constexpr std::size_t typo_letters_min = 4;

std::uint16_t clause_bit(const token& t) {
  return static_cast<std::uint16_t>(1U << std::min<unsigned>(t.clause, clauses_max - 1));
}

/// Letters to insert, drop, replace or swap with their neighbours; anything above `most` when there
/// are more.
std::size_t typing_distance(std::string_view a, std::string_view b, std::size_t most) {
  constexpr std::size_t width = term_key::text_bytes + 1;
  std::array<std::array<std::uint8_t, width>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j)
    rows[0][j] = static_cast<std::uint8_t>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    row[0] = static_cast<std::uint8_t>(i);
    std::uint8_t least = row[0];
    for (std::size_t j = 1; j <= b.size(); ++j) {
      int steps = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        steps = std::min(steps, rows[(i + 1) % 3][j - 2] + 1);
      row[j] = static_cast<std::uint8_t>(steps);
      least = std::min(least, row[j]);
    }
    if (least > most)
      return most + 1;
  }
  return rows[a.size() % 3][b.size()];
}

} // namespace

/// Every term once, in the order of the text.
void query_run::read_terms() {
  for (const token& t : m_.text.tokens) {
    const auto known =
        std::ranges::find(m_.terms, t.key.hash, [](const query_term& q) { return q.key.hash; });
    if (known != m_.terms.end()) {
      known->clauses |= clause_bit(t);
      continue;
    }
    query_term made;
    made.key = t.key;
    made.weight = t.kind == token_kind::number     ? numbers_.number_weight
                  : t.kind == token_kind::courtesy ? numbers_.courtesy_weight
                                                   : 1;
    made.clauses = clause_bit(t);
    made.mendable = t.kind == token_kind::word;
    made.begin = t.begin;
    made.end = t.end;
    m_.terms.push_back(made);
  }
}

/// Keeps the terms that are rarest among tools at large, which is known without looking at tools.
void query_run::drop_common_terms() {
  if (m_.terms.size() <= limits::search_query_terms_max)
    return;
  for (query_term& term : m_.terms)
    term.rarity = -term.weight * std::log(background_chance(term.key));
  const auto middle = m_.terms.begin() + limits::search_query_terms_max;
  std::ranges::stable_sort(m_.terms, std::greater<>(), &query_term::rarity);
  m_.terms.erase(middle, m_.terms.end());
  std::ranges::sort(m_.terms, {}, &query_term::begin);
}

float query_run::background_chance(const term_key& key) const {
  return static_cast<float>((background::document_frequency(key) + 0.5) /
                            (background::document_count() + 1));
}

std::size_t query_run::visible_uses(term_id term) const {
  const auto all = in_.postings(term);
  if (how_.visible == nullptr)
    return all.size();
  std::size_t count = 0;
  for (const auto& posting : all)
    count += how_.visible->contains(posting.tool) ? 1 : 0;
  return count;
}

void query_run::look_up(query_term& term) const {
  const std::size_t uses = in_.find(term.key.hash, term.id) ? visible_uses(term.id) : 0;
  term.known = uses > 0;
  const float own = (static_cast<float>(uses) + 0.5F) / (static_cast<float>(tools_count_) + 1);
  const float chance = (1 - numbers_.background_share) * own +
                       numbers_.background_share * background_chance(term.key);
  term.rarity = term.weight * -std::log(std::min(chance, 1.0F));
}

void query_run::read_pairs() {
  const token* before = nullptr;
  const auto place = [this](const token& t) {
    const auto found =
        std::ranges::find(m_.terms, t.key.hash, [](const query_term& q) { return q.key.hash; });
    return static_cast<std::uint16_t>(found - m_.terms.begin());
  };
  for (const token& t : m_.text.tokens) {
    if (t.kind == token_kind::joined)
      continue;
    if (before != nullptr) {
      const query_pair made{hash_pair(before->key, t.key), place(*before), place(t)};
      if (made.first < m_.terms.size() && made.second < m_.terms.size() &&
          m_.pairs.size() < 2 * limits::search_query_terms_max)
        m_.pairs.push_back(made);
    }
    before = &t;
  }
  std::ranges::sort(m_.pairs, {}, &query_pair::hash);
  const auto twice = std::ranges::unique(m_.pairs, {}, &query_pair::hash);
  m_.pairs.erase(twice.begin(), twice.end());
}

bool query_run::asks_for(std::uint64_t term) const {
  return std::ranges::any_of(m_.terms, [term](const query_term& q) { return q.key.hash == term; });
}

/// How rare a fellow is is asked of the background alone: nobody sees the difference, and no
/// postings have to be counted.
void query_run::add_fellows(const verb_classes& verbs) {
  const std::size_t own = m_.terms.size();
  for (std::size_t k = 0; k < own; ++k) {
    for (const std::uint64_t hash : verbs.fellows(m_.terms[k].key.hash)) {
      query_term made;
      if (!in_.find(hash, made.id) || asks_for(hash))
        continue;
      made.key = in_.terms_[made.id];
      made.wanted = false;
      made.rarity = numbers_.verb_weight * -std::log(background_chance(made.key));
      m_.terms.push_back(made);
    }
  }
}

/// Takes words that no visible tool has for the nearest ones that some have.
void query_run::mend_typos() {
  std::size_t mended = 0;
  for (std::size_t k = 0; k < m_.terms.size() && mended < limits::search_typos_max; ++k) {
    const query_term wrong = m_.terms[k];
    const std::string_view text = wrong.key.view();
    if (wrong.known || !wrong.mendable || text.size() < typo_letters_min ||
        text.size() == term_key::text_bytes)
      continue;
    ++mended;
    for (const term_id id : nearest_terms(wrong.key)) {
      if (asks_for(in_.terms_[id].hash))
        continue;
      query_term made = wrong;
      made.key = in_.terms_[id];
      made.mendable = false;
      made.weight = wrong.weight * numbers_.typo_weight;
      look_up(made);
      m_.terms.push_back(made);
    }
  }
}

std::vector<term_id> query_run::nearest_terms(const term_key& wrong) const {
  const std::string_view text = wrong.view();
  std::vector<term_id> out;
  std::size_t best = text.size() >= 2 * typo_letters_min ? 2 : 1;
  for (term_id id = 0; id < in_.terms_.size(); ++id) {
    if (std::popcount(in_.terms_[id].letters ^ wrong.letters) > static_cast<int>(2 * best))
      continue;
    const std::string_view other = in_.terms_[id].view();
    if (other.size() + best < text.size() || other.size() > text.size() + best ||
        other.size() + 1 < typo_letters_min)
      continue;
    const std::size_t distance = typing_distance(text, other, best);
    if (distance > best || visible_uses(id) == 0)
      continue;
    if (distance < best)
      out.clear();
    best = distance;
    out.push_back(id);
  }
  // Ids differ between snapshots of the same contents.
  std::ranges::sort(out, {}, [this](term_id id) { return in_.terms_[id].hash; });
  out.resize(std::min(out.size(), limits::search_typo_readings_max));
  return out;
}

} // namespace nexus::search
