#include "json/walker.hpp"

namespace nexus::json::detail {

std::unexpected<error> walker::failure() const {
  return fail(make_error_code(failure_), make_error_code(failure_).message(),
              "at byte " + std::to_string(failed_at_));
}

bool walker::object(std::size_t depth) {
  bool closed = false;
  if (!open('}', depth, closed))
    return false;
  while (!closed) {
    if (next_byte() != '"')
      return fail_at(errc::malformed);
    if (!string() || !punctuation(':') || !value(depth) || !comma_or('}', closed))
      return false;
  }
  return true;
}

bool walker::array(std::size_t depth) {
  bool closed = false;
  if (!open(']', depth, closed))
    return false;
  while (!closed)
    if (!value(depth) || !comma_or(']', closed))
      return false;
  return true;
}

bool walker::entered_object(std::size_t depth, unsigned members_depth, visitor& receiver) {
  const std::size_t first_seen = keys_.seen.size();
  bool closed = false;
  if (!open('}', depth, closed))
    return false;
  while (!closed) {
    member found;
    const std::size_t key_begin = begin();
    if (!key_of_entered(first_seen, found.key))
      return false;
    const std::size_t value_begin = begin();
    const kind type = next_kind();
    if (type == kind::absent)
      return fail_at(errc::malformed);
    const visitor::step step = receiver.on_key(members_depth, found.key, type);
    if (step == visitor::step::refuse)
      return fail_at(errc::refused);
    const bool enters = step == visitor::step::enter && type == kind::object;
    if (!(enters ? entered_object(depth + 1, members_depth + 1, receiver) : value(depth)))
      return false;
    found.value = since(value_begin, type);
    found.span = text_.substr(key_begin, end_ - key_begin);
    receiver.on_member(members_depth, found);
    if (!comma_or('}', closed))
      return false;
  }
  keys_.seen.resize(first_seen);
  return true;
}

bool walker::key_of_entered(std::size_t first_seen, std::string_view& found) {
  if (next_byte() != '"')
    return fail_at(errc::malformed);
  const std::size_t at = begin();
  if (!string())
    return false;
  std::string_view key = text_.substr(at + 1, end_ - at - 2);
  if (escaped_) {
    std::string& text = keys_.unescaped.emplace_front();
    lexical::unescape(key, lexical::lone_surrogate::replace, text);
    key = text;
  }
  // limits::envelope_members_max bounds the search; a set would cost more than it saves.
  for (std::size_t i = first_seen; i < keys_.seen.size(); ++i)
    if (keys_.seen[i] == key)
      return fail_at(errc::duplicate_key);
  if (keys_.seen.size() - first_seen == limits::envelope_members_max)
    return fail_at(errc::too_many_members);
  keys_.seen.emplace_back(key.data(), key.size());
  found = key;
  return punctuation(':');
}

bool walker::elements(element_sink& receiver) {
  bool closed = false;
  if (!open(']', 1, closed))
    return false;
  for (std::size_t index = 0; !closed; ++index) {
    const std::size_t element_begin = begin();
    const kind type = next_kind();
    if (!value(1))
      return false;
    if (!receiver.on_element(index, since(element_begin, type))) {
      stopped_ = true;
      return true;
    }
    if (!comma_or(']', closed))
      return false;
  }
  return true;
}

} // namespace nexus::json::detail
