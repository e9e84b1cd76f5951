#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A configuration file as a tree that remembers where everything stands, whatever its syntax.
namespace nexus::config::detail {

/// Both count from 1; columns count code points.
struct place {
  std::size_t line = 0, column = 0;
};

enum class node_kind : std::uint8_t { null, boolean, number, string, array, object };

struct member;

struct node {
  node_kind kind = node_kind::null;
  bool truth = false;          ///< of a boolean
  double number = 0;           ///< of a number
  std::string text;            ///< a string's value; a number as JavaScript prints it
  std::vector<node> items;     ///< of an array
  std::vector<member> members; ///< of an object, in the file's order
  place at;

  [[nodiscard]] const member* find(std::string_view key) const;
  [[nodiscard]] const node* get(std::string_view key) const;
  [[nodiscard]] bool is(node_kind wanted) const { return kind == wanted; }
};

struct member {
  std::string key;
  place at; ///< of the key
  node value;
};

/// What a value is called in messages.
[[nodiscard]] std::string_view kind_name(node_kind kind);

struct syntax_error {
  place at;
  std::string message;
  std::string hint;
};

struct document {
  std::optional<node> root; ///< empty when there is an error
  syntax_error error;
};

/// JSON with comments and trailing commas; duplicate keys and broken UTF-8 are errors.
[[nodiscard]] document parse_jsonc(std::string_view text);
[[nodiscard]] document parse_toml(std::string_view text);

/// At most 60 bytes of `text`, for messages.
[[nodiscard]] std::string shorten(std::string_view text);
/// `text` in double quotes, as JSON wants it.
[[nodiscard]] std::string quote(std::string_view text);
/// The tree as indented JSON, without a newline at the end.
[[nodiscard]] std::string to_json(const node& value, std::size_t indent_level);

} // namespace nexus::config::detail
