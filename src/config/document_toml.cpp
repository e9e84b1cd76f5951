#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/limits.hpp"
#include "config/document.hpp"

namespace nexus::config::detail {
namespace {

place place_of(const toml::source_region& region) {
  return {std::max<std::size_t>(region.begin.line, 1),
          std::max<std::size_t>(region.begin.column, 1)};
}

bool before(const place& a, const place& b) {
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

template <class Value>
std::string printed(const Value& value) {
  std::ostringstream out;
  out << value;
  return std::move(out).str();
}

struct too_deep {
  place at;
};

node convert(const toml::node& value, std::size_t depth);

void convert_members(const toml::table& table, node& out, std::size_t depth) {
  for (const auto& [key, child] : table) {
    out.members.push_back(
        {std::string(key.str()), place_of(key.source()), convert(child, depth + 1)});
  }
  std::stable_sort(out.members.begin(), out.members.end(),
                   [](const member& a, const member& b) { return before(a.at, b.at); });
}

node convert(const toml::node& value, std::size_t depth) {
  node out;
  out.at = place_of(value.source());
  if (depth > nexus::limits::json_depth_max)
    throw too_deep{out.at};
  value.visit([&]<class Type>(const Type& typed) {
    if constexpr (toml::is_table<Type>) {
      out.kind = node_kind::object;
      convert_members(typed, out, depth);
    } else if constexpr (toml::is_array<Type>) {
      out.kind = node_kind::array;
      for (const toml::node& item : typed)
        out.items.push_back(convert(item, depth + 1));
    } else if constexpr (toml::is_boolean<Type>) {
      out.kind = node_kind::boolean;
      out.truth = typed.get();
    } else if constexpr (toml::is_integer<Type>) {
      out.kind = node_kind::number;
      out.number = static_cast<double>(typed.get());
      out.text = std::to_string(typed.get());
    } else if constexpr (toml::is_floating_point<Type>) {
      out.kind = node_kind::number;
      out.number = typed.get();
      out.text = printed(typed.get());
    } else if constexpr (toml::is_string<Type>) {
      out.kind = node_kind::string;
      out.text = typed.get();
    } else {
      out.kind = node_kind::string; // dates and times
      out.text = printed(typed.get());
    }
  });
  return out;
}

/// toml++ bounds nested values, but not the parts of a dotted key, and destroys tables recursively.
/// More dots in one line than this before a value are no key that somebody wrote.
constexpr std::size_t line_dots_max = 1000;

std::optional<place> endless_key(std::string_view text) {
  place at{1, 1};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::string_view key = line.substr(0, line.find('='));
    if (static_cast<std::size_t>(std::count(key.begin(), key.end(), '.')) > line_dots_max)
      return at;
    text.remove_prefix(std::min(end + 1, text.size()));
    ++at.line;
  }
  return std::nullopt;
}

syntax_error nested_too_deep(place at) {
  return {
      at, "nested deeper than " + std::to_string(nexus::limits::json_depth_max) + " levels", {}};
}

} // namespace

document parse_toml(std::string_view text) {
  document out;
  if (const auto at = endless_key(text)) {
    out.error = nested_too_deep(*at);
    return out;
  }
  try {
    out.root = convert(toml::parse(text), 0);
  } catch (const too_deep& problem) {
    out.error = nested_too_deep(problem.at);
  } catch (const toml::parse_error& problem) {
    out.error = {place_of(problem.source()), std::string(problem.description()),
                 "the file is read as TOML because its name ends in .toml"};
  }
  return out;
}

} // namespace nexus::config::detail
