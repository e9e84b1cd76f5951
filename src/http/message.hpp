#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"

/// HTTP/1.1 and SSE as sans-I/O codecs: bytes in, messages out.
namespace nexus::http {

enum class errc {
  bad_request = 1,    ///< 400: syntax, smuggling forms, bad Host, bad framing
  header_too_large,   ///< 431: count or size of header fields
  uri_too_long,       ///< 414
  body_too_large,     ///< 413
  bad_version,        ///< 505: not HTTP/1.0 or 1.1
  bad_response,       ///< a server answered something that is not HTTP
  unexpected_end,     ///< the peer closed inside a message
  event_too_large,    ///< an SSE event beyond its limit
  expectation_failed, ///< 417: an Expect other than 100-continue
  unsupported_coding, ///< 501: a transfer coding other than chunked
};
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;
/// The status that a server answers for a parse error, 400 when in doubt.
[[nodiscard]] unsigned status_of(const error& failure) noexcept;

enum class method : std::uint8_t { get, head, post, put, patch, del, options, other };

/// A header field in the order and case that it came in; views into the head's own storage.
struct field {
  std::string_view name;
  std::string_view value; ///< without surrounding white space
};

/// The fields of one message. Owns its bytes; views live until clear() or the next add().
class header_fields {
 public:
  void add(std::string_view name, std::string_view value);
  /// The first field of that name in any case; empty optional when there is none.
  /// @cost for a name that is absent, most often one test of a bit
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept {
    const std::uint32_t hash = hash_of(name);
    if ((present_ & bit_of(hash)) == 0)
      return std::nullopt;
    return find(name, hash);
  }
  /// How many fields carry that name.
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] field operator[](std::size_t index) const noexcept;
  void clear() noexcept;

  /// For parsers: takes in a whole block of fields at once. @returns it in its new place
  [[nodiscard]] std::string_view hold(std::string_view block);
  /// For parsers: puts other bytes, as many, in the place of those at `offset` of what hold()
  /// returned. @pre all of them are within one value
  void overwrite_held(std::size_t offset, std::string_view bytes) noexcept;
  /// The block that was taken in.
  [[nodiscard]] std::string_view held() const noexcept { return storage_; }
  /// As add(), without a copy. @pre both are views into what hold() returned
  void add_held(std::string_view name, std::string_view value);

 private:
  struct entry {
    std::uint32_t name_offset, name_bytes, value_offset, value_bytes;
    std::uint32_t name_hash; ///< of the lower-case name: find() compares this first
  };

  /// Length and three characters: field names differ in these, and a match is compared in full.
  /// Folded by the compiler where the name is a constant.
  [[nodiscard]] static constexpr std::uint32_t hash_of(std::string_view name) noexcept {
    if (name.empty())
      return 0;
    // Bit 5 is the case of a letter. What else it blurs costs a comparison.
    const auto folded = [name](std::size_t index) {
      return std::uint32_t{static_cast<unsigned char>(name[index])} | 0x20u;
    };
    return static_cast<std::uint32_t>(name.size() & 0xffu) << 24 | folded(0) << 16 |
           folded(name.size() / 2) << 8 | folded(name.size() - 1);
  }
  /// The bit of `present_` that a hash sets. The factor spreads it over the highest six bits.
  [[nodiscard]] static constexpr std::uint64_t bit_of(std::uint32_t hash) noexcept {
    return std::uint64_t{1} << (hash * 0x9e3779b1u >> 26);
  }
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name,
                                                     std::uint32_t hash) const noexcept;

  std::string storage_;
  std::vector<entry> entries_;
  std::uint64_t present_ = 0; ///< bit_of() every entry's hash
};

/// A whole request: head and body. Reused for every request of a connection. A parsed one may be
/// moved, but the `path` and `query` of a copy point into the original.
struct request {
  method verb = method::other;
  std::string verb_text;  ///< as sent
  std::string target;     ///< as sent
  std::string_view path;  ///< target without the query; a view into `target`
  std::string_view query; ///< after '?', without it; a view into `target`
  unsigned version = 11;  ///< 10 or 11
  bool keep_alive = true; ///< after applying version and Connection
  header_fields headers;
  std::string body; ///< with json::padding_bytes of spare capacity
};

/// The head of a response.
struct response_head {
  unsigned status = 0;
  unsigned version = 11;
  bool keep_alive = true;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  header_fields headers;
};

struct request_limits {
  std::size_t header_count_max = limits::http_header_count_max;
  std::size_t header_bytes_max = limits::http_header_bytes_max;
  std::size_t target_bytes_max = limits::http_target_bytes_max;
  std::size_t body_bytes_max = limits::http_request_body_bytes_max;
};

