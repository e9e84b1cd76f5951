#include "search/embedding.hpp"

#include <algorithm>
#include <cmath>

#include "base/limits.hpp"

namespace nexus::search {
namespace {

constexpr float steps = 127;

struct liked_tool {
  std::uint32_t tool = 0;
  float likeness = 0;
};

/// The visible tools that are most alike, best first, ties by number.
std::vector<liked_tool> most_alike(const index& in, const request& how, const embedded_index& tools,
                                   const embedding& query) {
  std::vector<liked_tool> out;
  for (std::uint32_t i = 0; i < in.size(); ++i) {
    if (how.visible != nullptr && !how.visible->contains(i))
      continue;
    if (const auto* const of = tools.of(i, query.dimensions()))
      out.push_back({i, of->likeness(query)});
  }
  const auto better = [](const liked_tool& a, const liked_tool& b) {
    return a.likeness != b.likeness ? a.likeness > b.likeness : a.tool < b.tool;
  };
  const auto kept = std::min(out.size(), limits::search_results_max);
  std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(kept), out.end(),
                    better);
  out.resize(kept);
  return out;
}

} // namespace

std::optional<embedding> embedding::from(std::span<const float> numbers) {
  if (numbers.empty() || numbers.size() > limits::embedding_dimensions_max)
    return std::nullopt;
  double square = 0;
  float most = 0;
  for (const float x : numbers) {
    if (!std::isfinite(x))
      return std::nullopt;
    square += static_cast<double>(x) * static_cast<double>(x);
    most = std::max(most, std::abs(x));
  }
  if (most == 0 || !std::isfinite(square))
    return std::nullopt;
  embedding out;
  out.numbers_.reserve(numbers.size());
  for (const float x : numbers)
    out.numbers_.push_back(static_cast<std::int8_t>(std::lround(x / most * steps)));
  out.scale_ = most / steps / static_cast<float>(std::sqrt(square));
  return out;
}

float embedding::likeness(const embedding& other) const noexcept {
  std::int32_t sum = 0; // 8192 products of two bytes fit
  for (std::size_t i = 0; i < numbers_.size(); ++i)
    sum += std::int32_t{numbers_[i]} * std::int32_t{other.numbers_[i]};
  return static_cast<float>(sum) * scale_ * other.scale_;
}

std::string embedding_text(const document& of) {
  std::string out = "server: " + of.server + "\ntool: " + of.name;
  if (!of.title.empty())
    out += " (" + of.title + ")";
  if (!of.description.empty())
    out += "\n" + of.description;
  for (const auto& name : of.parameter_names)
    out += (&name == of.parameter_names.data() ? "\nparams: " : ", ") + name;
  auto end = std::min(out.size(), limits::embedding_text_bytes_max);
  while (end < out.size() && end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80)
    --end;
  out.resize(end);
  return out;
}

void embedded_index::lay(const index_ptr& over, std::shared_ptr<const embedding_table> table) {
  by_tool_.assign(table ? over->size() : 0, nullptr);
  count_ = 0;
  table_ = std::move(table);
  for (std::uint32_t i = 0; i < by_tool_.size(); ++i)
    if (const auto found = table_->find(std::string(over->tool(i).id)); found != table_->end()) {
      by_tool_[i] = found->second.get();
      ++count_;
    }
}

const embedding* embedded_index::of(std::uint32_t tool, std::size_t dimensions) const noexcept {
  const auto* const found = tool < by_tool_.size() ? by_tool_[tool] : nullptr;
  return found != nullptr && found->dimensions() == dimensions ? found : nullptr;
}

std::vector<hit> find_blended(searcher& words, const index& in, std::string_view text,
                              const request& how, const embedded_index& tools,
                              const embedding& query, double weight) {
  request wide = how;
  wide.top_k = limits::search_results_max;
  auto hits = words.find(in, text, wide);
  const auto liked = most_alike(in, how, tools, query);
  if (liked.empty()) {
    hits.resize(std::min(hits.size(), how.top_k));
    return hits;
  }
  const double best_words = hits.empty() || hits.front().score <= 0 ? 1 : hits.front().score;
  const double most = liked.front().likeness, least = liked.back().likeness;
  const auto spread = [&](float likeness) {
    return most > least ? std::clamp((likeness - least) / (most - least), 0.0, 1.0) : 1.0;
  };
  std::vector<bool> listed(in.size());
  for (auto& one : hits) {
    listed[one.tool] = true;
    one.score /= best_words;
    if (const auto* const of = tools.of(one.tool, query.dimensions())) {
      one.likeness = of->likeness(query);
      one.score = (1 - weight) * one.score + weight * spread(*one.likeness);
    }
  }
  for (const auto& one : liked)
    if (!listed[one.tool]) {
      const auto tool = in.tool(one.tool);
      hits.push_back({one.tool,
                      tool.id,
                      tool.server,
                      tool.name,
                      weight * spread(one.likeness),
                      {},
                      one.likeness});
    }
  std::sort(hits.begin(), hits.end(), [](const hit& a, const hit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  hits.resize(std::min(hits.size(), how.top_k));
  return hits;
}

} // namespace nexus::search
