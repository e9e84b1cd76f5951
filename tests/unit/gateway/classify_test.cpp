#include "gateway_fixture.hpp"

#include "gateway/classify.hpp"

using namespace nexus;
using namespace nexus::gateway;
using mcp::errc;
using nexus::gateway::test::parsed;

namespace {

constexpr std::string_view modern_version = "2026-07-28";

/// The members of a sound envelope; `version` and `more` are spliced in.
std::string envelope(std::string_view version = modern_version, std::string_view more = "") {
  return R"("_meta":{"io.modelcontextprotocol/protocolVersion":")" + std::string(version) +
         R"(","io.modelcontextprotocol/clientCapabilities":{})" + std::string(more) + "}";
}

std::string request(std::string_view method, std::string_view params) {
  return R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(method) + R"(","params":{)" +
         std::string(params) + "}}";
}

std::string notification(std::string_view method, std::string_view params) {
  return R"({"jsonrpc":"2.0","method":")" + std::string(method) + R"(","params":{)" +
         std::string(params) + "}}";
}

using header = std::optional<std::string_view>;

protocol_headers http(header version = {}, header method = {}, header name = {}) {
  return {true, version, method, name};
}

std::expected<classified, refusal> judge(const std::string& wire, const protocol_headers& headers) {
  const parsed p(wire);
  return classify(p.message, headers);
}

void check_modern(const std::string& wire, const protocol_headers& headers) {
  INFO(wire);
  const auto found = judge(wire, headers);
  REQUIRE(found.has_value());
  CHECK(found->era == mcp::era::modern);
  CHECK(found->revision == mcp::revision::r2026_07_28);
}

void check_legacy(const std::string& wire, const protocol_headers& headers,
                  mcp::revision revision = mcp::revision::r2025_03_26) {
  INFO(wire);
  const auto found = judge(wire, headers);
  REQUIRE(found.has_value());
  CHECK(found->era == mcp::era::legacy);
  CHECK(found->revision == revision);
}

refusal check_refused(const std::string& wire, const protocol_headers& headers, errc code) {
  INFO(wire);
  const auto found = judge(wire, headers);
  REQUIRE_FALSE(found.has_value());
  CHECK(static_cast<int>(found.error().code) == static_cast<int>(code));
  CHECK(found.error().http_status == 400);
  CHECK_FALSE(found.error().message.empty());
  return found.error();
}

const std::string call = request("tools/call", R"("name":"t",)" + envelope());

} // namespace

TEST_CASE("classify takes answers of clients for legacy", "[gateway][classify]") {
  check_legacy(R"({"jsonrpc":"2.0","id":1,"result":{}})", http());
  check_legacy(R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}})",
               http(modern_version));
}

TEST_CASE("classify takes initialize for legacy unless it has a modern envelope",
          "[gateway][classify]") {
  const std::string params = R"("protocolVersion":"2025-11-25","capabilities":{})";
  check_legacy(request("initialize", params), http());
  check_legacy(request("initialize", params), http("2025-11-25"), mcp::revision::r2025_11_25);
  check_legacy(request("initialize", params), {}); // stdio
  // A newer client asks for what only modern requests can have: the handshake answers that.
  check_legacy(request("initialize", R"("protocolVersion":"2026-07-28","capabilities":{})"),
               http());
  check_refused(request("initialize", params), http(modern_version), errc::header_mismatch);
  // A malformed envelope does not make a handshake modern.
  check_legacy(
      request("initialize", params + R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":7})"),
      http());
  check_modern(request("initialize", envelope()), http(modern_version, "initialize"));
}

TEST_CASE("classify takes requests with an envelope for modern", "[gateway][classify]") {
  check_modern(call, http(modern_version, "tools/call", "t"));
  check_modern(call, {}); // stdio has no headers
  check_modern(request("tools/list", envelope()), http(modern_version, "tools/list"));
  check_modern(request("server/discover", envelope()), http(modern_version, "server/discover"));
  // Removed methods are modern all the same: dispatch answers that they do not exist.
  check_modern(request("ping", envelope()), http(modern_version, "ping"));
}

