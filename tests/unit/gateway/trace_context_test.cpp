#include "gateway_fixture.hpp"

#include "gateway/render.hpp"

using namespace nexus;
using namespace nexus::gateway;
using nexus::gateway::test::parsed;

namespace {

const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

http::header_fields headers() {
  http::header_fields sent;
  sent.add("Traceparent", parent);
  sent.add("tracestate", "a=1");
  sent.add("baggage", "k=\"v\"");
  return sent;
}

std::string with_meta(const std::string& meta) {
  return R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{)" + meta + "}}}";
}

} // namespace

TEST_CASE("trace context in headers fills what _meta lacks", "[gateway][trace]") {
  const auto sent = headers();
  const parsed bare(with_meta(""));
  const auto found = trace_beside_meta(bare.message, sent);
  CHECK(found.traceparent == parent);
  CHECK(found.tracestate == "a=1");
  CHECK(found.baggage == "k=\"v\"");

  const auto to = [&](mcp::era server) {
    downstream_call call;
    call.method = "ping";
    call.server = server;
    call.trace = found;
    std::string out;
    append_request(out, bare.message, call);
    return out;
  };
  const auto members =
      R"("traceparent":")" + parent + R"(","tracestate":"a=1","baggage":"k=\"v\"")";
  CHECK(to(mcp::era::modern).find(members) != std::string::npos);
  CHECK(to(mcp::era::legacy).find("traceparent") == std::string::npos);

  const parsed own(with_meta(R"("traceparent":"00-theirs")"));
  const auto beside = trace_beside_meta(own.message, sent);
  CHECK(beside.traceparent.empty());
  CHECK(beside.tracestate.empty());
  CHECK(beside.baggage == "k=\"v\"");
}

TEST_CASE("trace context of a wrong form is not passed on", "[gateway][trace]") {
  const std::string rows[] = {"", "00-1", parent + "x", "zz" + parent.substr(2),
                              "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};
  for (const auto& wrong : rows) {
    http::header_fields sent;
    sent.add("traceparent", wrong);
    sent.add("tracestate", "a=1");
    const auto found = trace_beside_meta(parsed(with_meta("")).message, sent);
    CHECK(found.traceparent.empty());
    CHECK(found.tracestate.empty());
  }
}

TEST_CASE("trace context of _meta becomes headers, but no others", "[gateway][trace]") {
  const auto written = [](const std::string& meta) {
    const parsed p(with_meta(meta));
    const auto sent = headers();
    std::string out;
    append_trace_headers(out, p.message, trace_beside_meta(p.message, sent));
    return out;
  };
  const std::string other = "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-00";
  CHECK(written(R"("traceparent":")" + other + R"(","baggage":"b=2")") ==
        "\r\ntraceparent: " + other + "\r\nbaggage: b=2");
  CHECK(written(R"("traceparent":")" + other + R"(","baggage":"b\r\nX: 1")") ==
        "\r\ntraceparent: " + other);
  CHECK(written("") == "\r\ntraceparent: " + parent + "\r\ntracestate: a=1\r\nbaggage: k=\"v\"");
}
