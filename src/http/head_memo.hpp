#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.hpp"

namespace nexus::http {

/// The head of a message, to recognise the next one by. Peers repeat themselves: on a connection
/// that is kept open most heads differ in nothing but the digits of Content-Length, and what was
/// checked and decoded once needs no second look. Private to src/http.
class head_memo {
 public:
  /// Remembers a head that passed every check and says its length by Content-Length; forgets the
  /// one before. @returns whether it does: it does not when the head is unusually long
  bool keep(const header_fields& checked);
  void forget() noexcept { fields_.clear(); }
  /// @returns the body's length when `bytes` begin with the same head, but for digits in the place
  ///          of as many digits
  [[nodiscard]] std::optional<std::uint64_t> match(std::string_view bytes) const noexcept;
  /// The fields of the head that is kept, and its bytes.
  [[nodiscard]] const header_fields& fields() const noexcept { return fields_; }

 private:
  header_fields fields_;
  std::size_t digits_at_ = 0, digits_end_ = 0;
};

} // namespace nexus::http
