#include "engine/request_facts.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace nexus;
using engine::request_facts;

namespace {

request_facts facts_of(std::initializer_list<http::field> fields) {
  static http::header_fields kept; // the facts point into it
  static const gateway::host_check hosts("127.0.0.1", {"proxy.example"}, {"https://app.example"});
  kept.clear();
  for (const auto& one : fields)
    kept.add(one.name, one.value);
  return request_facts::of(kept, hosts);
}

} // namespace

TEST_CASE("request_facts say who is admitted, and repeat no foreign origin", "[engine][facts]") {
  CHECK(facts_of({{"Host", "127.0.0.1:80"}}).admitted);
  CHECK(facts_of({{"Host", "proxy.example"}}).admitted);
  CHECK_FALSE(facts_of({{"Host", "evil.example"}}).admitted);
  CHECK_FALSE(facts_of({}).admitted);
  const auto page = facts_of({{"Host", "localhost"}, {"Origin", "https://app.example"}});
  CHECK(page.admitted);
  CHECK(page.origin == "https://app.example");
  const auto foreign = facts_of({{"Host", "localhost"}, {"Origin", "https://evil.example"}});
  CHECK_FALSE(foreign.admitted);
  CHECK_FALSE(foreign.origin.has_value());
}

TEST_CASE("request_facts say what is sent and what is taken", "[engine][facts]") {
  using kind = request_facts::body_kind;
  CHECK(facts_of({}).body == kind::other);
  CHECK(facts_of({{"Content-Type", "text/plain"}}).body == kind::other);
  CHECK(facts_of({{"Content-Type", "application/json; charset=utf-8"}}).body == kind::json);
  CHECK(facts_of({{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}}).body ==
        kind::coded);
  CHECK(facts_of({{"Content-Type", "application/json"}, {"Content-Encoding", "identity"}}).body ==
        kind::json);
  // A client without Accept takes JSON; event streams have to be asked for.
  CHECK(facts_of({}).accepts_json);
  CHECK_FALSE(facts_of({}).accepts_events);
  const auto events = facts_of({{"Accept", "text/event-stream"}});
  CHECK_FALSE(events.accepts_json);
  CHECK(events.accepts_events);
}

TEST_CASE("request_facts have the fields of MCP", "[engine][facts]") {
  const auto none = facts_of({});
  CHECK(none.protocol.present);
  CHECK_FALSE(none.session_id.has_value());
  CHECK_FALSE(none.protocol.protocol_version.has_value());
  const auto all = facts_of({{"Mcp-Session-Id", "abc"},
                             {"MCP-Protocol-Version", "2026-07-28"},
                             {"Mcp-Method", "tools/call"},
                             {"Mcp-Name", "echo"}});
  CHECK(all.session_id == "abc");
  CHECK(all.protocol.protocol_version == "2026-07-28");
  CHECK(all.protocol.method == "tools/call");
  CHECK(all.protocol.name == "echo");
}
