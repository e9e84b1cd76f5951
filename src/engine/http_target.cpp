#include "engine/http_target.hpp"

#include <fmt/format.h>

namespace nexus::engine {

result<http_target> make_http_target(const config::server& settings,
                                     std::size_t response_bytes_max) {
  std::string_view rest = settings.url;
  const auto scheme_end = rest.find("://");
  if (scheme_end == std::string_view::npos)
    return fail(net::errc::resolve_failed, fmt::format("'{}' is no URL", settings.url));
  const bool tls = rest.substr(0, scheme_end) == "https";
  rest.remove_prefix(scheme_end + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  rest.remove_prefix(authority.size());
  http_target target;
  target.path = rest.substr(0, rest.find('#'));
  if (!target.path.starts_with('/'))
    target.path.insert(0, 1, '/');
  const auto bracket = authority.rfind(']');
  const bool has_port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket) !=
                        std::string_view::npos;
  auto address = net::endpoint::parse(has_port ? std::string(authority)
                                               : fmt::format("{}:{}", authority, tls ? 443 : 80));
  if (!address)
    return std::unexpected(address.error());
  target.pool.address = std::move(*address);
  target.pool.connect_timeout = settings.connect_timeout;
  target.pool.response_bytes_max = response_bytes_max;
  if (tls)
    target.pool.tls =
        net::tls_client_options{settings.tls.verify, target.pool.address.host, settings.tls.ca_file,
                                settings.tls.certificate_file, settings.tls.key_file};
  target.origin = fmt::format("{}://{}", tls ? "https" : "http", authority);
  target.head_fields =
      fmt::format("Host: {}\r\nUser-Agent: nexus/{}\r\n", authority, NEXUS_VERSION);
  for (const auto& [name, value] : settings.headers)
    http::append_field(target.head_fields, name, value);
  return target;
}

std::string post_prefix(const http_target& target, const server_endpoint& endpoint) {
  std::string head = fmt::format("POST {} HTTP/1.1\r\n{}Content-Type: application/json\r\n"
                                 "Accept: application/json, text/event-stream\r\n",
                                 target.path, target.head_fields);
  http::append_field(head, "MCP-Protocol-Version", mcp::to_string(endpoint.revision));
  if (!endpoint.session_id.empty())
    http::append_field(head, "Mcp-Session-Id", endpoint.session_id);
  head += "Content-Length: ";
  return head;
}

std::string get_head(const http_target& target, const server_endpoint& endpoint) {
  std::string head = fmt::format("GET {} HTTP/1.1\r\n{}Accept: text/event-stream\r\n", target.path,
                                 target.head_fields);
  http::append_field(head, "MCP-Protocol-Version", mcp::to_string(endpoint.revision));
  if (!endpoint.session_id.empty())
    http::append_field(head, "Mcp-Session-Id", endpoint.session_id);
  return head;
}

} // namespace nexus::engine
