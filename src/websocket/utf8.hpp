#pragma once

#include <cstdint>
#include <string_view>

namespace nexus::websocket {

/// Checks UTF-8 that arrives in pieces: no overlong forms, no surrogates, nothing above U+10FFFF.
/// @source RFC 3629 s4
class utf8_checker {
 public:
  /// @returns false as soon as no continuation makes the bytes so far UTF-8; they are not looked at
  /// again
  [[nodiscard]] bool feed(std::string_view bytes) noexcept;
  /// True between characters.
  [[nodiscard]] bool complete() const noexcept { return missing_ == 0; }
  void reset() noexcept { missing_ = 0; }

 private:
  std::uint8_t missing_ = 0;                    ///< bytes of the character at hand
  std::uint8_t lowest_ = 0x80, highest_ = 0xBF; ///< of the next one of them
};

} // namespace nexus::websocket