TEST_CASE("classify refuses malformed envelopes", "[gateway][classify]") {
  const std::string p = R"("io.modelcontextprotocol/protocolVersion":)";
  const std::string c = R"("io.modelcontextprotocol/clientCapabilities":)";
  const std::string good = p + R"("2026-07-28",)" + c + "{}";
  const std::string rows[] = {
      p + "7," + c + "{}",
      p + "null," + c + "{}",
      p + R"({"v":"2026-07-28"},)" + c + "{}",
      p + R"("2026-07-28")",
      p + R"("2026-07-28",)" + c + "null",
      p + R"("2026-07-28",)" + c + "[]",
      p + R"("2025-11-25")", // malformed comes before not served
      good + R"(,"io.modelcontextprotocol/clientInfo":"name")",
      good + R"(,"io.modelcontextprotocol/clientInfo":null)",
      good + R"(,"io.modelcontextprotocol/clientInfo":{})",
      good + R"(,"io.modelcontextprotocol/clientInfo":{"name":"c"})",
      good + R"(,"io.modelcontextprotocol/clientInfo":{"version":"1"})",
      good + R"(,"io.modelcontextprotocol/clientInfo":{"name":"c","version":1})",
      good + R"(,"io.modelcontextprotocol/clientInfo":{"name":null,"version":"1"})",
      good + R"(,"io.modelcontextprotocol/clientInfo":{"Name":"c","version":"1"})",
      good + R"(,"io.modelcontextprotocol/logLevel":"loud")",
      good + R"(,"io.modelcontextprotocol/logLevel":3)",
      good + R"(,"progressToken":null)",
      good + R"(,"progressToken":{})",
      good + R"(,"progressToken":1.5)",
      good + R"(,"progressToken":true)",
  };
  for (const auto& row : rows) {
    const auto wire = request("tools/list", R"("_meta":{)" + row + "}");
    check_refused(wire, http(modern_version, "tools/list"), errc::invalid_params);
    check_refused(wire, http("2025-11-25"), errc::invalid_params); // never silently legacy
    check_refused(wire, {}, errc::invalid_params);
  }
  const std::string fine[] = {
      good,
      good + R"(,"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"})",
      good + R"(,"io.modelcontextprotocol/clientInfo":{"icons":[],"Version":2,"version":"",)"
             R"("name":""})",
      good + R"(,"io.modelcontextprotocol/logLevel":"debug")",
      good + R"(,"progressToken":"x")",
      good + R"(,"progressToken":-9007199254740993)",
      good + R"(,"com.example/other":{"a":[]},"traceparent":"00-1-2-01")",
  };
  for (const auto& row : fine)
    check_modern(request("tools/list", R"("_meta":{)" + row + "}"),
                 http(modern_version, "tools/list"));
}

TEST_CASE("classify refuses headers that contradict the body", "[gateway][classify]") {
  struct row {
    header version, method, name;
  };
  const row rows[] = {
      {{}, "tools/call", "t"},
      {"2025-11-25", "tools/call", "t"},
      {"2026-07-29", "tools/call", "t"},
      {"", "tools/call", "t"},
      {modern_version, {}, "t"},
      {modern_version, "tools/list", "t"},
      {modern_version, "Tools/Call", "t"},
      {modern_version, "tools/call", {}},
      {modern_version, "tools/call", "T"},
      {modern_version, "tools/call", ""},
      {modern_version, "tools/call", "=?base64?dQ==?="},
      {modern_version, "tools/call", "=?base64?dA?="},
      {modern_version, "tools/call", "=?base64?d!==?="},
  };
  for (const auto& r : rows) {
    INFO(r.version.value_or("-") << ' ' << r.method.value_or("-") << ' ' << r.name.value_or("-"));
    check_refused(call, http(r.version, r.method, r.name), errc::header_mismatch);
  }
}

TEST_CASE("classify compares Mcp-Name with the member that it mirrors", "[gateway][classify]") {
  struct row {
    std::string_view method, params, name;
  };
  const row rows[] = {
      {"tools/call", R"("name":"t")", "t"},
      {"tools/call", R"("name":"t")", " t\t"},
      {"tools/call", R"("name":"t")", "=?base64?dA==?="},
      {"tools/call", R"("name":"\u0074")", "t"},
      {"tools/call", R"("name":"caf\u00e9")", "=?base64?Y2Fmw6k=?="},
      {"tools/call", R"("name":" t")", "=?base64?IHQ=?="},
      {"tools/call", R"("name":"=?base64?dA==?=")", "=?base64?PT9iYXNlNjQ/ZEE9PT89?="},
      {"prompts/get", R"("name":"p")", "p"},
      {"resources/read", R"("uri":"file:///a b","name":"ignored")", "file:///a b"},
  };
  for (const auto& r : rows) {
    const auto wire = request(r.method, std::string(r.params) + "," + envelope());
    INFO(r.name);
    check_modern(wire, http(modern_version, r.method, r.name));
    check_refused(wire, http(modern_version, r.method, "another"), errc::header_mismatch);
    check_refused(wire, http(modern_version, r.method), errc::header_mismatch);
  }
  // A name of the wrong type is dispatch's to refuse; methods without a mirror ignore the header.
  check_modern(request("tools/call", R"("name":7,)" + envelope()),
               http(modern_version, "tools/call"));
  check_modern(request("tools/list", R"("name":"x",)" + envelope()),
               http(modern_version, "tools/list", "y"));
}

TEST_CASE("classify refuses versions that are not served", "[gateway][classify]") {
  for (const std::string_view version :
       {"2025-11-25", "2024-11-05", "2027-01-01", "2026-07-28 ", "draft", "\\\"\\u0001"}) {
    const parsed p(request("tools/list", envelope(version)));
    const auto text = json::unquote(p.message.meta[mcp::meta_key::protocol_version]);
    const auto found = classify(p.message, http(text, "tools/list"));
    INFO(version);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().code == errc::unsupported_version);
    CHECK(found.error().http_status == 400);
    CHECK(found.error().data == unsupported_version_data(text));
  }
  CHECK(unsupported_version_data("1\"") == R"({"supported":["2026-07-28"],"requested":"1\""})");
}

