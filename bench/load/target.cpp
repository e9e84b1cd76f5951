#include "bench/load/target.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nexus::load {
namespace {

std::unexpected<error> bad_url(std::string_view text, std::string_view why) {
  return fail(std::make_error_code(std::errc::invalid_argument),
              fmt::format("{}: {}; a URL is http[s]:// or ws[s]://HOST[:PORT][/PATH]", text, why));
}

} // namespace

std::string target::to_string() const {
  const auto where = over == transport::stdio
                         ? fmt::format("{}", fmt::join(command, " "))
                         : fmt::format("{}{}://{}{}", over == transport::websocket ? "ws" : "http",
                                       tls ? "s" : "", authority, path);
  return fmt::format("{} ({})", where, blind ? "plain POST" : mcp::to_string(revision));
}

bool is_url(std::string_view text) noexcept {
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("ws://") ||
         text.starts_with("wss://");
}

result<> parse_url(std::string_view text, target& into) {
  const auto scheme = text.substr(0, text.find("://"));
  if (!is_url(text))
    return bad_url(text, "no URL that can be opened");
  into.over = scheme.starts_with("ws") ? transport::websocket : transport::http;
  into.tls = scheme.ends_with('s') && scheme != "ws";
  const auto rest = text.substr(scheme.size() + 3);
  const auto slash = rest.find('/');
  into.authority = rest.substr(0, slash);
  into.path = slash == std::string_view::npos ? "/" : rest.substr(slash, rest.find('#') - slash);
  if (into.path.find_first_of(" \t\r\n") != std::string::npos)
    return bad_url(text, "white space in it");
  if (into.authority.empty())
    return bad_url(text, "no host");
  auto address = into.authority;
  const auto bracket = address.rfind(']');
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || (bracket != std::string::npos && colon < bracket))
    address += into.tls ? ":443" : ":80";
  auto at = net::endpoint::parse(address);
  if (!at)
    return bad_url(text, at.error().message);
  into.at = *at;
  return {};
}

} // namespace nexus::load
