#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/assert.hpp"

namespace nexus::gateway {

/// A text in parts that stand elsewhere, so that an answer is copied once: into the socket's
/// buffer. The parts must outlive it.
class pieces {
 public:
  static constexpr std::size_t capacity = 16;

  void add(std::string_view part) {
    NEXUS_DASSERT(count_ < capacity);
    parts_[count_++] = part;
    bytes_ += part.size();
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  void append_to(std::string& out) const {
    // Otherwise what follows a large part makes room once more, and moves that part.
    if (out.capacity() - out.size() < bytes_)
      out.reserve(out.size() + bytes_);
    for (std::size_t i = 0; i < count_; ++i)
      out += parts_[i];
  }
  [[nodiscard]] std::string to_string() const {
    std::string out;
    append_to(out);
    return out;
  }

 private:
  std::array<std::string_view, capacity> parts_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace nexus::gateway
