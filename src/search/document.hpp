#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "json/scan.hpp"

namespace nexus::search {

/// What a word of a tool stands in. A hit tells by them why it was found.
enum class field : std::uint8_t {
  name,
  title,
  server, ///< its name, title and category
  description,
  parameter_name,
  parameter_text, ///< descriptions of parameters, and the values that they may have
};
inline constexpr std::size_t field_count = 6;
[[nodiscard]] std::string_view name_of(field of) noexcept;

/// A tool as it is searched. Server names are what access is decided by; titles and categories are
/// words to be found.
struct document {
  std::string id; ///< the caller's own; equal scores are ordered by it
  std::string server, server_title, server_category;
  std::string name, title, description;
  std::vector<std::string> parameter_names, parameter_texts;
};

/// Adds names, descriptions and enumerated values of a JSON Schema's properties, of nested ones
/// too, as far as limits::search_parameters_max allows. @pre `schema` is validated JSON
void read_parameters(document& to, json::slice schema);

/// A tool of a catalogue file: {"id", "server", "name", "title", "description", "inputSchema"}.
/// Without an id the name is it. @pre json::padding_bytes are readable after `line`
/// @errors those of the scanner; json::errc::wrong_type for no object, or without a name
[[nodiscard]] result<document> read_document(json::scanner& scanner, std::string_view line);

} // namespace nexus::search
