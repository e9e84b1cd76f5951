#include "http/message.hpp"

#include <algorithm>
#include <charconv>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "http/syntax.hpp"

namespace nexus::http {
namespace {

class http_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "http"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
    case errc::bad_request:
      return "bad request";
    case errc::header_too_large:
      return "header too large";
    case errc::uri_too_long:
      return "request target too long";
    case errc::body_too_large:
      return "body too large";
    case errc::bad_version:
      return "unsupported HTTP version";
    case errc::bad_response:
      return "bad response";
    case errc::unexpected_end:
      return "connection closed within a message";
    case errc::event_too_large:
      return "event too large";
    case errc::expectation_failed:
      return "unsupported expectation";
    case errc::unsupported_coding:
      return "unsupported transfer coding";
    }
    return "unknown http error";
  }
};

const http_category category;

/// A quality of zero: `0` with up to any number of decimals that are zero.
bool is_zero_quality(std::string_view value) noexcept {
  if (!value.starts_with('0'))
    return false;
  value.remove_prefix(1);
  if (value.starts_with('.'))
    value.remove_prefix(1);
  return value.find_first_not_of('0') == std::string_view::npos;
}

struct media_range {
  std::string_view type; ///< with subtype
  bool refused = false;  ///< q=0
};

media_range parse_media_range(std::string_view item) noexcept {
  std::size_t end = item.find(';');
  media_range range{trim_ows(item.substr(0, end)), false};
  while (end != std::string_view::npos) {
    item.remove_prefix(end + 1);
    end = item.find(';');
    const std::string_view parameter = trim_ows(item.substr(0, end));
    if (parameter.size() > 2 && iequals(parameter.substr(0, 2), "q="))
      range.refused = is_zero_quality(parameter.substr(2));
  }
  return range;
}

/// How closely `range` names `wanted`: 3 exactly, 2 by type, 1 as any, 0 not at all.
int specificity(std::string_view range, std::string_view wanted) noexcept {
  if (iequals(range, wanted))
    return 3;
  if (range == "*/*")
    return 1;
  if (!range.ends_with("/*"))
    return 0;
  const std::string_view type = range.substr(0, range.size() - 1);
  return iequals(type, wanted.substr(0, type.size())) ? 2 : 0;
}

template <class Integer>
void append_number(std::string& out, Integer value, int base = 10) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, base);
  out.append(digits, end.ptr);
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), category};
}

unsigned status_of(const error& failure) noexcept {
  if (failure.code.category() != category)
    return 400;
  switch (static_cast<errc>(failure.code.value())) {
  case errc::header_too_large:
    return 431;
  case errc::uri_too_long:
    return 414;
  case errc::body_too_large:
  case errc::event_too_large:
    return 413;
  case errc::bad_version:
    return 505;
  case errc::expectation_failed:
    return 417;
  case errc::unsupported_coding:
    return 501;
  case errc::bad_response:
    return 502;
  case errc::bad_request:
  case errc::unexpected_end:
    break;
  }
  return 400;
}

void header_fields::add(std::string_view name, std::string_view value) {
  const auto offset = static_cast<std::uint32_t>(storage_.size());
  const auto name_bytes = static_cast<std::uint32_t>(name.size());
  storage_.append(name).append(value);
  const std::uint32_t hash = hash_of(name);
  present_ |= bit_of(hash);
  entries_.push_back(
      {offset, name_bytes, offset + name_bytes, static_cast<std::uint32_t>(value.size()), hash});
}

std::string_view header_fields::hold(std::string_view block) {
  NEXUS_ASSERT(entries_.empty());
  storage_ = block;
  return storage_;
}

void header_fields::overwrite_held(std::size_t offset, std::string_view bytes) noexcept {
  NEXUS_DASSERT(offset + bytes.size() <= storage_.size());
  std::copy(bytes.begin(), bytes.end(), storage_.begin() + static_cast<std::ptrdiff_t>(offset));
}

