#include "engine/request_facts.hpp"

#include "base/text.hpp"

namespace nexus::engine {
namespace {

request_facts::body_kind kind_of_body(const http::header_fields& fields) {
  const auto type = fields.find("content-type");
  if (!type || !http::media_type_is(*type, "application/json"))
    return request_facts::body_kind::other;
  const auto coding = fields.find("content-encoding");
  return coding && !iequals(*coding, "identity") ? request_facts::body_kind::coded
                                                 : request_facts::body_kind::json;
}

} // namespace

request_facts request_facts::of(const http::header_fields& fields,
                                const gateway::host_check& hosts) {
  request_facts said;
  const auto origin = fields.find("origin");
  said.admitted = hosts.admits(fields.find("host").value_or(""), origin);
  if (said.admitted)
    said.origin = origin;
  const auto accept = fields.find("accept");
  said.accepts_json = http::accepts(accept, "application/json");
  said.accepts_events = accept && http::accepts(accept, "text/event-stream");
  said.body = kind_of_body(fields);
  said.session_id = fields.find("mcp-session-id");
  said.protocol.present = true;
  said.protocol.protocol_version = fields.find("mcp-protocol-version");
  said.protocol.method = fields.find("mcp-method");
  said.protocol.name = fields.find("mcp-name");
  return said;
}

} // namespace nexus::engine
