#include "gateway/parameter_headers.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "gateway/classify.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::gateway {
namespace {

constexpr std::string_view prefix = "Mcp-Param-";
/// Integers up to here are the same for every peer.
constexpr double exact_integer_max = 9007199254740991.0;

json::slice value_at(json::slice arguments, const std::vector<std::string>& path) {
  auto value = arguments;
  for (const auto& name : path)
    value = json::find_member(value, name);
  return value;
}

bool has_header(json::slice value) noexcept {
  return value.is(json::kind::string) || value.is(json::kind::number) ||
         value.is(json::kind::boolean);
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) noexcept {
  Number number{};
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end)
    return std::nullopt;
  return number;
}

bool same_number(std::string_view a, std::string_view b) noexcept {
  const auto left = whole_number<std::int64_t>(a), right = whole_number<std::int64_t>(b);
  if (left && right)
    return *left == *right;
  const auto x = whole_number<double>(a), y = whole_number<double>(b);
  return x && y && std::isfinite(*x) && *x == *y;
}

bool says(std::string_view header, json::slice value) {
  if (value.is(json::kind::string))
    return header == json::unquote(value);
  return value.is(json::kind::number) ? same_number(value.raw, header) : header == value.raw;
}

void append_number(std::string& out, std::string_view raw) {
  if (const auto integer = whole_number<std::int64_t>(raw))
    return json::append_int(out, *integer);
  const auto number = whole_number<double>(raw);
  if (number && std::trunc(*number) == *number && std::abs(*number) <= exact_integer_max)
    return json::append_int(out, static_cast<std::int64_t>(*number));
  out += raw;
}

} // namespace

std::string parameter_header_problem(const std::vector<catalog::parameter_header>& expected,
                                     json::slice arguments, const http::header_fields& sent) {
  std::string name(prefix);
  for (const auto& header : expected) {
    name.resize(prefix.size());
    name += header.name;
    const auto value = value_at(arguments, header.path);
    const auto text = sent.find(name);
    if (!text && !has_header(value))
      continue;
    if (!text)
      return fmt::format("the {} header is missing", name);
    if (sent.count(name) > 1)
      return fmt::format("the {} header is sent twice", name);
    if (!has_header(value))
      return fmt::format("the {} header says what no argument does", name);
    const auto decoded = decode_header_value(*text);
    if (!decoded)
      return fmt::format("the {} header is wrongly encoded", name);
    if (!says(*decoded, value))
      return fmt::format("the {} header differs from the argument", name);
  }
  return {};
}

void append_parameter_headers(std::string& out,
                              const std::vector<catalog::parameter_header>& expected,
                              json::slice arguments) {
  for (const auto& header : expected) {
    const auto value = value_at(arguments, header.path);
    if (!has_header(value))
      continue;
    out += "\r\n";
    out += prefix;
    out += header.name;
    out += ": ";
    if (value.is(json::kind::string))
      out += encode_header_value(json::unquote(value));
    else if (value.is(json::kind::number))
      append_number(out, value.raw);
    else
      out += value.raw;
  }
}

} // namespace nexus::gateway
