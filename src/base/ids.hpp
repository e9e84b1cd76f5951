#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace nexus {

/// An integer that is not interchangeable with other integers.
template <class Tag>
struct strong_id {
  std::uint32_t value = 0;
  friend constexpr auto operator<=>(strong_id, strong_id) = default;
};

/// A configured server, for the life of the process; never reused after a reload removes it.
using server_id = strong_id<struct server_id_tag>;
/// A worker thread, 0 to workers - 1.
using worker_id = strong_id<struct worker_id_tag>;

} // namespace nexus

template <class Tag>
struct std::hash<nexus::strong_id<Tag>> {
  std::size_t operator()(nexus::strong_id<Tag> id) const noexcept {
    return std::hash<std::uint32_t>{}(id.value);
  }
};
