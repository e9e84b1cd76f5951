#include "http/head_memo.hpp"

#include "base/assert.hpp"
#include "http/syntax.hpp"

namespace nexus::http {

bool head_memo::keep(const header_fields& checked) {
  const std::string_view head = checked.held();
  const auto digits = checked.find("content-length");
  NEXUS_DASSERT(digits);
  if (head.size() > limits::http_repeated_head_bytes_max) {
    forget();
    return false;
  }
  fields_ = checked;
  digits_at_ = static_cast<std::size_t>(digits->data() - head.data());
  digits_end_ = digits_at_ + digits->size();
  return true;
}

std::optional<std::uint64_t> head_memo::match(std::string_view bytes) const noexcept {
  const std::string_view head = fields_.held();
  if (head.empty() || bytes.size() < head.size() ||
      bytes.substr(0, digits_at_) != head.substr(0, digits_at_) ||
      bytes.substr(digits_end_, head.size() - digits_end_) != head.substr(digits_end_))
    return std::nullopt;
  return parse_content_length(bytes.substr(digits_at_, digits_end_ - digits_at_));
}

} // namespace nexus::http