/// Parses one request after another from a connection's bytes, strictly:
/// Content-Length with Transfer-Encoding, several or odd Content-Lengths, any coding but a single
/// `chunked`, two or no Hosts (HTTP/1.1), a second Origin, Content-Type, Authorization or field of
/// MCP's transport, obs-fold, bare CR or LF, NUL, white space before a colon,
/// chunk extensions beyond 256 bytes and trailers beyond the header limits are refused, whatever
/// the fragmentation.
class request_parser {
 public:
  explicit request_parser(request_limits bounds = {});
  ~request_parser();
  request_parser(request_parser&&) noexcept;
  request_parser& operator=(request_parser&&) noexcept;

  /// Takes bytes from the front of `bytes` and stops after the end of a request.
  /// @returns how many were taken; all of them unless done() became true
  /// @errors every http::errc of a request; the parser is then unusable
  [[nodiscard]] result<std::size_t> feed(std::string_view bytes);
  /// True once the head is complete: message().headers may be read, the body may be missing.
  [[nodiscard]] bool head_done() const noexcept;
  /// True once message() is whole.
  [[nodiscard]] bool done() const noexcept;
  /// True when no byte of a request has been taken yet.
  [[nodiscard]] bool idle() const noexcept;
  /// True when the head of message() is the one before again, but for the digits of its
  /// Content-Length. Views into its fields still hold then.
  [[nodiscard]] bool head_repeats() const noexcept;
  /// True once per request whose head asks for `100-continue` and whose body has not begun.
  [[nodiscard]] bool take_expect_continue() noexcept;
  [[nodiscard]] request& message() noexcept;
  /// Makes ready for the next request; message()'s memory is reused.
  void reset();

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Receives a response as it arrives. Only on_done() may destroy, reset or feed the parser.
class response_handler {
 public:
  virtual ~response_handler() = default;
  virtual void on_head(const response_head& head) = 0;
  /// A piece of the decoded body; valid during the call only.
  virtual void on_body(std::string_view bytes) = 0;
  /// The response is whole. Bytes that follow belong to the next one.
  virtual void on_done() = 0;
};

struct response_limits {
  std::size_t header_count_max = limits::http_header_count_max;
  std::size_t header_bytes_max = limits::http_header_bytes_max;
  std::uint64_t body_bytes_max = limits::http_response_body_bytes_max;
};

/// Parses a server's responses, as strictly as request_parser. 1xx responses are skipped. A body
/// without a length ends with the connection: call finish().
class response_parser {
 public:
  explicit response_parser(response_limits bounds = {});
  ~response_parser();
  response_parser(response_parser&&) noexcept;
  response_parser& operator=(response_parser&&) noexcept;

  /// The next response answers a HEAD request: it has no body.
  void expect_no_body();
  /// An event stream has no end: its body does not count against body_bytes_max.
  /// Call it from on_head().
  void body_is_unbounded();
  /// @returns bytes taken; stops after on_done()
  /// @errors bad_response, header_too_large, body_too_large
  [[nodiscard]] result<std::size_t> feed(std::string_view bytes, response_handler& receiver);
  /// The connection ended. Completes a body that runs to the end of the connection.
  /// @errors unexpected_end
  [[nodiscard]] result<> finish(response_handler& receiver);
  /// True between responses.
  [[nodiscard]] bool idle() const noexcept;
  /// What on_head() was told last. It stays until another response begins.
  [[nodiscard]] const response_head& head() const noexcept;
  void reset();

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Appends `HTTP/1.1 <status> <reason>` and CRLF.
void append_status_line(std::string& out, unsigned status);
/// Appends `name: value` CRLF. @pre both are free of CR, LF and NUL (see is_field_value)
void append_field(std::string& out, std::string_view name, std::string_view value);
void append_field(std::string& out, std::string_view name, std::uint64_t value);
/// True when `value` may stand in a header field.
[[nodiscard]] bool is_field_value(std::string_view value) noexcept;
/// True when `name` is an RFC 9110 token.
[[nodiscard]] bool is_token(std::string_view name) noexcept;
/// Appends one chunk of a chunked body; an empty one is skipped. append_last_chunk ends the body.
void append_chunk(std::string& out, std::string_view bytes);
void append_last_chunk(std::string& out);
[[nodiscard]] std::string_view reason_phrase(unsigned status) noexcept;

/// `application/json; charset=utf-8` is `application/json`: compares type/subtype, without
/// parameters, in any case.
[[nodiscard]] bool media_type_is(std::string_view content_type, std::string_view wanted) noexcept;
/// True when an Accept value admits `wanted` (exact, type/*, or */*, q=0 excluded). An absent
/// header admits everything; pass an empty optional.
[[nodiscard]] bool accepts(std::optional<std::string_view> accept,
                           std::string_view wanted) noexcept;

} // namespace nexus::http

template <>
struct std::is_error_code_enum<nexus::http::errc> : std::true_type {};
