#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "search/document.hpp"
#include "search/ranking.hpp"
#include "search/segment.hpp"

/// What tools are searched by: an immutable snapshot, and the builder that makes the next one when
/// a server's tools change.
namespace nexus::search {

/// A tool of an index. Views live as long as the index.
struct tool_ref {
  std::string_view id, server, name;
};

/// Tools that somebody may see; made once for many queries.
class selection {
 public:
  [[nodiscard]] bool contains(std::uint32_t tool) const noexcept {
    return (bits_[tool / 64] >> tool % 64 & 1) != 0;
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  friend class index;
  std::vector<std::uint64_t> bits_;
  std::size_t count_ = 0;
  const class index* of_ = nullptr;
};

/// Never changes. Any thread may read it.
class index {
 public:
  /// Without tools.
  index() = default;

  [[nodiscard]] std::size_t size() const noexcept { return tools_.size(); }
  /// Tools are numbered from 0 in the order of their servers' names.
  [[nodiscard]] tool_ref tool(std::uint32_t number) const noexcept;
  /// The tools that `visible` wants. A query with it cannot tell whether there are others.
  [[nodiscard]] selection select(const std::function<bool(const tool_ref&)>& visible) const;
  /// Does `some` belong to this index?
  [[nodiscard]] bool made(const selection& some) const noexcept { return some.of_ == this; }

 private:
  friend class index_builder;
  friend class query_run;

  struct posting {
    std::uint32_t tool = 0;
    std::uint16_t impact = 0;
  };
  struct placed_tool {
    const segment* in = nullptr;
    std::uint32_t number = 0; ///< within the segment
    [[nodiscard]] const indexed_tool& get() const noexcept { return in->tools[number]; }
  };
  struct slot {
    std::uint64_t hash = 0;
    std::uint32_t term_plus_one = 0;
  };

  /// The id of a term that some tool has.
  [[nodiscard]] bool find(std::uint64_t hash, term_id& out) const noexcept;
  [[nodiscard]] std::span<const posting> postings(term_id term) const noexcept {
    return {postings_.data() + starts_[term], postings_.data() + starts_[term + 1]};
  }

  ranking numbers_;
  std::vector<std::shared_ptr<const segment>> segments_;
  std::vector<placed_tool> tools_;
  std::vector<posting> postings_;     ///< by term, then by tool
  std::vector<std::uint32_t> starts_; ///< of each term's postings; one more than terms
  std::vector<term_key> terms_;       ///< empty keys where an id is not in use
  std::vector<slot> slots_;           ///< open addressing; a power of two
};
using index_ptr = std::shared_ptr<const index>;

/// Keeps what every server offers and makes snapshots of it. For one thread.
class index_builder {
 public:
  explicit index_builder(const ranking& numbers = {});
  ~index_builder();
  index_builder(const index_builder&) = delete;
  index_builder& operator=(const index_builder&) = delete;

  /// From now on the server has these tools and no others; limits::tools_per_server_max of them.
  /// @param tools their `server` is what is searched, and usually `server` itself
  void set_server(std::string_view server, std::span<const document> tools);
  void remove_server(std::string_view server);

  /// What is known now. Snapshots of equal contents rank equally, bit by bit, whatever changes led
  /// there. @cost linear in all tools, about a microsecond each
  [[nodiscard]] index_ptr build() const;

 private:
  class terms;
  void release(const segment& old);
  void place_postings(index& to) const;
  void place_terms(index& to) const;

  ranking numbers_;
  std::unique_ptr<terms> terms_;
  segment_maker maker_;
  std::map<std::string, std::shared_ptr<const segment>, std::less<>> servers_;
};

/// The index of a list, by the documents' servers.
[[nodiscard]] index_ptr build_index(std::span<const document> tools, const ranking& numbers = {});

} // namespace nexus::search
