#pragma once

#include <cstring>
#include <memory>
#include <string_view>

#include "json/scan.hpp"

namespace nexus::json::test {

/// A text in memory of its own that ends exactly where its padding ends, so that AddressSanitizer
/// sees any read beyond. The padding holds bytes that would change the outcome if they were parsed.
class padded {
 public:
  explicit padded(std::string_view text, char filler = '1')
      : size_(text.size()), bytes_(new char[text.size() + padding_bytes]) {
    std::memcpy(bytes_.get(), text.data(), text.size());
    std::memset(bytes_.get() + text.size(), filler, padding_bytes);
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

} // namespace nexus::json::test
