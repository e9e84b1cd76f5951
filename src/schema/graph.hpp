#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/pattern.hpp"
#include "schema/schema.hpp"

namespace nexus::schema {

using node_id = std::uint32_t;
inline constexpr node_id no_node = std::numeric_limits<node_id>::max();

/// Bits of a set of types. An integer is a number, too.
enum type_bit : std::uint8_t {
  type_null = 1,
  type_boolean = 2,
  type_integer = 4,
  type_number = 8,
  type_string = 16,
  type_array = 32,
  type_object = 64,
};

/// A smallest and a greatest number of something.
struct count_range {
  std::size_t least = 0, most = std::numeric_limits<std::size_t>::max();
  [[nodiscard]] bool holds(std::size_t count) const noexcept {
    return count >= least && count <= most;
  }
};

/// A (sub)schema. What it does not say demands nothing.
struct node {
  bool never = false;                             ///< the schema `false`
  std::uint8_t types = 0;                         ///< 0: any
  std::optional<std::vector<std::string>> values; ///< enum or const, in canonical form
  std::string format;                             ///< for examples; it demands nothing
  std::string sample; ///< a value that the schema itself gives (default, examples); may be empty

  std::optional<double> least, most, above, below, step;
  count_range length, items_count, members_count, contained{1};
  std::optional<pattern> text;
  bool unique = false;

  std::vector<std::pair<std::string, node_id>> properties; ///< sorted
  std::vector<std::pair<pattern, node_id>> pattern_properties;
  std::vector<std::pair<std::string, node_id>> dependent; ///< schemas, by the member that asks
  std::vector<std::pair<std::string, std::vector<std::string>>> dependent_names;
  std::vector<std::string> required;
  node_id additional = no_node, names = no_node, unevaluated_members = no_node;

  std::vector<node_id> prefix;
  node_id items = no_node, contains = no_node, unevaluated_items = no_node;

  std::vector<node_id> all, any, one; ///< a reference is one of `all`
  node_id denied = no_node, condition = no_node, then = no_node, otherwise = no_node;
};

struct compiled::graph {
  std::vector<node> nodes; ///< the first one is the root
  std::vector<std::string> notes;
  bool tracks = false; ///< some node has unevaluated...
};

} // namespace nexus::schema
