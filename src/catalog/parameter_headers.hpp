#pragma once

#include <string>
#include <vector>

#include "json/scan.hpp"

namespace nexus::catalog {

/// A property of a tool's arguments that requests over HTTP repeat in a header.
/// @source MCP 2026-07-28 "transports", x-mcp-header
struct parameter_header {
  std::string name;              ///< of the header after `Mcp-Param-`, as the tool writes it
  std::vector<std::string> path; ///< property names from the arguments inwards; never empty
};

struct parameter_headers {
  std::vector<parameter_header> found;
  std::string problem; ///< what is wrong with an annotation; empty when nothing is
};

/// What a tool's input schema annotates with `x-mcp-header`. An annotation is wrong whose value is
/// no token or another one's but for case, on a property that is no string, integer or boolean, or
/// anywhere but under `properties` keys alone.
/// @pre `schema` is validated
/// @cost a search for the word when the schema has no annotation
[[nodiscard]] parameter_headers read_parameter_headers(json::slice schema);

} // namespace nexus::catalog
