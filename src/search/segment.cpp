#include "search/segment.hpp"

#include <algorithm>
#include <cmath>

#include "base/limits.hpp"
#include "search/background.hpp"

namespace nexus::search {
namespace {

constexpr std::size_t index_of(field f) {
  return static_cast<std::size_t>(f);
}

std::uint32_t size_of(const auto& all) {
  return static_cast<std::uint32_t>(all.size());
}

} // namespace

segment segment_maker::make(std::string_view server, std::span<const document> tools,
                            term_table& terms) {
  segment out;
  out.server = server;
  out.tools.reserve(tools.size());
  for (const document& tool : tools) {
    read_fields(tool);
    indexed_tool& made = out.tools.emplace_back();
    made.id = tool.id;
    made.name = tool.name;
    made.terms.begin = size_of(out.terms);
    made.pairs.begin = size_of(out.pairs);
    made.grams.begin = size_of(out.grams);
    add_terms(out, terms);
    add_pairs(out);
    add_grams(out, made);
    made.terms.end = size_of(out.terms);
    made.pairs.end = size_of(out.pairs);
    made.grams.end = size_of(out.grams);
  }
  out.terms.shrink_to_fit();
  out.pairs.shrink_to_fit();
  out.grams.shrink_to_fit();
  return out;
}

void segment_maker::read_fields(const document& tool) {
  tokens_.clear();
  pairs_.clear();
  text_.clear();
  lengths_.fill(0);
  bytes_left_ = limits::search_document_bytes_max;
  read_field(field::name, tool.name);
  read_field(field::title, tool.title);
  read_field(field::server, tool.server);
  read_field(field::server, tool.server_title);
  read_field(field::server, tool.server_category);
  read_field(field::description, tool.description);
  for (const std::string& name : tool.parameter_names)
    read_field(field::parameter_name, name);
  for (const std::string& text : tool.parameter_texts)
    read_field(field::parameter_text, text);
}

void segment_maker::read_field(field which, std::string_view text) {
  text = text.substr(0, bytes_left_);
  bytes_left_ -= text.size();
  const bool spoken = which == field::name || which == field::title || which == field::description;
  text_.tokens.clear();
  analyzer_.append(text_, text, spoken ? gram_use::collect : gram_use::skip);
  const token* before = nullptr;
  for (const token& t : text_.tokens) {
    tokens_.emplace_back(t, which);
    lengths_[index_of(which)] += 1;
    if (t.kind == token_kind::joined)
      continue;
    if (before != nullptr && spoken)
      pairs_.push_back(hash_pair(before->key, t.key));
    before = &t;
  }
}

void segment_maker::add_terms(segment& to, term_table& terms) {
  std::ranges::sort(tokens_, {}, [](const auto& t) { return t.first.key.hash; });
  std::array<float, field_count> norms{};
  for (std::size_t f = 0; f < field_count; ++f) {
    norms[f] =
        1 - numbers_.length_share + numbers_.length_share * lengths_[f] / numbers_.usual_lengths[f];
  }
  for (std::size_t at = 0; at < tokens_.size();) {
    const term_key& key = tokens_[at].first.key;
    std::array<float, field_count> counts{};
    for (; at < tokens_.size() && tokens_[at].first.key.hash == key.hash; ++at)
      counts[index_of(tokens_[at].second)] += 1;
    term_use made;
    float weight = 0;
    for (std::size_t f = 0; f < field_count; ++f) {
      if (counts[f] > 0) {
        weight += numbers_.weights[f] * counts[f] / norms[f];
        made.fields = static_cast<std::uint8_t>(made.fields | 1U << f);
      }
    }
    const float in_names =
        counts[index_of(field::parameter_name)] / norms[index_of(field::parameter_name)];
    const auto saturated = [this](float w) { return w / (numbers_.saturation + w); };
    made.impact = static_cast<std::uint16_t>(std::lround(saturated(weight) * 65535));
    made.parameter_impact = static_cast<std::uint8_t>(std::lround(saturated(in_names) * 255));
    made.term = terms.use(key);
    to.terms.push_back(made);
  }
}

void segment_maker::add_pairs(segment& to) {
  std::ranges::sort(pairs_);
  const auto end = std::unique(pairs_.begin(), pairs_.end());
  to.pairs.insert(to.pairs.end(), pairs_.begin(), end);
}

void segment_maker::add_grams(segment& to, indexed_tool& tool) {
  std::ranges::sort(text_.grams);
  auto end = std::unique(text_.grams.begin(), text_.grams.end());
  float squares = 0;
  for (auto gram = text_.grams.begin(); gram != end; ++gram) {
    const float rarity = background::gram_rarity(*gram);
    squares += rarity * rarity;
  }
  tool.gram_norm = std::sqrt(squares);
  to.grams.insert(to.grams.end(), text_.grams.begin(), end);
}

} // namespace nexus::search
