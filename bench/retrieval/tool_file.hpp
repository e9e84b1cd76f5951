#pragma once

#include <string>
#include <vector>

#include "search/document.hpp"

/// The catalogues of the retrieval data sets: a tool a line, {id, server, name, description,
/// inputSchema}. What cannot be read ends the program and names file and line.
namespace nexus::bench {

[[nodiscard]] std::vector<search::document> read_tools(const std::string& path);
/// One member of every line, a string.
[[nodiscard]] std::vector<std::string> read_strings(const std::string& path,
                                                    const std::string& member);

} // namespace nexus::bench
