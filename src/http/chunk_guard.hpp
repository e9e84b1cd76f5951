#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "http/syntax.hpp"

namespace nexus::http {

/// Cuts a chunked body into the pieces that the decoder gets: data, and framing that is complete
/// and checked. The decoder never sees a chunk header in parts, so what is refused does not depend
/// on the fragmentation. Private to src/http.
class chunk_guard {
 public:
  enum class piece : std::uint8_t {
    none,  ///< all taken, nothing for the decoder yet
    frame, ///< a chunk header, with the CRLF that ends the chunk before it
    data,  ///< data of the current chunk
    last,  ///< the last chunk header, the trailers and the empty line
    bad,   ///< see problem
  };
  struct step {
    piece what = piece::none;
    std::string_view bytes; ///< for the decoder; valid until the next call
    std::size_t taken = 0;  ///< of the input
    verdict problem;
  };

  chunk_guard(std::size_t trailer_count_max, std::size_t trailer_bytes_max) noexcept
      : trailer_count_max_(trailer_count_max), trailer_bytes_max_(trailer_bytes_max) {}

  /// Starts a body of at most `body_bytes_max` decoded bytes.
  void begin(std::uint64_t body_bytes_max) noexcept;
  /// Takes from the front of `bytes`, which is not empty.
  [[nodiscard]] step next(std::string_view bytes);

 private:
  enum class phase : std::uint8_t {
    crlf,     ///< the end of the chunk before
    size,     ///< the size line
    trailers, ///< after the last size line
  };
  struct outcome {
    bool complete = false;
    verdict problem;
  };
  /// Goes on over the frame's bytes so far.
  [[nodiscard]] outcome scan(std::string_view block);
  [[nodiscard]] outcome scan_size(std::string_view block);
  [[nodiscard]] outcome scan_trailers(std::string_view block);
  [[nodiscard]] verdict take_size_line(std::string_view line);
  /// How long the frame may become in this phase.
  [[nodiscard]] std::size_t frame_bytes_max() const noexcept;

  std::size_t trailer_count_max_;
  std::size_t trailer_bytes_max_;
  std::uint64_t body_bytes_max_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t decoded_bytes_ = 0;  ///< by the sizes announced so far
  std::uint64_t overhead_bytes_ = 0; ///< of all chunk headers so far
  std::uint64_t data_left_ = 0;      ///< of the current chunk
  phase phase_ = phase::size;
  bool between_frames_ = true;
  bool is_first_ = true;
  std::uint64_t size_ = 0; ///< on the size line of this frame
  std::size_t trailers_ = 0;
  std::size_t trailers_begin_ = 0;
  line_cursor lines_;
  std::string held_; ///< a frame that arrived in part
};

} // namespace nexus::http
