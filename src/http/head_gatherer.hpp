#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "http/syntax.hpp"

namespace nexus::http {

/// Gathers the head of a message, start line to empty line, into contiguous bytes and checks each
/// line as it completes. What is refused therefore depends on the bytes only, never on how they
/// were cut, and the decoder behind it sees whole, checked heads. Private to src/http.
class head_gatherer {
 public:
  struct rules {
    verdict (*start_line)(std::string_view line, std::size_t target_bytes_max) noexcept;
    verdict (*endless_start_line)(std::string_view line) noexcept;
    std::size_t start_line_bytes_max; ///< with its CRLF
    std::size_t target_bytes_max;     ///< of a request
    std::size_t header_count_max;
    std::size_t header_bytes_max;
    bool leading_crlf; ///< one empty line before the start line is skipped
  };
  struct step {
    std::size_t taken = 0;
    bool complete = false;
    std::string_view head; ///< of a complete head; valid until the next call
    verdict problem;
  };

  explicit head_gatherer(const rules& bounds) noexcept : rules_(bounds) {}

  /// Takes from the front of `bytes`, which is not empty.
  [[nodiscard]] step next(std::string_view bytes);
  /// True when no byte of a head has been taken since reset(); a skipped empty line is none.
  [[nodiscard]] bool idle() const noexcept { return held_.size() == begin_; }
  void reset() noexcept;

 private:
  enum class outcome : std::uint8_t { incomplete, complete, bad };
  [[nodiscard]] outcome scan(std::string_view block, verdict& problem);
  [[nodiscard]] verdict take_line(std::string_view line);
  /// What is wrong with a block whose last line has not ended yet.
  [[nodiscard]] verdict check_unfinished(std::string_view block) const;
  /// How long the block may become before the line at hand ends.
  [[nodiscard]] std::size_t block_bytes_max() const noexcept;

  rules rules_;
  line_cursor lines_;
  std::size_t begin_ = 0; ///< of the start line: 2 after an empty line
  bool started_ = false;  ///< the start line is complete
  std::size_t fields_ = 0;
  std::string held_; ///< a head that arrived in part
};

} // namespace nexus::http
