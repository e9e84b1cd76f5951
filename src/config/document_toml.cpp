#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

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

node convert(const toml::node& value);

void convert_members(const toml::table& table, node& out) {
  for (const auto& [key, child] : table) {
    out.members.push_back({std::string(key.str()), place_of(key.source()), convert(child)});
  }
  std::stable_sort(out.members.begin(), out.members.end(),
                   [](const member& a, const member& b) { return before(a.at, b.at); });
}

node convert(const toml::node& value) {
  node out;
  out.at = place_of(value.source());
  value.visit([&]<class Type>(const Type& typed) {
    if constexpr (toml::is_table<Type>) {
      out.kind = node_kind::object;
      convert_members(typed, out);
    } else if constexpr (toml::is_array<Type>) {
      out.kind = node_kind::array;
      for (const toml::node& item : typed)
        out.items.push_back(convert(item));
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

} // namespace

document parse_toml(std::string_view text) {
  document out;
  try {
    out.root = convert(toml::parse(text));
  } catch (const toml::parse_error& problem) {
    out.error = {place_of(problem.source()), std::string(problem.description()),
                 "the file is read as TOML because its name ends in .toml"};
  }
  return out;
}

} // namespace nexus::config::detail