void header_fields::add_held(std::string_view name, std::string_view value) {
  NEXUS_DASSERT(name.data() >= storage_.data() && value.data() >= name.data() + name.size() &&
                value.data() + value.size() <= storage_.data() + storage_.size());
  const std::uint32_t hash = hash_of(name);
  present_ |= bit_of(hash);
  entries_.push_back({static_cast<std::uint32_t>(name.data() - storage_.data()),
                      static_cast<std::uint32_t>(name.size()),
                      static_cast<std::uint32_t>(value.data() - storage_.data()),
                      static_cast<std::uint32_t>(value.size()), hash});
}

std::optional<std::string_view> header_fields::find(std::string_view name,
                                                    std::uint32_t hash) const noexcept {
  for (const entry& at : entries_) {
    if (at.name_hash != hash)
      continue;
    const char* const bytes = storage_.data();
    if (iequals({bytes + at.name_offset, at.name_bytes}, name))
      return std::string_view(bytes + at.value_offset, at.value_bytes);
  }
  return std::nullopt;
}

std::size_t header_fields::count(std::string_view name) const noexcept {
  const std::uint32_t hash = hash_of(name);
  std::size_t found = 0;
  for (std::size_t index = 0; index < entries_.size(); ++index)
    if (entries_[index].name_hash == hash && iequals((*this)[index].name, name))
      ++found;
  return found;
}

field header_fields::operator[](std::size_t index) const noexcept {
  const entry& at = entries_[index];
  const std::string_view bytes = storage_;
  return {bytes.substr(at.name_offset, at.name_bytes),
          bytes.substr(at.value_offset, at.value_bytes)};
}

void header_fields::clear() noexcept {
  storage_.clear();
  entries_.clear();
  present_ = 0;
}

void append_status_line(std::string& out, unsigned status) {
  NEXUS_ASSERT(status >= 100 && status <= 999);
  out.append("HTTP/1.1 ");
  append_number(out, status);
  out.append(" ").append(reason_phrase(status)).append("\r\n");
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  NEXUS_ASSERT(is_token(name) && is_field_value(value));
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  NEXUS_ASSERT(is_token(name));
  out.append(name).append(": ");
  append_number(out, value);
  out.append("\r\n");
}

void append_chunk(std::string& out, std::string_view bytes) {
  if (bytes.empty())
    return; // It would end the body.
  append_number(out, bytes.size(), 16);
  out.append("\r\n").append(bytes).append("\r\n");
}

void append_last_chunk(std::string& out) {
  out.append("0\r\n\r\n");
}

std::string_view reason_phrase(unsigned status) noexcept {
  switch (status) {
  case 100:
    return "Continue";
  case 101:
    return "Switching Protocols";
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 204:
    return "No Content";
  case 206:
    return "Partial Content";
  case 301:
    return "Moved Permanently";
  case 302:
    return "Found";
  case 303:
    return "See Other";
  case 304:
    return "Not Modified";
  case 307:
    return "Temporary Redirect";
  case 308:
    return "Permanent Redirect";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 406:
    return "Not Acceptable";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 410:
    return "Gone";
  case 411:
    return "Length Required";
  case 412:
    return "Precondition Failed";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 417:
    return "Expectation Failed";
  case 421:
    return "Misdirected Request";
  case 422:
    return "Unprocessable Content";
  case 426:
    return "Upgrade Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 499:
    return "Client Closed Request";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return "Unknown";
  }
}

bool media_type_is(std::string_view content_type, std::string_view wanted) noexcept {
  return content_type == wanted ||
         iequals(trim_ows(content_type.substr(0, content_type.find(';'))), wanted);
}

bool accepts(std::optional<std::string_view> accept, std::string_view wanted) noexcept {
  if (!accept)
    return true;
  // What MCP tells clients to send, to the letter.
  if (*accept == "application/json, text/event-stream" &&
      (wanted == "application/json" || wanted == "text/event-stream"))
    return true;
  // RFC 9110 12.5.1: the most specific range decides, so that `text/html;q=0, */*` excludes HTML.
  int closest = 0;
  bool admitted = false;
  for_each_list_item(*accept, [&](std::string_view item) {
    const media_range range = parse_media_range(item);
    const int close = specificity(range.type, wanted);
    if (close == 0 || close < closest)
      return;
    admitted = !range.refused || (close == closest && admitted);
    closest = close;
  });
  return admitted;
}

} // namespace nexus::http
