#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/server_catalogue.hpp"

/// A generation of the merged catalogue: immutable, shared by all workers, replaced as a whole.
namespace nexus::catalog {

enum class naming : std::uint8_t { prefixed, bare };

/// One server's part in a generation.
struct server_part {
  std::uint32_t slot = 0; ///< the server's place in every per-server table of the process
  std::string name;
  std::shared_ptr<const server_catalogue> catalogue; ///< null until it has been listed once
  bool available = false; ///< false: the tools are those of the last listing, calls fail
};

/// Where a tool name leads.
struct route {
  std::uint32_t slot = 0;
  const tool* target = nullptr; ///< lives as long as the snapshot
};

/// A list ready to be sent: definitions with their public names, comma-separated.
class tool_view {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return routes_.size(); }
  /// The bytes of definitions first to last - 1.
  [[nodiscard]] std::string_view page(std::size_t first, std::size_t last) const noexcept;
  [[nodiscard]] const route* find(std::string_view public_name) const noexcept;
  [[nodiscard]] std::string_view name(std::size_t index) const noexcept { return names_[index]; }
  [[nodiscard]] const route& at(std::size_t index) const noexcept { return routes_[index]; }
  /// The names nearest to one that does not exist.
  [[nodiscard]] std::vector<std::string_view> nearest(std::string_view name,
                                                      std::size_t count) const;
  /// Changes when the visible list does.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return fingerprint_; }

 private:
  friend class snapshot;
  void add(std::string public_name, const server_part& part, const tool& t);
  void finish();

  std::string text_;
  std::vector<std::size_t> ends_; ///< of each definition, after its comma
  std::vector<std::string> names_;
  std::vector<route> routes_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::uint64_t fingerprint_ = 0;
};

class snapshot {
 public:
  /// Merges the parts in their order. @cost copies every definition once
  snapshot(std::uint64_t generation, naming mode, std::vector<server_part> parts);
  snapshot(const snapshot&) = delete; // views refer to what it owns
  snapshot& operator=(const snapshot&) = delete;

  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] const tool_view& all() const noexcept { return all_; }
  /// The view of one server, names untouched; null when no such server is configured.
  [[nodiscard]] const tool_view* of_server(std::uint32_t slot) const noexcept;
  /// The slot of a configured server by name.
  [[nodiscard]] const server_part* server(std::string_view name) const noexcept;
  [[nodiscard]] const std::vector<server_part>& servers() const noexcept { return parts_; }

 private:
  std::uint64_t generation_;
  std::vector<server_part> parts_;
  tool_view all_;
  std::unordered_map<std::uint32_t, tool_view> by_server_;
  std::unordered_map<std::string_view, std::uint32_t> part_by_name_;
};

} // namespace nexus::catalog
