#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// simdjson behind our own types: one pass over a message finds the members that a gateway needs
/// and validates everything, so that the rest can travel as byte slices.
namespace nexus::json {

enum class errc {
  malformed = 1,    ///< not JSON, or invalid UTF-8
  too_deep,         ///< nested deeper than limits::json_depth_max
  duplicate_key,    ///< a member name twice in an object that the visitor entered
  too_many_members, ///< an entered object has more than limits::envelope_members_max
  wrong_type,       ///< the root is not what the caller expects
  refused,          ///< the visitor refused a member
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// Bytes that must be readable (not meaningful) after the end of every scanned text.
inline constexpr std::size_t padding_bytes = 64;

/// Gives `text` the capacity that scanning needs. Call it before the bytes are scanned; appending
/// may reallocate. @cost nothing when the capacity is there
void ensure_padding(std::string& text);

enum class kind : std::uint8_t { absent, null, boolean, number, string, array, object };

/// A validated JSON value as it stands in the scanned text. Dies with that text.
struct slice {
  std::string_view raw;
  kind type = kind::absent;

  [[nodiscard]] explicit operator bool() const noexcept { return type != kind::absent; }
  [[nodiscard]] bool is(kind k) const noexcept { return type == k; }
};

/// A member of an object.
struct member {
  std::string_view key; ///< unescaped; valid during the callback only
  slice value;
  std::string_view span; ///< from the key's opening quote to the end of the value
};

/// Receives members in document order.
class visitor {
 public:
  enum class step : std::uint8_t {
    take,   ///< validate the value, then on_member() with its slice
    enter,  ///< an object: its members follow with depth + 1, then on_member() for the whole of it
    refuse, ///< stop with errc::refused
  };
  virtual ~visitor() = default;
  /// Called at each key; `depth` is 0 for the members of the root. `enter` is honoured for objects
  /// only; anything else is taken.
  virtual step on_key(unsigned depth, std::string_view key, kind type) = 0;
  /// Called once the value is validated.
  virtual void on_member(unsigned depth, const member& found) = 0;
};

/// Receives the elements of an array in order. Returning false stops the walk without an error.
class element_sink {
 public:
  virtual ~element_sink() = default;
  virtual bool on_element(std::size_t index, slice value) = 0;
};

/// One per thread: keeps simdjson's scratch memory between messages. Every method may also fail
/// with std::errc::not_enough_memory when that cannot grow to the text. Callbacks must not use the
/// scanner that calls them.
class scanner {
 public:
  scanner();
  ~scanner();
  scanner(scanner&&) noexcept;
  scanner& operator=(scanner&&) noexcept;

  /// Walks an object's members; every byte of `text` is validated.
  /// @pre padding_bytes are readable after `text`
  /// @errors malformed, too_deep, duplicate_key, too_many_members, wrong_type (root is no object),
  ///         refused
  [[nodiscard]] result<> scan_object(std::string_view text, visitor& receiver);

  /// Walks an array's elements, validating each.
  /// @pre as scan_object
  /// @errors malformed, too_deep, wrong_type (root is no array)
  [[nodiscard]] result<> scan_array(std::string_view text, element_sink& receiver);

  /// Validates any JSON text and tells what it is. @pre as scan_object
  [[nodiscard]] result<slice> validate(std::string_view text);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// The text of a JSON string slice without quotes and escapes; an escaped surrogate without its
/// partner, which the scanner accepts, becomes U+FFFD. @pre `value` is a validated string
[[nodiscard]] std::string unquote(slice value);
/// As unquote, but without a copy when nothing is escaped. `scratch` holds the text otherwise.
[[nodiscard]] std::string_view unquote(slice value, std::string& scratch);
/// An integer slice as a number. @errors wrong_type unless it is an integer within int64
[[nodiscard]] result<std::int64_t> to_int64(slice value);

} // namespace nexus::json

template <>
struct std::is_error_code_enum<nexus::json::errc> : std::true_type {};
