#include "http/syntax.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace nexus::http {
namespace {

constexpr verdict good{};
constexpr std::string_view version_prefix = "HTTP/1.";

verdict bad(const char* why) noexcept {
  return {errc::bad_request, why};
}

/// Not zero when a byte below 0x20 or the byte 0x7f is among the eight of `word`.
std::uint64_t controls_of(std::uint64_t word) noexcept {
  constexpr std::uint64_t ones = ~std::uint64_t{0} / 255;
  constexpr std::uint64_t tops = ones * 0x80;
  const std::uint64_t below = (word - ones * 0x20) & ~word & tops;
  const std::uint64_t folded = word ^ (ones * 0x7f);
  return below | ((folded - ones) & ~folded & tops);
}

std::uint64_t load_word(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool is_control_but_tab(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/// Visible ASCII, without '#': what a request target may hold.
bool is_target_text(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

bool is_number(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c); });
}

bool is_port(std::string_view port) noexcept {
  if (port.empty() || port.size() > 5 || !is_number(port))
    return false;
  unsigned number = 0;
  for (const char c : port)
    number = number * 10 + static_cast<unsigned>(c - '0');
  return number <= 65535;
}

bool is_ipv6_address(std::string_view text) noexcept {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated)
    return false;
  text.copy(terminated, text.size());
  terminated[text.size()] = '\0';
  in6_addr parsed;
  return std::strlen(terminated) == text.size() && inet_pton(AF_INET6, terminated, &parsed) == 1;
}

bool is_host_name(std::string_view name) noexcept {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
  });
}

} // namespace

std::unexpected<error> fail_with(const verdict& problem) {
  return fail(problem.code, problem.why);
}

bool is_token(std::string_view name) noexcept {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_token_byte(c); });
}

bool is_field_value(std::string_view value) noexcept {
  if (value.size() >= 8) {
    // Eight bytes at a time, without a branch per word; the last word overlaps the one before.
    std::uint64_t controls = controls_of(load_word(value.data() + value.size() - 8));
    for (std::size_t at = 0; at + 8 < value.size(); at += 8)
      controls |= controls_of(load_word(value.data() + at));
    if (controls == 0)
      return true;
  }
  return std::none_of(value.begin(), value.end(), is_control_but_tab);
}

verdict check_field_line(std::string_view line) noexcept {
  std::size_t colon = 0;
  while (colon < line.size() && is_token_byte(line[colon]))
    ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':')
    return bad("malformed header field name");
  if (!is_field_value(line.substr(colon + 1)))
    return bad("control byte in a header field");
  return good;
}

verdict check_request_line(std::string_view line, std::size_t target_bytes_max) noexcept {
  const std::size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos || method_end > limits::http_method_bytes_max ||
      !is_token(line.substr(0, method_end)))
    return bad("malformed request line");
  line.remove_prefix(method_end + 1);
  const std::size_t target_end = line.find(' ');
  if (std::min(target_end, line.size()) > target_bytes_max)
    return {errc::uri_too_long, "request target too long"};
  if (target_end == std::string_view::npos || target_end == 0)
    return bad("malformed request line");
  if (!is_target_text(line.substr(0, target_end)))
    return bad("malformed request target");
  const std::string_view version = line.substr(target_end + 1);
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) ||
      version[6] != '.' || !is_digit(version[7]))
    return bad("malformed request line");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return {errc::bad_version, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  return good;
}

verdict check_endless_request_line(std::string_view line) noexcept {
  const std::size_t method_end = line.find(' ');
  if (method_end > limits::http_method_bytes_max || !is_token(line.substr(0, method_end)))
    return bad("malformed request line");
  return {errc::uri_too_long, "request target too long"};
}

verdict check_status_line(std::string_view line, std::size_t /*unused*/) noexcept {
  // "HTTP/1.1 200 " is the shortest one: the space before an empty reason is required.
  if (line.size() < 13 || !line.starts_with(version_prefix) || (line[7] != '0' && line[7] != '1') ||
      line[8] != ' ' || line[12] != ' ')
    return {errc::bad_response, "malformed status line"};
  const std::string_view status = line.substr(9, 3);
  if (!is_number(status) || status[0] < '1' || status[0] > '5')
    return {errc::bad_response, "malformed status code"};
  if (!is_field_value(line.substr(13)))
    return {errc::bad_response, "malformed status line"};
  return good;
}

