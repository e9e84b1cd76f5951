#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "catalog/item_list.hpp"
#include "config/vmcp.hpp"

namespace nexus::catalog {

struct server_part;

/// A tool that several servers have, and that is shown once.
struct merged_tool {
  struct member {
    std::uint32_t slot = 0;
    const item* target = nullptr;
    item_list_ptr list; ///< that the target is of
    bool available = false;
    friend bool operator==(const member&, const member&) = default;
  };
  /// The best first; limits::merged_servers_max at most, each of another server.
  std::vector<member> members;
  friend bool operator==(const merged_tool&, const merged_tool&) = default;
};
using merged_tool_ptr = std::shared_ptr<const merged_tool>;

/// Where an entry leads. Lives as long as the view.
struct route {
  std::uint32_t slot = 0;
  const item* target = nullptr;
  const item_list* list = nullptr;           ///< that the target is of
  const config::vmcp_item* change = nullptr; ///< how a virtual MCP shows it; usually as it is
  merged_tool_ptr merged = nullptr;          ///< where else it leads; usually nowhere

  /// What it is called beside its server's name.
  [[nodiscard]] std::string_view own_name() const noexcept;
};

/// A list ready to be sent: definitions with their public names, comma-separated.
class list_view {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return routes_.size(); }
  /// The bytes of definitions first to last - 1.
  [[nodiscard]] std::string_view page(std::size_t first, std::size_t last) const noexcept;
  [[nodiscard]] const route* find(std::string_view public_name) const noexcept;
  [[nodiscard]] std::string_view name(std::size_t index) const noexcept { return names_[index]; }
  /// The entry that is a server's own one of that name; null when it is not here.
  [[nodiscard]] const route* find_own(std::uint32_t slot, std::string_view own_name) const noexcept;
  /// As find_own, by the name that the server itself has for it.
  [[nodiscard]] const route* find_target(std::uint32_t slot, std::string_view name) const noexcept;
  [[nodiscard]] const route& at(std::size_t index) const noexcept { return routes_[index]; }
  /// The names nearest to one that does not exist.
  [[nodiscard]] std::vector<std::string_view> nearest(std::string_view name,
                                                      std::size_t count) const;
  /// Changes when the visible list does.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return fingerprint_; }
  /// What it keeps in memory, about.
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// Whether an entry has item::wraps_output.
  [[nodiscard]] bool wraps_output() const noexcept { return wraps_output_; }
  /// The members that tell modern clients how long to keep the list.
  [[nodiscard]] const std::string& hints() const noexcept { return hints_; }

 private:
  friend class view_builder;
  friend class virtual_view_builder;
  /// @param list that `i` is of, when that is not the server's own
  void add(std::string public_name, const server_part& part, list_kind kind, const item& i,
           const item_list* list = nullptr, const config::vmcp_item* change = nullptr);
  /// The entry that was added last leads to other servers too.
  void merge_last(merged_tool_ptr with) { routes_.back().merged = std::move(with); }
  void finish(const cache_hints& hints);

  std::string text_;
  std::vector<std::size_t> ends_; ///< of each definition, after its comma
  std::vector<std::string> names_;
  std::vector<route> routes_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::unordered_multimap<std::string_view, std::uint32_t> by_own_name_;
  bool wraps_output_ = false;
  bool changes_ = false; ///< an entry is shown in another form
  std::uint64_t fingerprint_ = 0;
  std::string hints_;
};

} // namespace nexus::catalog
