#include "search/index.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"
#include "base/limits.hpp"

namespace nexus::search {

tool_ref index::tool(std::uint32_t number) const noexcept {
  const placed_tool& placed = tools_[number];
  return {placed.get().id, placed.in->server, placed.get().name};
}

selection index::select(const std::function<bool(const tool_ref&)>& visible) const {
  selection out;
  out.of_ = this;
  out.bits_.resize((size() + 63) / 64);
  for (std::uint32_t number = 0; number < size(); ++number) {
    if (visible(tool(number))) {
      out.bits_[number / 64] |= std::uint64_t{1} << number % 64;
      ++out.count_;
    }
  }
  return out;
}

bool index::find(std::uint64_t hash, term_id& out) const noexcept {
  if (slots_.empty())
    return false;
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const slot& s = slots_[at];
    if (s.term_plus_one == 0)
      return false;
    if (s.hash == hash) {
      out = s.term_plus_one - 1;
      return true;
    }
  }
}

/// Ids of terms. An id that no tool uses any more is given to the next term that comes, so that
/// servers which change all the time do not fill the memory.
class index_builder::terms final : public term_table {
 public:
  term_id use(const term_key& key) override {
    const auto [found, fresh] = ids_.try_emplace(key.hash, 0);
    if (fresh) {
      if (free_.empty()) {
        free_.push_back(static_cast<term_id>(keys_.size()));
        keys_.emplace_back();
        uses_.push_back(0);
      }
      found->second = free_.back();
      free_.pop_back();
      keys_[found->second] = key;
    }
    ++uses_[found->second];
    return found->second;
  }
  void release(term_id id) {
    NEXUS_ASSERT(uses_[id] > 0);
    if (--uses_[id] > 0)
      return;
    ids_.erase(keys_[id].hash);
    keys_[id] = {};
    free_.push_back(id);
  }

  [[nodiscard]] const std::vector<term_key>& keys() const noexcept { return keys_; }
  /// How many tools have each term.
  [[nodiscard]] const std::vector<std::uint32_t>& uses() const noexcept { return uses_; }

 private:
  std::unordered_map<std::uint64_t, term_id> ids_;
  std::vector<term_key> keys_;
  std::vector<std::uint32_t> uses_;
  std::vector<term_id> free_;
};

index_builder::index_builder(const ranking& numbers)
    : numbers_(numbers), terms_(std::make_unique<terms>()), maker_(numbers_) {}
index_builder::~index_builder() = default;

void index_builder::set_server(std::string_view server, std::span<const document> tools) {
  tools = tools.first(std::min(tools.size(), limits::tools_per_server_max));
  auto made = std::make_shared<const segment>(maker_.make(server, tools, *terms_));
  const auto [place, fresh] = servers_.try_emplace(std::string(server));
  if (!fresh)
    release(*place->second);
  place->second = std::move(made);
}

void index_builder::remove_server(std::string_view server) {
  const auto found = servers_.find(server);
  if (found == servers_.end())
    return;
  release(*found->second);
  servers_.erase(found);
}

void index_builder::release(const segment& old) {
  for (const term_use& use : old.terms)
    terms_->release(use.term);
}

index_ptr index_builder::build() const {
  auto out = std::make_shared<index>();
  out->numbers_ = numbers_;
  out->segments_.reserve(servers_.size());
  for (const auto& [name, made] : servers_) {
    out->segments_.push_back(made);
    for (std::uint32_t number = 0; number < made->tools.size(); ++number)
      out->tools_.push_back({made.get(), number});
  }
  place_terms(*out);
  place_postings(*out);
  return out;
}

void index_builder::place_terms(index& to) const {
  to.terms_ = terms_->keys();
  to.slots_.resize(std::bit_ceil(2 * to.terms_.size() + 1));
  const std::size_t mask = to.slots_.size() - 1;
  for (term_id id = 0; id < to.terms_.size(); ++id) {
    const term_key& key = to.terms_[id];
    if (key.size == 0)
      continue;
    std::size_t at = key.hash & mask;
    while (to.slots_[at].term_plus_one != 0)
      at = (at + 1) & mask;
    to.slots_[at] = {key.hash, id + 1};
  }
}

void index_builder::place_postings(index& to) const {
  const auto& uses = terms_->uses();
  to.starts_.resize(uses.size() + 1);
  for (std::size_t id = 0; id < uses.size(); ++id)
    to.starts_[id + 1] = to.starts_[id] + uses[id];
  to.postings_.resize(to.starts_.back());
  std::vector<std::uint32_t> next(to.starts_.begin(), to.starts_.end() - 1);
  for (std::uint32_t number = 0; number < to.tools_.size(); ++number) {
    const index::placed_tool& placed = to.tools_[number];
    for (const term_use& use : placed.get().terms.in(placed.in->terms))
      to.postings_[next[use.term]++] = {number, use.impact};
  }
}

index_ptr build_index(std::span<const document> tools, const ranking& numbers) {
  std::map<std::string_view, std::vector<document>> by_server;
  for (const document& tool : tools)
    by_server[tool.server].push_back(tool);
  index_builder builder(numbers);
  for (const auto& [server, own] : by_server)
    builder.set_server(server, own);
  return builder.build();
}

} // namespace nexus::search
