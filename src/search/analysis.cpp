#include "search/analysis.hpp"

#include <algorithm>
#include <cstring>

#include <libstemmer.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "search/characters.hpp"

namespace nexus::search {
namespace {

std::uint64_t mix(std::uint64_t h) noexcept {
  // The finalizer of MurmurHash3: every bit of the input reaches every bit of the output.
  h ^= h >> 33;
  h *= 0xFF51AFD7ED558CCDULL;
  h ^= h >> 33;
  h *= 0xC4CEB9FE1A85EC53ULL;
  return h ^ h >> 33;
}

std::uint64_t fnv1a(std::string_view text) noexcept {
  std::uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : text)
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return h;
}

/// A bit for each letter of ASCII, one for all digits, and some that all others share.
std::uint32_t letters_of(std::string_view text) noexcept {
  std::uint32_t out = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const unsigned bit = c >= 'a' && c <= 'z' ? byte - 'a' : byte < 0x80 ? 26 : 27 + byte % 5;
    out |= std::uint32_t{1} << bit;
  }
  return out;
}

/// A piece of a word: letters or digits.
struct part {
  std::uint32_t begin, end; ///< in the source
  std::uint32_t from, to;   ///< in the folded word
  character_class what;     ///< digit, lower or dense
};

bool ends_clause(std::string_view text, std::size_t at) {
  switch (text[at]) {
  case '\n':
  case ';':
    return true;
  case '.':
  case '!':
  case '?':
  case ',':
  case ':':
    return at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\n';
  default:
    return false;
  }
}

} // namespace

std::uint64_t hash_term(std::string_view stem) noexcept {
  return mix(fnv1a(stem));
}

std::uint32_t hash_pair(const term_key& first, const term_key& second) noexcept {
  return static_cast<std::uint32_t>(mix(first.hash + 0x9E3779B97F4A7C15ULL * second.hash) >> 32);
}

struct analyzer::impl {
  sb_stemmer* stemmer = sb_stemmer_new("english", nullptr);
  std::string word;               // the run of word characters at hand, folded
  std::vector<part> parts;        // of it
  std::vector<std::size_t> edges; // where the characters of a dense part begin in `word`

  impl() { NEXUS_ASSERT(stemmer != nullptr); }
  ~impl() { sb_stemmer_delete(stemmer); }
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  void split_last_capital(std::size_t begin);
  std::size_t read_run(std::string_view text, std::size_t at);
  void emit_run(analysis& to, std::uint16_t clause, gram_use grams);
  void emit_dense(analysis& to, const part& p, std::uint16_t clause);
  void emit_joined(analysis& to, std::uint16_t clause);
  term_key stem(std::string_view text);
};

analyzer::analyzer() : impl_(std::make_unique<impl>()) {}
analyzer::~analyzer() = default;
analyzer::analyzer(analyzer&&) noexcept = default;
analyzer& analyzer::operator=(analyzer&&) noexcept = default;

term_key analyzer::impl::stem(std::string_view text) {
  const auto* found = sb_stemmer_stem(stemmer, reinterpret_cast<const sb_symbol*>(text.data()),
                                      static_cast<int>(text.size()));
  if (found != nullptr)
    text = {reinterpret_cast<const char*>(found),
            static_cast<std::size_t>(sb_stemmer_length(stemmer))};
  term_key out;
  out.hash = hash_term(text);
  out.size = static_cast<std::uint8_t>(std::min(text.size(), term_key::text_bytes));
  std::memcpy(out.text.data(), text.data(), out.size);
  out.letters = letters_of(out.view());
  return out;
}

term_key analyzer::stem(std::string_view word) {
  return impl_->stem(word);
}

/// HTTPServer: the last capital, which begins at `begin`, is the first letter of the next word.
void analyzer::impl::split_last_capital(std::size_t begin) {
  part& last = parts.back();
  if (last.to < last.from + 2)
    return; // the only one
  const auto edge = static_cast<std::uint32_t>(begin);
  const part next{edge, last.end, last.to - 1, last.to, character_class::lower};
  last.end = edge;
  last.to -= 1;
  parts.push_back(next);
}

