#include "http/body.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace nexus::http {

void append_spared(std::string& text, std::string_view bytes, std::uint64_t to_come) {
  const std::size_t wanted = text.size() + bytes.size() + spare_bytes;
  if (wanted > text.capacity()) {
    const auto ahead = std::min<std::uint64_t>(to_come, announced_factor_max * wanted);
    text.reserve(std::max(wanted + static_cast<std::size_t>(ahead), 2 * text.capacity()));
  }
  text.append(bytes);
}

void recycle(std::string& text) noexcept {
  if (text.capacity() > limits::http_retained_buffer_bytes_max) {
    std::string().swap(text); // assigning an empty one would keep the memory
  } else {
    text.clear();
  }
}

} // namespace nexus::http
