#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"

/// Server-sent events (WHATWG HTML, "9.2 Server-sent events") as a sans-I/O codec.
namespace nexus::http {

/// One dispatched event. Views live during the callback only.
struct sse_event {
  std::string_view type = "message";
  std::string_view data;              ///< lines joined by LF; padding_bytes are readable after it
  std::optional<std::string_view> id; ///< set when this event carried an id field
  std::optional<std::uint32_t> retry_ms;
};

/// Must not destroy, reset or feed the parser that calls it.
class sse_handler {
 public:
  virtual ~sse_handler() = default;
  virtual void on_event(const sse_event& event) = 0;
};

/// Parses a stream of events: any of LF, CR, CRLF ends a line, a BOM at the start is skipped, an
/// event with an id or retry but without data is dispatched with empty data (MCP's priming event).
class sse_parser {
 public:
  explicit sse_parser(std::size_t event_bytes_max = limits::sse_event_bytes_max);
  /// An event counts as the bytes of its data lines and of the line that has not ended yet.
  /// @errors event_too_large; the parser is then unusable until reset()
  [[nodiscard]] result<> feed(std::string_view bytes, sse_handler& receiver);
  void reset();

 private:
  /// Takes a line without its ending. @returns false when the event is too large
  [[nodiscard]] bool take_line(std::string_view line, sse_handler& receiver);
  void take_field(std::string_view name, std::string_view value);
  void dispatch(sse_handler& receiver);

  std::size_t event_bytes_max_;
  std::string line_; ///< a line that arrived in part
  std::string data_; ///< of the event at hand, each line with LF behind it
  std::string type_;
  std::string id_;
  bool has_id_ = false;
  bool at_start_ = true;  ///< a BOM may still come
  bool after_cr_ = false; ///< LF right behind it belongs to the same line ending
  bool failed_ = false;
  std::optional<std::uint32_t> retry_ms_;
};

/// Appends one event; `data` with line breaks of any kind becomes several data lines. `id` and
/// `type` are left out when empty. @pre `id` and `type` hold no CR, LF or NUL
void append_sse_event(std::string& out, std::string_view data, std::string_view type = {},
                      std::string_view id = {});
/// Appends an event with an id and empty data, from which a client can resume before anything was
/// said, and the time that it shall wait before it does. @pre as for append_sse_event
/// @source MCP 2025-11-25 "Streamable HTTP", Sending Messages to the Server
void append_sse_priming(std::string& out, std::string_view id, milliseconds retry);
/// Appends a comment line and an empty one, the keep-alive of a silent stream. Line breaks in
/// `text` begin further comment lines.
void append_sse_comment(std::string& out, std::string_view text = {});

} // namespace nexus::http
