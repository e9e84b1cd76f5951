#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.hpp"

namespace nexus::http {

/// Recognises a head that is the last one again. Peers repeat themselves: on a connection that is
/// kept open most heads differ in nothing but the digits of Content-Length, and what was checked
/// and decoded once needs no second look. The fields that a parser decoded last are what it
/// compares with; nothing is kept twice. Private to src/http.
class head_memo {
 public:
  /// From now on `last`, which passed every check and has a Content-Length, is recognised, as long
  /// as nobody touches it. An unusually long one is not.
  void keep(const header_fields& last) noexcept;
  void forget() noexcept { digits_end_ = 0; }
  [[nodiscard]] bool keeps() const noexcept { return digits_end_ != 0; }
  /// Whether `bytes` begin with the head in `last` again, but for digits in the place of as many
  /// digits; then `last` has these. @returns the body's length
  [[nodiscard]] std::optional<std::uint64_t> take(std::string_view bytes,
                                                  header_fields& last) const noexcept;

 private:
  std::uint32_t digits_at_ = 0, digits_end_ = 0;
};

} // namespace nexus::http
