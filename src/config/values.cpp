#include "config/values.hpp"

#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace nexus::config::detail {
namespace {

constexpr double number_max = 9007199254740992.0; // 2^53: whole numbers are exact below it

/// Splits "1.5 GiB" into its number and its unit; nothing when it does not begin with a number.
struct quantity {
  double number;
  std::string_view unit;
};

std::optional<quantity> split_quantity(std::string_view text) {
  text = trim(text);
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::string_view digits = text.substr(0, end);
  double number = 0;
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number,
                                            std::chars_format::fixed);
  if (digits.empty() || code != std::errc{} || stop != digits.data() + digits.size()) {
    return std::nullopt;
  }
  if (!(number <= number_max))
    return std::nullopt;
  return quantity{number, end == std::string_view::npos ? "" : trim(text.substr(end))};
}

std::optional<double> bytes_per(std::string_view unit) {
  struct row {
    std::string_view name;
    double bytes;
  };
  constexpr row rows[] = {
      {"", 1},           {"b", 1},         {"k", 1024},     {"kib", 1024},     {"kb", 1000},
      {"m", 1048576},    {"mib", 1048576}, {"mb", 1000000}, {"g", 1073741824}, {"gib", 1073741824},
      {"gb", 1000000000}};
  for (const row& entry : rows) {
    if (iequals(unit, entry.name))
      return entry.bytes;
  }
  return std::nullopt;
}

std::optional<double> milliseconds_per(std::string_view unit) {
  if (unit == "ms")
    return 1.0;
  if (unit == "s")
    return 1000.0;
  if (unit == "m" || unit == "min")
    return 60'000.0;
  if (unit == "h")
    return 3'600'000.0;
  return std::nullopt;
}

std::string named(std::string_view key) {
  return "\"" + shorten(key) + "\"";
}

/// A whole number from 0; reports everything else.
std::optional<std::size_t> whole_number(const node& value, std::string_view expected,
                                        std::string_view key, findings& out) {
  if (!value.is(node_kind::number)) {
    out.wrong_kind(value, expected, key);
    return std::nullopt;
  }
  if (!(value.number >= 0 && value.number <= number_max) ||
      value.number != std::floor(value.number)) {
    out.error(value.at, "expected " + std::string(expected) + " for " + named(key) + ", found " +
                            shorten(value.text));
    return std::nullopt;
  }
  return static_cast<std::size_t>(value.number);
}

std::optional<std::size_t> within(std::size_t number, place at, std::string_view key,
                                  std::size_t min, std::size_t max,
                                  std::string (*print)(std::size_t), findings& out) {
  if (number >= min && number <= max)
    return number;
  out.error(at,
            named(key) + " is " + print(number) + "; expected " + print(min) + " to " + print(max));
  return std::nullopt;
}

std::string print_count(std::size_t number) {
  return std::to_string(number);
}

} // namespace

std::optional<bool> read_boolean(const node& value, std::string_view key, findings& out) {
  if (value.is(node_kind::boolean))
    return value.truth;
  out.wrong_kind(value, "a boolean", key);
  return std::nullopt;
}

std::optional<text_at> read_string(const node& value, std::string_view key, findings& out) {
  if (value.is(node_kind::string))
    return text_at{value.text, value.at};
  out.wrong_kind(value, "a string", key);
  return std::nullopt;
}

std::optional<text_at> read_scalar(const node& value, std::string_view key, findings& out) {
  switch (value.kind) {
  case node_kind::string:
  case node_kind::number:
    return text_at{value.text, value.at};
  case node_kind::boolean:
    return text_at{value.truth ? "true" : "false", value.at};
  case node_kind::null:
  case node_kind::array:
  case node_kind::object:
    break;
  }
  out.wrong_kind(value, "a string", key);
  return std::nullopt;
}

std::vector<text_at> read_list(const node& value, std::string_view key, findings& out) {
  std::vector<text_at> list;
  if (!value.is(node_kind::array)) {
    out.wrong_kind(value, "a list of strings", key);
    return list;
  }
  for (const node& item : value.items) {
    if (auto text = read_scalar(item, key, out))
      list.push_back(std::move(*text));
  }
  return list;
}

