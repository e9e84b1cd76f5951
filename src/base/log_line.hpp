#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace nexus::log {

/// A line without time, level and line end: in the JSON form the members of an object without its
/// braces. Whatever bytes a peer chose for a value, the line stays one line of UTF-8 without
/// control characters: these are escaped, and what is not UTF-8 becomes U+FFFD.
/// @pre component, event and the fields' names are our own: printable ASCII without quotes
[[nodiscard]] std::string format_line(format form, std::string_view component,
                                      std::string_view event, std::initializer_list<field> fields);

} // namespace nexus::log
