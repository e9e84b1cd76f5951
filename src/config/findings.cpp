#include "config/findings.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/text.hpp"

namespace nexus::config {

std::string diagnostic::to_string() const {
  std::string out = position.file;
  if (position.line > 0) {
    out += ':' + std::to_string(position.line) + ':' + std::to_string(position.column);
  }
  if (!out.empty())
    out += ": ";
  out += level == severity::error ? "error: " : "warning: ";
  out += message;
  if (!hint.empty())
    out += " (" + hint + ')';
  return out;
}

namespace detail {
namespace {

std::string with_article(std::string_view noun) {
  const bool vowel = !noun.empty() && std::string_view("aeiou").contains(noun.front());
  return (vowel ? "an " : "a ") + std::string(noun);
}

} // namespace

void findings::error(place at, std::string message, std::string hint) {
  list_.push_back({severity::error, position(at), std::move(message), std::move(hint)});
}

void findings::warning(place at, std::string message, std::string hint) {
  list_.push_back({severity::warning, position(at), std::move(message), std::move(hint)});
}

void findings::wrong_kind(const node& value, std::string_view expected, std::string_view key) {
  const std::string_view kind = kind_name(value.kind);
  error(value.at, "expected " + std::string(expected) + " for \"" + shorten(key) + "\", found " +
                      (value.is(node_kind::null) ? std::string(kind) : with_article(kind)));
}

void findings::unknown_key(place at, std::string_view key, std::string_view where,
                           std::span<const std::string_view> known) {
  const auto near = nearest_names(key, known, 1);
  warning(at, "unknown key " + quote(shorten(key)) + " in " + std::string(where),
          near.empty() ? "it has no effect"
                       : "did you mean \"" + std::string(near.front()) + "\"?");
}

void findings::append(findings&& other, demotion demote) {
  if (demote == demotion::errors) {
    for (diagnostic& entry : other.list_)
      entry.level = severity::warning;
  }
  std::move(other.list_.begin(), other.list_.end(), std::back_inserter(list_));
  other.list_.clear();
}

void findings::drop_warnings() {
  std::erase_if(list_, [](const diagnostic& entry) { return entry.level == severity::warning; });
}

bool findings::has_errors() const {
  return std::any_of(list_.begin(), list_.end(),
                     [](const diagnostic& entry) { return entry.level == severity::error; });
}

std::vector<diagnostic> findings::take() {
  std::stable_sort(list_.begin(), list_.end(), [](const diagnostic& a, const diagnostic& b) {
    return std::tie(a.position.line, a.position.column) <
           std::tie(b.position.line, b.position.column);
  });
  return std::move(list_);
}

} // namespace detail
} // namespace nexus::config
