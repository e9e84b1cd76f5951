#include "bench/e2e/http_scan.hpp"

#include <charconv>
#include <cstdint>

namespace nexus::bench {
namespace {

constexpr std::size_t head_bytes_max = 64 * 1024;

struct framing {
  std::size_t content_length = 0;
  bool has_length = false;
  bool chunked = false;
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equals_ignoring_case(std::string_view text, std::string_view lowercase) {
  if (text.size() != lowercase.size())
    return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != lowercase[i])
      return false;
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool take_field(std::string_view name, std::string_view value, framing& frame, http_message& out) {
  switch (name.size()) {
  case 10:
    if (equals_ignoring_case(name, "connection") && equals_ignoring_case(value, "close"))
      out.keep_alive = false;
    break;
  case 14:
    if (equals_ignoring_case(name, "content-length")) {
      const auto end = value.data() + value.size();
      frame.has_length = true;
      const auto parsed = std::from_chars(value.data(), end, frame.content_length);
      return parsed.ec == std::errc{} && parsed.ptr == end;
    }
    break;
  case 17:
    if (equals_ignoring_case(name, "transfer-encoding"))
      frame.chunked = equals_ignoring_case(value, "chunked");
    break;
  default:
    break;
  }
  return true;
}

// `lines` are the header lines, each with its CRLF, without the empty one.
bool take_fields(std::string_view lines, framing& frame, http_message& out) {
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos)
      return false;
    if (!take_field(line.substr(0, colon), trimmed(line.substr(colon + 1)), frame, out))
      return false;
  }
  return true;
}

scan_state take_chunks(std::string_view data, std::size_t head_bytes, http_message& out) {
  out.decoded.clear();
  auto at = head_bytes;
  for (;;) {
    const auto line_end = data.find("\r\n", at);
    if (line_end == std::string_view::npos)
      return scan_state::incomplete;
    std::size_t size = 0;
    const auto parsed = std::from_chars(data.data() + at, data.data() + line_end, size, 16);
    if (parsed.ec != std::errc{})
      return scan_state::invalid;
    at = line_end + 2;
    if (data.size() < at + size + 2) {
      out.wanted_bytes = at + size + 2;
      return scan_state::incomplete;
    }
    if (size == 0)
      break;
    out.decoded.append(data.substr(at, size));
    at += size + 2;
  }
  // Trailer fields are not used by anything here: the last chunk ends with an empty line.
  if (data.substr(at, 2) != "\r\n")
    return scan_state::invalid;
  out.total_bytes = at + 2;
  out.body = out.decoded;
  return scan_state::complete;
}

scan_state take_body(std::string_view data, std::size_t head_bytes, const framing& frame,
                     http_message& out) {
  if (frame.chunked)
    return take_chunks(data, head_bytes, out);
  out.total_bytes = head_bytes + frame.content_length;
  if (data.size() < out.total_bytes) {
    out.wanted_bytes = out.total_bytes;
    return scan_state::incomplete;
  }
  out.body = data.substr(head_bytes, frame.content_length);
  return scan_state::complete;
}

// Splits the start line off and reads the fields; head_bytes is zero while the head is incomplete.
scan_state take_head(std::string_view data, std::string_view& start_line, std::size_t& head_bytes,
                     framing& frame, http_message& out) {
  out.wanted_bytes = 0;
  out.keep_alive = true;
  out.body = {};
  const auto end = data.find("\r\n\r\n");
  if (end == std::string_view::npos)
    return data.size() > head_bytes_max ? scan_state::invalid : scan_state::incomplete;
  head_bytes = end + 4;
  const auto line_end = data.find("\r\n");
  start_line = data.substr(0, line_end);
  const auto fields = data.substr(line_end + 2, end - line_end);
  return take_fields(fields, frame, out) ? scan_state::complete : scan_state::invalid;
}

} // namespace

scan_state scan_response(std::string_view data, http_message& message) {
  std::string_view line;
  std::size_t head_bytes = 0;
  framing frame;
  const auto head = take_head(data, line, head_bytes, frame, message);
  if (head != scan_state::complete)
    return head;
  if (line.size() < 12 || !line.starts_with("HTTP/1.1 "))
    return scan_state::invalid;
  const auto* status_end = line.data() + 12;
  if (std::from_chars(line.data() + 9, status_end, message.status).ptr != status_end)
    return scan_state::invalid;
  const bool bodyless = message.status < 200 || message.status == 204 || message.status == 304;
  if (bodyless) {
    message.total_bytes = head_bytes;
    return scan_state::complete;
  }
  if (!frame.has_length && !frame.chunked)
    return scan_state::invalid;
  return take_body(data, head_bytes, frame, message);
}

scan_state scan_request(std::string_view data, http_message& message) {
  std::string_view line;
  std::size_t head_bytes = 0;
  framing frame;
  const auto head = take_head(data, line, head_bytes, frame, message);
  if (head != scan_state::complete)
    return head;
  const auto space = line.find(' ');
  if (space == std::string_view::npos)
    return scan_state::invalid;
  message.method = line.substr(0, space);
  // nginx speaks HTTP/1.0 to its upstream unless told otherwise; that connection does not stay.
  if (line.ends_with("HTTP/1.0"))
    message.keep_alive = false;
  return take_body(data, head_bytes, frame, message);
}

} // namespace nexus::bench
