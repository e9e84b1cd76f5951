#include "gateway_fixture.hpp"

#include "gateway/probe.hpp"

using namespace nexus;
using namespace nexus::gateway;
using nexus::gateway::test::parsed;

namespace {

verdict judge(const std::string& wire, bool retried = false) {
  parsed p(wire);
  return judge_probe(p.message, p.scanner, retried);
}

std::string success(const std::string& inside) {
  return R"({"jsonrpc":"2.0","id":1,"result":)" + inside + "}";
}

std::string failure(const std::string& code, const std::string& data = "") {
  return R"({"jsonrpc":"2.0","id":1,"error":{"code":)" + code + R"(,"message":"m")" +
         (data.empty() ? "" : ",\"data\":" + data) + "}}";
}

} // namespace

TEST_CASE("a discover result with our version is modern", "[gateway][probe]") {
  for (const std::string versions :
       {R"(["2026-07-28"])", R"(["2027-01-01","2026-07-28"])", R"(["2026-07-28","2025-11-25"])",
        R"([7,null,"2026-07-28"])", R"(["2026-07-2\u0038"])"}) {
    INFO(versions);
    const auto wire = success(R"({"resultType":"complete","supportedVersions":)" + versions +
                              R"(,"capabilities":{},"ttlMs":1,"cacheScope":"public"})");
    CHECK(judge(wire) == verdict::modern);
    CHECK(judge(wire, true) == verdict::modern);
  }
}

TEST_CASE("any other result is no discover result", "[gateway][probe]") {
  for (const std::string inside :
       {"{}", "null", "[]", "true", "\"ok\"", R"({"supportedVersions":[]})",
        R"({"supportedVersions":null})", R"({"supportedVersions":"2026-07-28"})",
        R"({"supportedVersions":{"2026-07-28":1}})", R"({"supportedVersions":["2025-11-25"]})",
        R"({"supportedVersions":["2027-01-01"]})", R"({"supportedVersions":[["2026-07-28"]]})",
        R"({"versions":["2026-07-28"]})", R"({"x":{"supportedVersions":["2026-07-28"]}})"}) {
    INFO(inside);
    CHECK(judge(success(inside)) == verdict::legacy);
  }
}

TEST_CASE("an unsupported version is judged by what is supported", "[gateway][probe]") {
  struct row {
    std::string data;
    verdict first, second;
  };
  const row rows[] = {
      {R"({"supported":["2026-07-28"],"requested":"x"})", verdict::retry_modern, verdict::unusable},
      {R"({"supported":["2025-11-25","2026-07-28"]})", verdict::retry_modern, verdict::unusable},
      {R"({"supported":["2025-11-25"]})", verdict::legacy, verdict::legacy},
      {R"({"supported":["2027-01-01","2025-06-18"]})", verdict::legacy, verdict::legacy},
      {R"({"supported":["2027-01-01"]})", verdict::unusable, verdict::unusable},
      {R"({"supported":[]})", verdict::legacy, verdict::legacy},
      {R"({"supported":null})", verdict::legacy, verdict::legacy},
      {R"({})", verdict::legacy, verdict::legacy},
      {R"("2026-07-28")", verdict::legacy, verdict::legacy},
      {"", verdict::legacy, verdict::legacy},
  };
  for (const auto& r : rows) {
    INFO(r.data);
    CHECK(judge(failure("-32022", r.data)) == r.first);
    CHECK(judge(failure("-32022", r.data), true) == r.second);
  }
}

TEST_CASE("any other error means legacy", "[gateway][probe]") {
  for (const std::string code : {"-32601", "-32602", "-32000", "-32001", "-32020", "0", "404",
                                 "-32022.5", "\"-32022\"", "null", "99999999999999999999"}) {
    INFO(code);
    CHECK(judge(failure(code, R"({"supported":["2026-07-28"]})")) == verdict::legacy);
  }
}
