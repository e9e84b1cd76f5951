#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schema/graph.hpp"

/// Words for what schemas want and values are.
namespace nexus::schema {

/// `string or null`; empty for no bits.
[[nodiscard]] std::string describe_types(std::uint8_t types);
[[nodiscard]] std::uint8_t type_named(std::string_view name) noexcept;

/// At most limits::schema_shown_bytes of a text, cut between characters.
[[nodiscard]] std::string shown(std::string_view text);
/// `one of A, B`
[[nodiscard]] std::string list_of(const std::vector<std::string>& values);
/// `2 to 5 items`
[[nodiscard]] std::string range_of(const count_range& range, std::string_view noun);
/// A JSON Pointer one level further. @source RFC 6901 s3
[[nodiscard]] std::string child_path(const std::string& path, std::string_view key);

} // namespace nexus::schema