TEST_CASE("classify reports the first mistake of several", "[gateway][classify]") {
  // envelope, then version header, then Mcp-Method, then the version, then the other headers
  const auto legacy_in_envelope = request("tools/call", R"("name":"t",)" + envelope("2025-11-25"));
  check_refused(legacy_in_envelope, http(modern_version, "tools/call", "t"), errc::header_mismatch);
  check_refused(legacy_in_envelope, http("2025-11-25", "tools/list", "t"), errc::header_mismatch);
  check_refused(legacy_in_envelope, http("2025-11-25", "tools/call", "x"),
                errc::unsupported_version);
  check_refused(legacy_in_envelope, http("2025-11-25"), errc::unsupported_version);
  check_refused(legacy_in_envelope, {}, errc::unsupported_version);
}

TEST_CASE("classify wants the envelope that a modern header promises", "[gateway][classify]") {
  check_refused(request("tools/list", ""), http(modern_version, "tools/list"),
                errc::invalid_params);
  check_refused(request("tools/list", R"("_meta":{"progressToken":1})"), http(modern_version),
                errc::invalid_params);
  check_refused(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})", http(modern_version),
                errc::invalid_params);
}

TEST_CASE("classify takes requests without an envelope for legacy", "[gateway][classify]") {
  const auto list = request("tools/list", R"("_meta":{"progressToken":1})");
  check_legacy(list, http());
  check_legacy(list, {});
  check_legacy(list, http("2024-11-05"), mcp::revision::r2024_11_05);
  check_legacy(list, http("2025-06-18"), mcp::revision::r2025_06_18);
  check_legacy(list, http("2025-11-25", "tools/call", "x"), mcp::revision::r2025_11_25);
  for (const std::string_view version : {"2024-10-07", "1", "", "2025-11-26"})
    CHECK(check_refused(list, http(version), errc::unsupported_version).data ==
          unsupported_version_data(version));
}

TEST_CASE("classify lets the envelope of a notification win over the header",
          "[gateway][classify]") {
  check_modern(notification("notifications/cancelled", R"("requestId":1,)" + envelope()),
               http(modern_version));
  check_modern(notification("notifications/cancelled", R"("requestId":1)"), http(modern_version));
  check_legacy(notification("notifications/initialized", ""), http("2025-06-18"),
               mcp::revision::r2025_06_18);
  check_legacy(notification("notifications/initialized", ""), http());
  check_refused(notification("notifications/x", envelope("2025-11-25")), http("2025-11-25"),
                errc::unsupported_version);
}

TEST_CASE("header values survive their encoding", "[gateway][classify]") {
  struct row {
    std::string value, encoded;
  };
  const row rows[] = {
      {"t", "t"},
      {"", ""},
      {"a b\tc", "a b\tc"},
      {"~!", "~!"},
      {" a", "=?base64?IGE=?="},
      {"a\t", "=?base64?YQk=?="},
      {"a\nb", "=?base64?YQpi?="},
      {"a\x7f", "=?base64?YX8=?="},
      {"caf\xc3\xa9", "=?base64?Y2Fmw6k=?="},
      {"=?base64?\?=", "=?base64?PT9iYXNlNjQ/Pz0=?="},
      {"=?base64?x", "=?base64?x"}, // not the encoded form
      {"=?BASE64?dA==?=", "=?BASE64?dA==?="},
      {std::string("\0\xff\xfe", 3), "=?base64?AP/+?="},
  };
  for (const auto& r : rows) {
    INFO(r.encoded);
    CHECK(encode_header_value(r.value) == r.encoded);
    CHECK(decode_header_value(r.encoded) == r.value);
  }
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    bytes += static_cast<char>(i * 7);
    CHECK(decode_header_value(encode_header_value(bytes)) == bytes);
  }
}

TEST_CASE("decode_header_value refuses what is no base64", "[gateway][classify]") {
  for (const std::string_view inner :
       {"A", "AA", "AAA", "AAAAA", "=", "==", "====", "A===", "AA=A", "AA==AAAA", "AAA=AAAA",
        "A A=", "AAA_", "AA-A", "AB==", "AAB=", "AA*=", "QUJD\n"}) {
    INFO(inner);
    CHECK_FALSE(decode_header_value("=?base64?" + std::string(inner) + "?=").has_value());
  }
  CHECK(decode_header_value("=?base64?\?=") == "");
}