/// Reads the run of word characters at `at` into `word` and `parts`. @returns where it ends
std::size_t analyzer::impl::read_run(std::string_view text, std::size_t at) {
  word.clear();
  parts.clear();
  character_class before = character_class::other;
  std::size_t previous = at; // where the last character began
  while (at < text.size()) {
    const character c = character_at(text, at);
    if (c.what == character_class::other)
      break;
    const bool is_letter = c.what == character_class::lower || c.what == character_class::upper;
    const bool was_letter = before == character_class::lower || before == character_class::upper;
    bool fresh = parts.empty() || (is_letter ? !was_letter : c.what != before);
    if (is_letter && was_letter) {
      if (c.what == character_class::upper)
        fresh = before == character_class::lower;
      else if (before == character_class::upper)
        split_last_capital(previous);
    }
    const auto from = static_cast<std::uint32_t>(word.size());
    if (fresh) {
      const auto what = is_letter ? character_class::lower : c.what;
      const auto begin = static_cast<std::uint32_t>(at);
      parts.push_back({begin, begin, from, from, what});
    }
    if (c.folded != 0 && word.size() < limits::search_word_bytes_max)
      append_utf8(word, c.folded);
    previous = at;
    at += c.bytes;
    parts.back().end = static_cast<std::uint32_t>(at);
    parts.back().to = static_cast<std::uint32_t>(word.size());
    before = c.what;
  }
  return at;
}

void append_grams(std::vector<std::uint16_t>& to, std::string_view word);

void analyzer::impl::emit_run(analysis& to, std::uint16_t clause, gram_use grams) {
  for (const part& p : parts) {
    const std::string_view text = std::string_view(word).substr(p.from, p.to - p.from);
    if (text.empty())
      continue; // cut off
    if (p.what == character_class::dense) {
      emit_dense(to, p, clause);
      continue;
    }
    if (is_stop_word(text))
      continue;
    token made;
    made.kind = p.what == character_class::digit ? token_kind::number
                : is_courtesy(text)              ? token_kind::courtesy
                                                 : token_kind::word;
    made.key = stem(text);
    made.begin = p.begin;
    made.end = p.end;
    made.clause = clause;
    to.tokens.push_back(made);
    if (grams == gram_use::collect && made.kind != token_kind::number)
      append_grams(to.grams, text);
  }
  emit_joined(to, clause);
}

/// Two or three parts that are written as one word.
void analyzer::impl::emit_joined(analysis& to, std::uint16_t clause) {
  if (parts.size() < 2 || parts.size() > 3)
    return;
  if (std::ranges::any_of(parts, [](const part& p) { return p.what == character_class::dense; }))
    return;
  token made;
  made.kind = token_kind::joined;
  made.key = stem(word);
  made.begin = parts.front().begin;
  made.end = parts.back().end;
  made.clause = clause;
  to.tokens.push_back(made);
}

/// Each pair of neighbours, or the only character.
void analyzer::impl::emit_dense(analysis& to, const part& p, std::uint16_t clause) {
  edges.clear();
  for (std::size_t at = p.from; at < p.to; at += character_at(word, at).bytes)
    edges.push_back(at);
  edges.push_back(p.to);
  for (std::size_t k = 0; k + 1 < edges.size(); ++k) {
    const std::size_t last = std::min(k + 2, edges.size() - 1);
    if (last == k + 1 && k > 0)
      break; // the second half of the last pair
    token made;
    made.key = stem(std::string_view(word).substr(edges[k], edges[last] - edges[k]));
    made.begin = p.begin;
    made.end = p.end;
    made.clause = clause;
    to.tokens.push_back(made);
  }
}

/// The 3- and 4-grams of a word between its borders.
void append_grams(std::vector<std::uint16_t>& to, std::string_view word) {
  std::array<char, limits::search_word_bytes_max + 8> padded;
  const std::size_t size = std::min(word.size(), padded.size() - 2) + 2;
  padded[0] = padded[size - 1] = ' ';
  std::memcpy(padded.data() + 1, word.data(), size - 2);
  std::uint32_t window = 0; // the last four characters
  for (std::size_t k = 0; k < size; ++k) {
    window = window << 8 | static_cast<unsigned char>(padded[k]);
    // Fibonacci hashing; the multiplier's top bits spread both kinds over the same buckets.
    if (k >= 2)
      to.push_back(static_cast<std::uint16_t>((window & 0xFFFFFF) * 0x9E3779B1U >> 16));
    if (k >= 3)
      to.push_back(static_cast<std::uint16_t>((window ^ 0x5BD1E995U) * 0x85EBCA6BU >> 16));
  }
}

void analyzer::append(analysis& to, std::string_view text, gram_use grams) {
  std::uint16_t clause = to.tokens.empty() ? 0 : to.tokens.back().clause;
  std::size_t said = to.tokens.size(); // before the clause at hand
  for (std::size_t at = 0; at < text.size();) {
    const character c = character_at(text, at);
    if (c.what != character_class::other) {
      at = impl_->read_run(text, at);
      impl_->emit_run(to, clause, grams);
      continue;
    }
    if (ends_clause(text, at) && to.tokens.size() > said && clause < UINT16_MAX) {
      ++clause;
      said = to.tokens.size();
    }
    at += c.bytes;
  }
}

} // namespace nexus::search