bool is_host(std::string_view host) noexcept {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos || !is_ipv6_address(host.substr(1, end - 1)))
      return false;
    host.remove_prefix(end + 1);
    return host.empty() || (host[0] == ':' && is_port(host.substr(1)));
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos && !is_port(host.substr(colon + 1)))
    return false;
  return is_host_name(host.substr(0, colon));
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) noexcept {
  // 19 digits stay below 2^64, so that the sum cannot overflow.
  if (value.empty() || value.size() > 19)
    return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : value) {
    if (!is_digit(c))
      return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

verdict check_transfer_encoding(std::string_view value) noexcept {
  if (iequals(value, "chunked"))
    return good;
  bool tokens = true;
  int chunked = 0;
  for_each_list_item(value, [&](std::string_view coding) {
    tokens = tokens && is_token(coding);
    chunked += iequals(coding, "chunked") ? 1 : 0;
  });
  if (!tokens || chunked > 1)
    return bad("malformed Transfer-Encoding");
  return {errc::unsupported_coding, "only the transfer coding 'chunked' is supported"};
}

std::optional<target_parts> split_target(std::string_view target) noexcept {
  target_parts parts;
  if (target == "*") {
    parts.path = target;
    return parts;
  }
  std::string_view rest = target;
  if (!target.starts_with('/')) {
    const std::size_t scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos)
      return std::nullopt;
    const std::string_view scheme = target.substr(0, scheme_end);
    if (!iequals(scheme, "http") && !iequals(scheme, "https"))
      return std::nullopt;
    rest = target.substr(scheme_end + 3);
    parts.authority = rest.substr(0, rest.find_first_of("/?"));
    if (!is_host(parts.authority))
      return std::nullopt;
    rest.remove_prefix(parts.authority.size());
  }
  const std::size_t mark = rest.find('?');
  parts.path = rest.substr(0, mark);
  if (mark != std::string_view::npos)
    parts.query = rest.substr(mark + 1);
  // RFC 9110 4.2.3: an empty path is "/". The one that follows the scheme serves as the view.
  if (parts.path.empty())
    parts.path = target.substr(target.find('/'), 1);
  return parts;
}

verdict framing::take_content_length(std::string_view value) noexcept {
  if (content_length)
    return bad("several Content-Length fields");
  content_length = parse_content_length(value);
  return content_length ? good : bad("malformed Content-Length");
}

verdict framing::take_transfer_encoding(std::string_view value) noexcept {
  if (chunked)
    return bad("several Transfer-Encoding fields");
  const verdict coding = check_transfer_encoding(value);
  chunked = !coding.bad();
  return coding;
}

void framing::take_connection(std::string_view value) noexcept {
  for_each_list_item(value, [this](std::string_view option) {
    close = close || iequals(option, "close");
    keep_alive = keep_alive || iequals(option, "keep-alive");
  });
}

verdict framing::check(unsigned version) const noexcept {
  if (chunked && content_length)
    return bad("Content-Length with Transfer-Encoding");
  if (chunked && version < 11)
    return bad("Transfer-Encoding in HTTP/1.0");
  return good;
}

line_cursor::step line_cursor::next(std::string_view block, std::string_view& line) noexcept {
  if (searched_ >= block.size())
    return step::incomplete;
  const void* const found = std::memchr(block.data() + searched_, '\n', block.size() - searched_);
  if (found == nullptr) {
    searched_ = block.size();
    return step::incomplete;
  }
  const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - block.data());
  if (at == begin_ || block[at - 1] != '\r')
    return step::bare_lf;
  line = block.substr(begin_, at - 1 - begin_);
  begin_ = searched_ = at + 1;
  return step::line;
}

} // namespace nexus::http
