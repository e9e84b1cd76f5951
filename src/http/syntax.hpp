#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

/// The checks of this folder that look at a piece of text at a time. Private to src/http.
namespace nexus::http {

/// The outcome of a check: good, or what is wrong. Costs nothing to pass around, unlike `error`.
struct verdict {
  errc code{};
  const char* why = nullptr; ///< static text, fit for the peer; null means good

  [[nodiscard]] bool bad() const noexcept { return why != nullptr; }
};

[[nodiscard]] std::unexpected<error> fail_with(const verdict& problem);

/// `name: value` without its line ending: a token, a colon at once, no control byte but tab.
[[nodiscard]] verdict check_field_line(std::string_view line) noexcept;

/// `METHOD target HTTP/1.x` without its line ending.
[[nodiscard]] verdict check_request_line(std::string_view line,
                                         std::size_t target_bytes_max) noexcept;
/// What is wrong with a request line that does not end: its beginning is `line`.
[[nodiscard]] verdict check_endless_request_line(std::string_view line) noexcept;
/// `HTTP/1.x NNN reason` without its line ending. A status line has no target.
[[nodiscard]] verdict check_status_line(std::string_view line, std::size_t /*unused*/) noexcept;

/// A host name, IPv4 address or bracketed IPv6 address with an optional port.
[[nodiscard]] bool is_host(std::string_view host) noexcept;
/// Decimal digits only, at most 19, within 64 bits.
[[nodiscard]] std::optional<std::uint64_t> parse_content_length(std::string_view value) noexcept;
/// Good for exactly `chunked` in any case.
[[nodiscard]] verdict check_transfer_encoding(std::string_view value) noexcept;

/// A request target taken apart; views into it.
struct target_parts {
  std::string_view authority; ///< of the absolute form, otherwise empty
  std::string_view path;
  std::string_view query;
};
/// Origin form, absolute form, or `*`. Empty for anything else.
[[nodiscard]] std::optional<target_parts> split_target(std::string_view target) noexcept;

/// The items of a comma-separated list, trimmed, empty ones included.
template <class Sink>
void for_each_list_item(std::string_view list, Sink&& sink);

/// What the fields of one message say about where it ends and whether the connection goes on.
struct framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool close = false;
  bool keep_alive = false;

  [[nodiscard]] verdict take_content_length(std::string_view value) noexcept;
  [[nodiscard]] verdict take_transfer_encoding(std::string_view value) noexcept;
  void take_connection(std::string_view value) noexcept;
  /// What only the whole head can tell. @param version 10 or 11
  [[nodiscard]] verdict check(unsigned version) const noexcept;
  [[nodiscard]] bool persists(unsigned version) const noexcept {
    return !close && (version >= 11 || keep_alive);
  }
};

/// Walks the lines of a block that may still grow.
class line_cursor {
 public:
  enum class step : std::uint8_t {
    line,       ///< a line that ends in CRLF
    incomplete, ///< no line feed yet
    bare_lf,    ///< a line feed without its carriage return
  };
  /// @param block the same bytes as at the last call, or more of them
  /// @param line without CRLF; set for `line` only
  [[nodiscard]] step next(std::string_view block, std::string_view& line) noexcept;
  /// Where the next line begins.
  [[nodiscard]] std::size_t offset() const noexcept { return begin_; }
  /// Starts over at `offset`.
  void rewind(std::size_t offset = 0) noexcept { begin_ = searched_ = offset; }

 private:
  std::size_t begin_ = 0;
  std::size_t searched_ = 0;
};

// ---- inline ----------------------------------------------------------------------------------

/// True for the bytes of an RFC 9110 token.
inline constexpr auto token_bytes = [] {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c)
    table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c)
    table[c] = table[c + ('a' - 'A')] = true;
  for (const char c : std::string_view{"!#$%&'*+-.^_`|~"})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

[[nodiscard]] inline bool is_token_byte(char c) noexcept {
  return token_bytes[static_cast<unsigned char>(c)];
}

[[nodiscard]] inline bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// Without the spaces and tabs at both ends: HTTP's optional white space, unlike nexus::trim.
[[nodiscard]] inline std::string_view trim_ows(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

template <class Sink>
void for_each_list_item(std::string_view list, Sink&& sink) {
  while (true) {
    const std::size_t comma = list.find(',');
    sink(trim_ows(list.substr(0, comma)));
    if (comma == std::string_view::npos)
      return;
    list.remove_prefix(comma + 1);
  }
}

} // namespace nexus::http
