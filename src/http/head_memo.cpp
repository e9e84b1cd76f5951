#include "http/head_memo.hpp"

#include "base/assert.hpp"
#include "http/syntax.hpp"

namespace nexus::http {

void head_memo::keep(const header_fields& last) noexcept {
  const std::string_view head = last.held();
  const auto digits = last.find("content-length");
  NEXUS_DASSERT(digits);
  if (head.size() > limits::http_repeated_head_bytes_max)
    return forget();
  digits_at_ = static_cast<std::uint32_t>(digits->data() - head.data());
  digits_end_ = digits_at_ + static_cast<std::uint32_t>(digits->size());
}

std::optional<std::uint64_t> head_memo::take(std::string_view bytes,
                                             header_fields& last) const noexcept {
  const std::string_view head = last.held();
  // Empty when somebody has moved it away.
  if (!keeps() || head.empty() || bytes.size() < head.size() ||
      bytes.substr(0, digits_at_) != head.substr(0, digits_at_) ||
      bytes.substr(digits_end_, head.size() - digits_end_) != head.substr(digits_end_))
    return std::nullopt;
  const auto digits = bytes.substr(digits_at_, digits_end_ - digits_at_);
  const auto length = parse_content_length(digits);
  if (length)
    last.overwrite_held(digits_at_, digits);
  return length;
}

} // namespace nexus::http
