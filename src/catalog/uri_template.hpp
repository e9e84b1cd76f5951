#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace nexus::catalog {

/// A URI template (RFC 6570, all four levels), parsed once and then asked which URIs it makes.
///
/// It says yes to every URI that an expansion may give, and to a few more: values may hold bytes
/// that an expansion would encode, because clients write URIs by hand; named parameters come in any
/// order; a variable that stands twice may have two values. What a value never holds is the
/// delimiter that ends it: `/`, `?` and `#` in `{x}`, `?` and `#` in `{/x*}`, `&` and `#` in
/// `{?x}`, nothing in `{+x}` and `{#x}`. Percent-encoded and plain forms of the same bytes are
/// equal, in literals too.
/// @thread any: immutable
class uri_template {
 public:
  /// @errors std::errc::invalid_argument: braces, operators, names or modifiers that are none of
  /// RFC 6570's; std::errc::value_too_large: beyond limits::resource_uri_bytes_max,
  /// uri_template_expressions_max or uri_template_variables_max
  [[nodiscard]] static result<uri_template> parse(std::string_view text);

  /// @cost at most work(uri) steps of 1 to 3 ns, whatever template and URI; most are
  /// refused by their first bytes. No backtracking: the positions that a part may end at are kept
  /// as a set.
  [[nodiscard]] bool matches(std::string_view uri) const;
  /// What matches() may cost: bytes of the URI times parts and parameter names of the template.
  [[nodiscard]] std::size_t work(std::string_view uri) const noexcept;

  /// What every URI of the template begins with, normalised. May be empty.
  [[nodiscard]] std::string_view literal_prefix() const noexcept;
  /// Where two templates match, the more specific one is meant: it has more literal bytes, then
  /// fewer expressions that take anything, then fewer expressions, then the longer literal prefix.
  /// A strict weak order.
  [[nodiscard]] bool more_specific_than(const uri_template& other) const noexcept;

 private:
  friend class template_parser;
  friend class template_table;

  /// Bytes that a value may hold. The order is that of the table in the source.
  enum class charset : std::uint8_t { segment, path, any, parameter, query_value, query };
  enum class shape : std::uint8_t {
    literal, ///< `text`
    run,     ///< bytes of `allowed`, as few as none
    group,   ///< nothing, or `first` and a run
    named,   ///< nothing, or `first` and parameters of `names` with `separator` between them
  };
  struct name {
    std::string text;
    std::uint32_t characters_max;
  };
  struct part {
    shape form = shape::literal;
    charset allowed = charset::any;
    char first = 0, separator = 0;
    std::uint32_t characters_max = 0; ///< of a run
    std::string text;
    std::vector<name> names;
  };
  struct reach;

  [[nodiscard]] bool matches_normalised(std::string_view uri) const;
  static void pass_literal(const part& p, std::string_view uri, reach& at);
  static void pass_run(const part& p, std::string_view uri, reach& at);
  static void pass_named(const part& p, std::string_view uri, reach& at);

  std::vector<part> parts_;
  std::size_t literal_bytes_ = 0, expressions_ = 0, greedy_expressions_ = 0;
};

/// The templates of several servers, and whose a URI is.
/// @thread any: immutable once made
class template_table {
 public:
  struct entry {
    uri_template pattern;
    std::uint32_t owner = 0;
  };
  template_table() = default;
  /// Of equally specific templates the earlier one wins.
  explicit template_table(std::vector<entry> entries);

  /// The owner of the most specific template that matches. A URI beyond
  /// limits::resource_uri_bytes_max has none; one that takes more than limits::uri_match_work_max
  /// has that of the templates tried so far, which is none.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view uri) const;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  std::vector<entry> entries_; ///< most specific first
};

} // namespace nexus::catalog
