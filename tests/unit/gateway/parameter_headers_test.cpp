#include <catch2/catch.hpp>

#include "gateway/parameter_headers.hpp"

using namespace nexus;
using namespace nexus::gateway;

namespace {

const std::vector<catalog::parameter_header> tool{{"Region", {"region"}}, {"N", {"o", "n"}}};

json::slice object(std::string_view text) {
  return {text, json::kind::object};
}

} // namespace

TEST_CASE("Mcp-Param headers must say what the arguments do", "[gateway][headers]") {
  struct row {
    const char *arguments, *region, *n; ///< null: the header is not sent
    bool good;
  };
  const row rows[] = {
      {R"({"region":"eu"})", "eu", nullptr, true},
      {R"({"region":"eu"})", nullptr, nullptr, false},
      {R"({"region":"eu"})", "EU", nullptr, false},
      {R"({"region":"Hello"})", "=?base64?SGVsbG8=?=", nullptr, true},
      {R"({"region":"Hello"})", "=?base64?SGVsbG8?=", nullptr, false},
      {R"({"region":"Hello"})", "=?base64?SGVs!!!bG8=?=", nullptr, false},
      {R"({"region":"=?base64?SGVsbG8="})", "=?base64?SGVsbG8=", nullptr, true},
      {R"({"region":"\u00e9"})", "=?base64?w6k=?=", nullptr, true},
      {R"({"region":""})", "", nullptr, true},
      {R"({"region":null})", nullptr, nullptr, true},
      {R"({"region":null})", "null", nullptr, false},
      {"{}", nullptr, nullptr, true},
      {"{}", "eu", nullptr, false},
      {R"({"region":["eu"]})", nullptr, nullptr, true},
      {R"({"region":true})", "true", nullptr, true},
      {R"({"region":true})", "True", nullptr, false},
      {R"({"region":"a","region":"b"})", "b", nullptr, true},
      {R"({"o":{"n":42}})", nullptr, "42", true},
      {R"({"o":{"n":42.0}})", nullptr, "42", true},
      {R"({"o":{"n":42}})", nullptr, "42.0", true},
      {R"({"o":{"n":4.2e1}})", nullptr, "42", true},
      {R"({"o":{"n":42}})", nullptr, "43", false},
      {R"({"o":{"n":42}})", nullptr, "42x", false},
      {R"({"o":{"n":9007199254740993}})", nullptr, "9007199254740992", false},
      {R"({"o":{"n":1e999}})", nullptr, "inf", false},
      {R"({"o":{"n":"42"}})", nullptr, "42", true},
      {R"({"o":7})", nullptr, nullptr, true},
  };
  for (const auto& r : rows) {
    http::header_fields sent;
    if (r.region != nullptr)
      sent.add("mcp-param-REGION", r.region);
    if (r.n != nullptr)
      sent.add("Mcp-Param-N", r.n);
    INFO(r.arguments);
    const auto problem = parameter_header_problem(tool, object(r.arguments), sent);
    INFO(problem);
    CHECK(problem.empty() == r.good);
  }
  http::header_fields twice;
  twice.add("Mcp-Param-Region", "eu");
  twice.add("Mcp-Param-Region", "eu");
  CHECK_FALSE(parameter_header_problem(tool, object(R"({"region":"eu"})"), twice).empty());
}

TEST_CASE("Mcp-Param headers are written from the arguments", "[gateway][headers]") {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"region":"eu west","o":{"n":42}})", "\r\nMcp-Param-Region: eu west\r\nMcp-Param-N: 42"},
      {R"({"region":" eu"})", "\r\nMcp-Param-Region: =?base64?IGV1?="},
      {R"({"region":"a\r\nX: 1"})", "\r\nMcp-Param-Region: =?base64?YQ0KWDogMQ==?="},
      {R"({"region":false,"o":{"n":-42.0}})", "\r\nMcp-Param-Region: false\r\nMcp-Param-N: -42"},
      {R"({"region":null,"o":{"n":[1]}})", ""},
      {"{}", ""},
  };
  for (const auto& [arguments, expected] : rows) {
    std::string out;
    append_parameter_headers(out, tool, object(arguments));
    CHECK(out == expected);
  }
}
