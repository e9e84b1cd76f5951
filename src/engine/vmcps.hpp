#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "catalog/virtual_view.hpp"

/// Virtual MCPs as the workers know them. Their lives are the control plane's.
namespace nexus::engine {

enum class vmcp_state : std::uint8_t {
  created,  ///< its queries are not answered yet
  ready,    ///< serves
  draining, ///< finishes its calls, takes no new ones
  closed,
};
[[nodiscard]] std::string_view to_string(vmcp_state state) noexcept;

/// What the workers share of one. @thread any
struct vmcp_runtime {
  std::uint32_t number = 0; ///< never used again
  std::string id;
  std::atomic<std::uint32_t> in_flight{0};
  std::atomic<std::int64_t> last_used_ns{0};

  /// Counts a call of this minute. @returns false when there have been `most` already
  [[nodiscard]] bool admit_rate(time_point now, std::size_t most) noexcept;

 private:
  std::atomic<std::uint64_t> window_{0}; ///< minute in the upper half, calls in the lower
};

/// A port that is one virtual MCP's alone. @thread any
struct own_port {
  std::uint16_t port = 0;
  std::shared_ptr<vmcp_runtime> of;
  std::atomic<std::uint32_t> connections{0}; ///< open now
};
using own_port_ptr = std::shared_ptr<own_port>;

/// One state of one: immutable, replaced as a whole on every worker.
struct vmcp_endpoint {
  config::vmcp_definition_ptr definition;
  std::shared_ptr<const catalog::frozen_tools> found;
  std::uint64_t generation = 0; ///< changes with every update
  vmcp_state state = vmcp_state::created;
  std::shared_ptr<vmcp_runtime> runtime;
};
using vmcp_endpoint_ptr = std::shared_ptr<const vmcp_endpoint>;

/// A worker's virtual MCPs, and what it has made of them for its snapshot. @thread its worker
class vmcp_table {
 public:
  void install(vmcp_endpoint_ptr endpoint);
  void remove(std::uint32_t number);
  [[nodiscard]] vmcp_endpoint_ptr find(std::string_view id) const;
  [[nodiscard]] const vmcp_endpoint* find(std::uint32_t number) const noexcept;
  /// What it shows; null when there is none. Stays until the next call of a method of this table.
  /// @param dropped called before views that others may point into are destroyed
  [[nodiscard]] const catalog::exposure* view(std::uint32_t number,
                                              const catalog::snapshot& snapshot,
                                              const std::function<void()>& dropped);
  /// The snapshot was replaced.
  void forget_views();

 private:
  struct made_view {
    std::uint32_t number;
    std::shared_ptr<const catalog::exposure> shown;
    std::size_t bytes;
  };
  void drop_view(std::uint32_t number);

  std::unordered_map<std::uint32_t, vmcp_endpoint_ptr> endpoints_;
  std::unordered_map<std::string_view, std::uint32_t> numbers_; ///< by the runtime's id
  std::list<made_view> views_;                                  ///< the last used first
  std::unordered_map<std::uint32_t, std::list<made_view>::iterator> view_of_;
  std::size_t view_bytes_ = 0;
};

} // namespace nexus::engine
