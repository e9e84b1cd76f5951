#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/findings.hpp"
#include "config/keys.hpp"

/// Reads one value and says what was expected when it is another.
namespace nexus::config::detail {

/// A string of the file with its place; not yet interpolated.
struct text_at {
  std::string text;
  place at;
};

std::optional<bool> read_boolean(const node& value, std::string_view key, findings& out);
std::optional<text_at> read_string(const node& value, std::string_view key, findings& out);
/// A string, or a number or boolean as the string that clients make of it.
std::optional<text_at> read_scalar(const node& value, std::string_view key, findings& out);
/// A list of scalars; wrong elements are reported and left out.
std::vector<text_at> read_list(const node& value, std::string_view key, findings& out);
std::optional<std::size_t> read_count(const node& value, std::string_view key, std::size_t min,
                                      std::size_t max, findings& out);
/// Bytes as a number, or a string such as "64KiB".
std::optional<std::size_t> read_bytes(const node& value, std::string_view key, std::size_t min,
                                      std::size_t max, findings& out);
/// A number of `number_unit`, or a string such as "500ms", "10s", "5m", "1h".
std::optional<milliseconds> read_time(const node& value, std::string_view key,
                                      milliseconds number_unit, findings& out);
/// Keeps a time within bounds, with a finding when it is not.
std::optional<milliseconds> bounded_time(milliseconds time, place at, std::string_view key,
                                         milliseconds min, milliseconds max, findings& out);
/// One of `choices`.
std::optional<std::size_t> read_choice(const node& value, std::string_view key,
                                       std::span<const std::string_view> choices, findings& out);

/// "60s", "1500ms": what read_time reads back.
[[nodiscard]] std::string print_time(milliseconds time);
[[nodiscard]] std::string print_bytes(std::size_t bytes);

} // namespace nexus::config::detail
