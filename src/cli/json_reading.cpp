#include "cli/json_reading.hpp"

#include <algorithm>
#include <cstdint>

namespace nexus::cli {
namespace {

class member_collector final : public json::visitor {
 public:
  explicit member_collector(std::vector<std::pair<std::string, json::slice>>& out) : out_(out) {}
  step on_key(unsigned /*depth*/, std::string_view /*key*/, json::kind /*type*/) override {
    return step::take;
  }
  void on_member(unsigned /*depth*/, const json::member& found) override {
    out_.emplace_back(found.key, found.value);
  }

 private:
  std::vector<std::pair<std::string, json::slice>>& out_;
};

class element_collector final : public json::element_sink {
 public:
  bool on_element(std::size_t /*index*/, json::slice value) override {
    elements.push_back(value);
    return true;
  }
  std::vector<json::slice> elements;
};

constexpr bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// The end of the string that begins at `at`, behind its quote.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    at += text[at] == '\\' ? 1 : 0;
  return std::min(at + 1, text.size());
}

} // namespace

result<json_object> json_object::read(json::scanner& scanner, std::string_view text) {
  json_object out;
  member_collector collector(out.members_);
  if (auto scanned = scanner.scan_object(text, collector); !scanned)
    return std::unexpected(std::move(scanned.error()));
  return out;
}

json::slice json_object::operator[](std::string_view key) const noexcept {
  for (const auto& [name, value] : members_) {
    if (name == key)
      return value;
  }
  return {};
}

std::string json_object::text(std::string_view key) const {
  const json::slice value = (*this)[key];
  return value.is(json::kind::string) ? json::unquote(value) : std::string();
}

std::uint64_t json_object::count(std::string_view key) const {
  const json::slice value = (*this)[key];
  if (!value.is(json::kind::number))
    return 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, json::to_int64(value).value_or(0)));
}

bool json_object::is_true(std::string_view key) const noexcept {
  return (*this)[key].raw == "true";
}

result<std::vector<json::slice>> json_elements(json::scanner& scanner, std::string_view text) {
  element_collector collector;
  if (auto scanned = scanner.scan_array(text, collector); !scanned)
    return std::unexpected(std::move(scanned.error()));
  return std::move(collector.elements);
}

std::string indented(std::string_view text) {
  std::string out;
  std::size_t level = 0;
  bool opened = false; // the last character opened an array or object
  const auto new_line = [&] {
    out += '\n';
    out.append(2 * level, ' ');
  };
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (is_space(c)) {
      ++at;
      continue;
    }
    const bool closes = c == '}' || c == ']';
    if (opened && !closes)
      new_line();
    if (c == '"') {
      const std::size_t end = end_of_string(text, at);
      out += text.substr(at, end - at);
      at = end;
      opened = false;
      continue;
    }
    if (closes) {
      --level;
      if (!opened)
        new_line();
    }
    out += c;
    opened = c == '{' || c == '[';
    if (opened)
      ++level;
    if (c == ',')
      new_line();
    if (c == ':')
      out += ' ';
    ++at;
  }
  return out;
}

} // namespace nexus::cli
