#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nexus {

/// Levenshtein distance in bytes, for near misses of names.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidates nearest to `name`, best first, at most `count`, none farther than a third of the
/// longer name. Ties keep the order of `candidates`.
[[nodiscard]] std::vector<std::string_view>
nearest_names(std::string_view name, std::span<const std::string_view> candidates,
              std::size_t count);

/// ASCII case folding, as HTTP field names and JSON key checks want it.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

/// `*` and `?` globbing over bytes, linear in time.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text) noexcept;

} // namespace nexus
