#include "bench/e2e/json_scan.hpp"

#include <cstddef>

namespace nexus::bench {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at]))
    ++at;
  return at;
}

// `at` stands on the opening quote; the result is one past the closing one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at + 1;
  }
  return text.size();
}

std::size_t skip_nested(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[')
      ++depth;
    else if ((c == '}' || c == ']') && --depth == 0)
      return at;
  }
  return text.size();
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  if (at >= text.size())
    return at;
  if (text[at] == '"')
    return skip_string(text, at);
  if (text[at] == '{' || text[at] == '[')
    return skip_nested(text, at);
  while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']' &&
         !is_space(text[at]))
    ++at;
  return at;
}

} // namespace

object_scan::object_scan(std::string_view object) : text_(object) {
  position_ = skip_space(text_, 0);
  if (position_ < text_.size() && text_[position_] == '{')
    ++position_;
  else
    position_ = text_.size();
}

bool object_scan::next(std::string_view& key, std::string_view& value) {
  auto at = skip_space(text_, position_);
  if (at < text_.size() && text_[at] == ',')
    at = skip_space(text_, at + 1);
  if (at >= text_.size() || text_[at] != '"')
    return false;
  const auto key_end = skip_string(text_, at);
  key = text_.substr(at + 1, key_end - at - 2);
  at = skip_space(text_, key_end);
  if (at >= text_.size() || text_[at] != ':')
    return false;
  at = skip_space(text_, at + 1);
  const auto value_end = skip_value(text_, at);
  value = text_.substr(at, value_end - at);
  position_ = value_end;
  return !value.empty();
}

std::string_view json_member(std::string_view object, std::string_view key) {
  object_scan scan{object};
  std::string_view name;
  std::string_view value;
  while (scan.next(name, value))
    if (name == key)
      return value;
  return {};
}

std::string_view unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    return value.substr(1, value.size() - 2);
  return value;
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
    } else {
      out += c;
    }
  }
}

} // namespace nexus::bench
