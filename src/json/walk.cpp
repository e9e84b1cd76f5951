#include "json/walk.hpp"

#include "json/lexical.hpp"

namespace nexus::json {
namespace {

/// @param at the opening quote
std::size_t end_of_string(std::string_view text, std::size_t at) noexcept {
  for (++at; text[at] != '"'; ++at)
    if (text[at] == '\\')
      ++at;
  return at + 1;
}

std::size_t end_of_container(std::string_view text, std::size_t at) noexcept {
  for (std::size_t depth = 0;;) {
    switch (text[at]) {
    case '"':
      at = end_of_string(text, at);
      continue;
    case '{':
    case '[':
      ++depth;
      break;
    case '}':
    case ']':
      if (--depth == 0)
        return at + 1;
      break;
    default:
      break;
    }
    ++at;
  }
}

std::size_t end_of_scalar(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']' &&
         !lexical::is_space(text[at]))
    ++at;
  return at;
}

kind kind_at(char first) noexcept {
  switch (first) {
  case '{':
    return kind::object;
  case '[':
    return kind::array;
  case '"':
    return kind::string;
  case 't':
  case 'f':
    return kind::boolean;
  case 'n':
    return kind::null;
  default:
    return kind::number;
  }
}

std::string_view text_of(slice value, kind wanted) noexcept {
  return value.is(wanted) ? value.raw : std::string_view("  ");
}

} // namespace

bool value_walk::skip_to_token() noexcept {
  while (at_ < text_.size() && (lexical::is_space(text_[at_]) || text_[at_] == ','))
    ++at_;
  return at_ < text_.size() && text_[at_] != '}' && text_[at_] != ']';
}

void value_walk::take_value() noexcept {
  const char first = text_[at_];
  const auto type = kind_at(first);
  const auto end = type == kind::string                          ? end_of_string(text_, at_)
                   : type == kind::object || type == kind::array ? end_of_container(text_, at_)
                                                                 : end_of_scalar(text_, at_);
  value_ = {text_.substr(at_, end - at_), type};
  at_ = end;
}

member_walk::member_walk(slice object) noexcept : value_walk(text_of(object, kind::object)) {}

bool member_walk::next() {
  if (!skip_to_token())
    return false;
  key_at_ = at_;
  at_ = end_of_string(text_, at_);
  key_ = unquote({text_.substr(key_at_, at_ - key_at_), kind::string}, unescaped_);
  while (lexical::is_space(text_[at_]) || text_[at_] == ':')
    ++at_;
  take_value();
  return true;
}

std::string_view member_walk::span() const noexcept {
  return text_.substr(key_at_, at_ - key_at_);
}

element_walk::element_walk(slice array) noexcept : value_walk(text_of(array, kind::array)) {}

bool element_walk::next() noexcept {
  if (!skip_to_token())
    return false;
  take_value();
  return true;
}

slice find_member(slice object, std::string_view key) {
  slice found;
  for (member_walk m(object); m.next();)
    if (m.key() == key)
      found = m.value();
  return found;
}

} // namespace nexus::json
