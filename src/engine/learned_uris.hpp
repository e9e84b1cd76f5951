#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/limits.hpp"

namespace nexus::engine {

/// Which server mentioned a resource in a result, for reading it later: servers need not list what
/// they link to. Forgets what is oldest. One per worker; what one learns it tells the others.
class learned_uris {
 public:
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view uri) const;
  /// @returns false when that was known
  bool add(std::string_view uri, std::uint32_t slot);
  /// The server is gone.
  void forget(std::uint32_t slot);
  [[nodiscard]] std::size_t size() const noexcept { return young_.size() + old_.size(); }

 private:
  static constexpr std::size_t half = limits::learned_uris_max / 2;
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using table = std::unordered_map<std::string, std::uint32_t, hash, std::equal_to<>>;
  table young_, old_; ///< when one is full, the other is forgotten
};

/// The values of all members called "uri" in a JSON text, unescaped: resource links, embedded
/// resources, and whatever else is called so. At most limits::learned_uris_per_result_max.
/// @pre `text` is validated JSON
/// @cost one search for the key when there is none
[[nodiscard]] std::vector<std::string> mentioned_uris(std::string_view text);

} // namespace nexus::engine
