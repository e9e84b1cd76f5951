#include "schema/describe.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/utf8.hpp"

namespace nexus::schema {
namespace {

constexpr std::pair<std::string_view, std::uint8_t> type_names[] = {
    {"string", type_string},   {"integer", type_integer}, {"number", type_number | type_integer},
    {"boolean", type_boolean}, {"object", type_object},   {"array", type_array},
    {"null", type_null},
};

} // namespace

std::string describe_types(std::uint8_t types) {
  std::string out;
  for (const auto& [name, bits] : type_names) {
    const bool within_number = name == "integer" && (types & type_number) != 0;
    if ((types & bits) != bits || within_number)
      continue;
    out += out.empty() ? "" : " or ";
    out += name;
  }
  return out;
}

std::uint8_t type_named(std::string_view name) noexcept {
  for (const auto& [known, bits] : type_names) {
    if (known == name)
      return bits;
  }
  return 0;
}

std::string shown(std::string_view text) {
  if (text.size() <= limits::schema_shown_bytes)
    return std::string(text);
  std::size_t end = 0;
  while (true) {
    const std::size_t next = end + next_utf8(text.substr(end)).bytes;
    if (next > limits::schema_shown_bytes - 3)
      return std::string(text.substr(0, end)) + "...";
    end = next;
  }
}

std::string list_of(const std::vector<std::string>& values) {
  if (values.size() == 1)
    return shown(values.front());
  return "one of " + shown(fmt::format("{}", fmt::join(values, ", ")));
}

std::string child_path(const std::string& path, std::string_view key) {
  std::string out = path + '/';
  for (const char c : key)
    out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

std::string range_of(const count_range& range, std::string_view noun) {
  if (range.most == count_range().most)
    return fmt::format("at least {} {}s", range.least, noun);
  return range.least == 0 ? fmt::format("at most {} {}s", range.most, noun)
                          : fmt::format("{} to {} {}s", range.least, range.most, noun);
}

} // namespace nexus::schema