std::optional<std::size_t> read_count(const node& value, std::string_view key, std::size_t min,
                                      std::size_t max, findings& out) {
  const auto number = whole_number(value, "a whole number", key, out);
  if (!number)
    return std::nullopt;
  return within(*number, value.at, key, min, max, print_count, out);
}

std::optional<std::size_t> read_bytes(const node& value, std::string_view key, std::size_t min,
                                      std::size_t max, findings& out) {
  constexpr std::string_view expected = "a number of bytes or a size such as \"4MiB\"";
  if (!value.is(node_kind::string)) {
    const auto number = whole_number(value, expected, key, out);
    if (!number)
      return std::nullopt;
    return within(*number, value.at, key, min, max, print_bytes, out);
  }
  const auto parts = split_quantity(value.text);
  const auto factor = parts ? bytes_per(parts->unit) : std::nullopt;
  if (!factor || parts->number * *factor > number_max) {
    out.error(value.at, "expected " + std::string(expected) + " for " + named(key) + ", found " +
                            quote(shorten(value.text)));
    return std::nullopt;
  }
  return within(static_cast<std::size_t>(parts->number * *factor), value.at, key, min, max,
                print_bytes, out);
}

std::optional<milliseconds> read_time(const node& value, std::string_view key,
                                      milliseconds number_unit, findings& out) {
  const std::string expected = number_unit == milliseconds{1000}
                                   ? "a number of seconds or a time such as \"10s\""
                                   : "a number of milliseconds or a time such as \"10s\"";
  double total = -1;
  if (value.is(node_kind::number)) {
    total = value.number * static_cast<double>(number_unit.count());
  } else if (value.is(node_kind::string)) {
    const auto parts = split_quantity(value.text);
    const auto factor = parts ? milliseconds_per(parts->unit) : std::nullopt;
    if (factor)
      total = parts->number * *factor;
  } else {
    out.wrong_kind(value, expected, key);
    return std::nullopt;
  }
  if (!(total >= 0 && total <= number_max)) {
    const std::string found =
        value.is(node_kind::string) ? quote(shorten(value.text)) : shorten(value.text);
    out.error(value.at, "expected " + expected + " for " + named(key) + ", found " + found,
              "units are ms, s, m and h");
    return std::nullopt;
  }
  return milliseconds{static_cast<std::int64_t>(std::ceil(total))};
}

std::optional<milliseconds> bounded_time(milliseconds time, place at, std::string_view key,
                                         milliseconds min, milliseconds max, findings& out) {
  if (time >= min && time <= max)
    return time;
  out.error(at, named(key) + " is " + print_time(time) + "; expected " + print_time(min) + " to " +
                    print_time(max));
  return std::nullopt;
}

std::optional<std::size_t> read_choice(const node& value, std::string_view key,
                                       std::span<const std::string_view> choices, findings& out) {
  std::string expected;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0)
      expected += i + 1 == choices.size() ? " or " : ", ";
    expected += quote(choices[i]);
  }
  if (!value.is(node_kind::string)) {
    out.wrong_kind(value, expected, key);
    return std::nullopt;
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (value.text == choices[i])
      return i;
  }
  const auto near = nearest_names(value.text, choices, 1);
  out.error(value.at,
            "expected " + expected + " for " + named(key) + ", found " + quote(shorten(value.text)),
            near.empty() ? "" : "did you mean " + quote(near.front()) + "?");
  return std::nullopt;
}

std::string print_time(milliseconds time) {
  const auto count = time.count();
  if (count >= 3'600'000 && count % 3'600'000 == 0)
    return std::to_string(count / 3'600'000) + "h";
  if (count >= 1000 && count % 1000 == 0)
    return std::to_string(count / 1000) + "s";
  return std::to_string(count) + "ms";
}

std::string print_bytes(std::size_t bytes) {
  constexpr std::size_t kib = 1024, mib = kib * 1024, gib = mib * 1024;
  if (bytes >= gib && bytes % gib == 0)
    return std::to_string(bytes / gib) + "GiB";
  if (bytes >= mib && bytes % mib == 0)
    return std::to_string(bytes / mib) + "MiB";
  if (bytes >= kib && bytes % kib == 0)
    return std::to_string(bytes / kib) + "KiB";
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

} // namespace nexus::config::detail
