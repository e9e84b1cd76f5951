#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "catalog/parameter_headers.hpp"
#include "json/scan.hpp"

/// One list of one server, taken apart once and then immutable.
namespace nexus::catalog {

enum class list_kind : std::uint8_t { tools, prompts, resources, templates };
inline constexpr std::array<list_kind, 4> list_kinds{list_kind::tools, list_kind::prompts,
                                                     list_kind::resources, list_kind::templates};

/// What has a notification of its own when it changes. Templates are part of the resources.
enum class family : std::uint8_t { tools, prompts, resources };
inline constexpr std::array<family, 3> families{family::tools, family::prompts, family::resources};

/// How a kind of list is spoken of on the wire and in the log.
struct list_words {
  std::string_view method; ///< that lists it
  std::string_view array;  ///< the result's member
  std::string_view key;    ///< the member that tells one entry from another
  std::string_view noun;   ///< one entry, for people
};
[[nodiscard]] const list_words& words_of(list_kind kind) noexcept;

struct family_words {
  std::string_view capability;   ///< the member of the server's capabilities
  std::string_view notification; ///< the method that tells a change
  std::string_view filter;       ///< the member of a subscriptions/listen that asks for it
};
[[nodiscard]] const family_words& words_of(family of) noexcept;

[[nodiscard]] constexpr std::size_t index_of(list_kind kind) noexcept {
  return static_cast<std::size_t>(kind);
}
[[nodiscard]] constexpr std::size_t index_of(family of) noexcept {
  return static_cast<std::size_t>(of);
}
[[nodiscard]] constexpr family family_of(list_kind kind) noexcept {
  return kind == list_kind::templates ? family::resources : static_cast<family>(kind);
}

/// One tool, prompt, resource or template. Offsets point into the list's text.
struct item {
  std::string name; ///< the server's own name, the URI or the URI template, unescaped
  std::uint32_t definition_offset = 0, definition_bytes = 0; ///< the whole JSON object
  std::uint32_t name_offset = 0,
                name_bytes = 0; ///< the value that `name` stands in, relative to the definition
  std::uint32_t meta_offset = 0, meta_bytes = 0; ///< the value of "_meta"; 0, 0 when there is none
  std::uint32_t schema_offset = 0, schema_bytes = 0; ///< a tool's inputSchema, as `name_offset`
  std::vector<parameter_header> headers; ///< arguments that HTTP requests repeat in headers
  /// outputSchema is not that of an object: legacy clients get it, and results, within one.
  bool wraps_output = false;
  bool read_only = false; ///< annotations.readOnlyHint or idempotentHint: safe to send twice
  /// What is wrong with the definition (an input schema that is not of type object); empty when
  /// nothing is. The tool is served all the same.
  std::string problem;
};

/// How long clients may keep a list, and whether it is the same for all of them.
/// @source MCP 2026-07-28 "caching"
struct cache_hints {
  std::int64_t ttl_ms;
  bool is_private;
  /// The hints of what consists of both.
  void merge(const cache_hints& other) noexcept;
  /// `"ttlMs":...,"cacheScope":"..."`
  [[nodiscard]] std::string text() const;
};

/// The entries of one kind of one server in its own order, filtered.
class item_list {
 public:
  [[nodiscard]] const std::vector<item>& items() const noexcept { return items_; }
  [[nodiscard]] std::string_view definition(const item& i) const noexcept;
  /// A tool's inputSchema: always an object.
  [[nodiscard]] json::slice input_schema(const item& i) const noexcept;
  [[nodiscard]] const item* find(std::string_view name) const noexcept;
  /// The definitions, comma-separated.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// Resources that tools name as their user interface; servers need not list them.
  [[nodiscard]] const std::vector<std::string>& interface_uris() const noexcept {
    return interface_uris_;
  }
  [[nodiscard]] const cache_hints& hints() const noexcept { return hints_; }
  /// Findings for the log: entries that are none, duplicates, truncation.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }
  /// True when both list the same definitions in the same order.
  [[nodiscard]] bool same_as(const item_list& other) const noexcept { return text_ == other.text_; }

 private:
  friend class list_builder;
  std::string text_;
  std::vector<item> items_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::vector<std::string> interface_uris_;
  std::vector<std::string> problems_;
  cache_hints hints_{limits::list_ttl_default.count(), false};
};
using item_list_ptr = std::shared_ptr<const item_list>;

/// Collects the pages of one list of one server.
class list_builder {
 public:
  /// Entries whose names match `include` (all when empty) and not `exclude` are kept. Both are glob
  /// patterns over the server's own names.
  /// @param hints what holds for a page that says nothing
  list_builder(list_kind kind, const cache_hints& hints, std::vector<std::string> include = {},
               std::vector<std::string> exclude = {});

  /// Adds the elements of a page's array. An entry that is not an object with a string under the
  /// kind's key is left out and noted; it costs nothing but itself.
  /// @pre `entries` is validated and followed by json::padding_bytes
  /// @errors json::errc::wrong_type when it is no array
  [[nodiscard]] result<> add_page(json::slice entries, json::scanner& scanner);
  /// A page's own hints.
  void add_hints(const cache_hints& hints) noexcept { building_->hints_.merge(hints); }
  /// From now on tools with wrong x-mcp-header annotations are left out and noted. Otherwise they
  /// are served, and what is annotated is not looked at.
  void drop_wrong_headers() noexcept { drops_wrong_headers_ = true; }
  [[nodiscard]] bool full() const noexcept;
  [[nodiscard]] item_list_ptr finish();

 private:
  void add(json::slice definition, json::scanner& scanner);
  /// @returns false when the tool is left out
  [[nodiscard]] bool note_schemas(item& made, json::slice input, json::slice output);
  void note_interface(json::slice meta, json::scanner& scanner);
  [[nodiscard]] bool wanted(std::string_view name) const;
  void refuse(std::string why) { building_->problems_.push_back(std::move(why)); }

  list_kind kind_;
  std::vector<std::string> include_, exclude_;
  std::unordered_set<std::string> names_, interfaces_; ///< seen so far
  bool drops_wrong_headers_ = false;
  std::shared_ptr<item_list> building_;
};

} // namespace nexus::catalog
