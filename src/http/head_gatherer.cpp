#include "http/head_gatherer.hpp"

#include <algorithm>

#include "http/body.hpp"

namespace nexus::http {

void head_gatherer::reset() noexcept {
  lines_.rewind();
  begin_ = 0;
  started_ = false;
  fields_ = 0;
  recycle(held_);
}

head_gatherer::step head_gatherer::next(std::string_view bytes) {
  const std::size_t before = held_.size();
  std::string_view block = bytes.substr(0, rules_.header_bytes_max + begin_ - before);
  if (before > 0) {
    held_.append(block);
    block = held_;
  }
  step result;
  switch (scan(block, result.problem)) {
  case outcome::incomplete:
    if (before == 0)
      held_.assign(block);
    result.taken = block.size() - before;
    break;
  case outcome::complete:
    result.complete = true;
    result.head = block.substr(begin_, lines_.offset() - begin_);
    result.taken = lines_.offset() - before;
    break;
  case outcome::bad:
    break;
  }
  return result;
}

std::size_t head_gatherer::block_bytes_max() const noexcept {
  const std::size_t line_bytes_max =
      started_ ? rules_.header_bytes_max
               : std::min(rules_.start_line_bytes_max, rules_.header_bytes_max);
  return begin_ + line_bytes_max;
}

head_gatherer::outcome head_gatherer::scan(std::string_view block, verdict& problem) {
  while (true) {
    // Refuses what is no HTTP at all, a TLS hello for example, at its first byte.
    if (!started_ && block.size() > begin_ && !is_token_byte(block[begin_]) &&
        block[begin_] != '\r') {
      problem = {errc::bad_request, "malformed start line"};
      return outcome::bad;
    }
    std::string_view line;
    switch (lines_.next(block.substr(0, block_bytes_max()), line)) {
    case line_cursor::step::line:
      break;
    case line_cursor::step::incomplete:
      problem = check_unfinished(block);
      return problem.bad() ? outcome::bad : outcome::incomplete;
    case line_cursor::step::bare_lf:
      problem = {errc::bad_request, "line feed without carriage return"};
      return outcome::bad;
    }
    if (started_ && line.empty())
      return outcome::complete;
    problem = take_line(line);
    if (problem.bad())
      return outcome::bad;
  }
}

verdict head_gatherer::take_line(std::string_view line) {
  if (started_) {
    if (++fields_ > rules_.header_count_max)
      return {errc::header_too_large, "too many header fields"};
    return check_field_line(line);
  }
  if (line.empty() && rules_.leading_crlf && begin_ == 0) {
    begin_ = lines_.offset();
    return {};
  }
  started_ = true;
  return rules_.start_line(line, rules_.target_bytes_max);
}

verdict head_gatherer::check_unfinished(std::string_view block) const {
  if (block.size() < block_bytes_max())
    return {};
  if (!started_ && rules_.start_line_bytes_max <= rules_.header_bytes_max)
    return rules_.endless_start_line(block.substr(begin_, rules_.start_line_bytes_max));
  return {errc::header_too_large, "header too large"};
}

} // namespace nexus::http
