#include "schema/pattern.hpp"

#include <re2/re2.h>

#include "base/limits.hpp"

namespace nexus::schema {

std::optional<pattern> pattern::make(const std::string& text) {
  if (text.size() > limits::schema_pattern_text_bytes_max)
    return std::nullopt;
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(limits::schema_pattern_bytes);
  pattern out;
  out.expression_ = std::make_shared<const RE2>(text, options);
  if (!out.expression_->ok())
    return std::nullopt;
  return out;
}

bool pattern::matches(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *expression_);
}

const std::string& pattern::text() const noexcept {
  return expression_->pattern();
}

} // namespace nexus::schema
