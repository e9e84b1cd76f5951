#include "http/chunk_guard.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace nexus::http {
namespace {

constexpr verdict good{};
constexpr std::size_t size_digits_max = 16;
/// Size, extension and CRLF.
constexpr std::size_t size_line_bytes_max =
    size_digits_max + limits::http_chunk_extension_bytes_max + 2;
/// A chunk of one byte costs five bytes of framing; twice that is no attack.
constexpr std::uint64_t overhead_per_byte = 8;

verdict bad(const char* why) noexcept {
  return {errc::bad_request, why};
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/// Fields that say where a message ends or where it goes must not come after it (RFC 9110 6.5.1).
bool is_forbidden_trailer(std::string_view line) noexcept {
  const std::string_view name = line.substr(0, line.find(':'));
  return iequals(name, "transfer-encoding") || iequals(name, "content-length") ||
         iequals(name, "host");
}

} // namespace

void chunk_guard::begin(std::uint64_t body_bytes_max) noexcept {
  body_bytes_max_ = body_bytes_max;
  decoded_bytes_ = overhead_bytes_ = data_left_ = 0;
  between_frames_ = is_first_ = true;
}

chunk_guard::step chunk_guard::next(std::string_view bytes) {
  if (data_left_ > 0) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), data_left_));
    data_left_ -= taken;
    return {piece::data, bytes.substr(0, taken), taken, good};
  }
  if (between_frames_) {
    held_.clear();
    lines_.rewind();
    phase_ = is_first_ ? phase::size : phase::crlf;
    between_frames_ = is_first_ = false;
  }
  const std::size_t before = held_.size();
  std::string_view block = bytes.substr(0, frame_bytes_max() - before);
  if (before > 0) {
    held_.append(block);
    block = held_;
  }
  const auto [complete, problem] = scan(block);
  if (problem.bad())
    return {piece::bad, {}, 0, problem};
  if (!complete) {
    if (before == 0)
      held_.assign(block);
    return {piece::none, {}, block.size() - before, good};
  }
  const std::size_t end = lines_.offset();
  between_frames_ = true;
  data_left_ = size_;
  return {size_ == 0 ? piece::last : piece::frame, block.substr(0, end), end - before, good};
}

std::size_t chunk_guard::frame_bytes_max() const noexcept {
  switch (phase_) {
  case phase::crlf:
    return 2 + size_line_bytes_max;
  case phase::size:
    return lines_.offset() + size_line_bytes_max;
  case phase::trailers:
    break;
  }
  return trailers_begin_ + trailer_bytes_max_;
}

chunk_guard::outcome chunk_guard::scan(std::string_view block) {
  if (phase_ == phase::crlf) {
    if (block[0] != '\r' || (block.size() > 1 && block[1] != '\n'))
      return {false, bad("chunk data without its line ending")};
    if (block.size() < 2)
      return {};
    lines_.rewind(2);
    phase_ = phase::size;
  }
  if (phase_ == phase::size) {
    const outcome size = scan_size(block);
    if (!size.complete || size_ > 0)
      return size;
    trailers_ = 0;
    trailers_begin_ = lines_.offset();
    phase_ = phase::trailers;
  }
  return scan_trailers(block);
}

chunk_guard::outcome chunk_guard::scan_size(std::string_view block) {
  std::string_view line;
  switch (lines_.next(block, line)) {
  case line_cursor::step::line:
    break;
  case line_cursor::step::incomplete:
    if (block.size() >= frame_bytes_max())
      return {false, bad("chunk size line too long")};
    return {};
  case line_cursor::step::bare_lf:
    return {false, bad("line feed without carriage return")};
  }
  const verdict problem = take_size_line(line);
  return {!problem.bad(), problem};
}

verdict chunk_guard::take_size_line(std::string_view line) {
  std::size_t digits = 0;
  size_ = 0;
  for (; digits < line.size() && hex_digit(line[digits]) >= 0; ++digits) {
    if (digits == size_digits_max)
      return bad("malformed chunk size");
    size_ = size_ * 16 + static_cast<std::uint64_t>(hex_digit(line[digits]));
  }
  const std::string_view extension = line.substr(digits);
  if (digits == 0 || (!extension.empty() && extension[0] != ';'))
    return bad("malformed chunk size");
  if (extension.size() > limits::http_chunk_extension_bytes_max || !is_field_value(extension))
    return bad("malformed chunk extension");
  if (size_ > body_bytes_max_ - decoded_bytes_)
    return {errc::body_too_large, "body too large"};
  decoded_bytes_ += size_;
  overhead_bytes_ += lines_.offset();
  if (overhead_bytes_ > limits::http_chunk_overhead_bytes_max &&
      (overhead_bytes_ - limits::http_chunk_overhead_bytes_max) / overhead_per_byte >
          decoded_bytes_)
    return bad("more chunk framing than body");
  return good;
}

chunk_guard::outcome chunk_guard::scan_trailers(std::string_view block) {
  block = block.substr(0, frame_bytes_max());
  while (true) {
    std::string_view line;
    switch (lines_.next(block, line)) {
    case line_cursor::step::line:
      break;
    case line_cursor::step::incomplete:
      if (block.size() >= frame_bytes_max())
        return {false, {errc::header_too_large, "trailers too large"}};
      return {};
    case line_cursor::step::bare_lf:
      return {false, bad("line feed without carriage return")};
    }
    if (line.empty())
      return {true, good};
    if (++trailers_ > trailer_count_max_)
      return {false, {errc::header_too_large, "too many trailers"}};
    if (const verdict problem = check_field_line(line); problem.bad())
      return {false, problem};
    if (is_forbidden_trailer(line))
      return {false, bad("trailer that belongs into the header")};
  }
}

} // namespace nexus::http
