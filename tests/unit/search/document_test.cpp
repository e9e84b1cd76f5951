#include <string>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "search/document.hpp"

using namespace nexus;
using namespace nexus::search;

namespace {

document read(std::string line) {
  json::ensure_padding(line);
  json::scanner scanner;
  auto out = read_document(scanner, line);
  REQUIRE(out);
  return *out;
}

std::error_code refusal(std::string line) {
  json::ensure_padding(line);
  json::scanner scanner;
  const auto out = read_document(scanner, line);
  return out ? std::error_code() : out.error().code;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("read_document takes a tool apart", "[search][document]") {
  const document tool =
      read(R"({"id":"a/b","server":"a","name":"b","title":"T","description":"D\u0021",
    "inputSchema":{"type":"object","title":"no","description":"no","properties":{
      "city":{"type":"string","description":"Which \"one\"","enum":["Oslo","Rome",3]},
      "range":{"type":"object","title":"Span","properties":{"first":{"const":"now"}}},
      "list":{"type":"array","items":{"anyOf":[{"properties":{"deep":{}}},{"enum":["x"]}]}}}}})");
  CHECK(tool.id == "a/b");
  CHECK(tool.server == "a");
  CHECK(tool.name == "b");
  CHECK(tool.title == "T");
  CHECK(tool.description == "D!");
  CHECK(tool.parameter_names == texts{"city", "range", "first", "list", "deep"});
  CHECK(tool.parameter_texts == texts{"Which \"one\"", "Oslo", "Rome", "Span", "now", "x"});
}

TEST_CASE("read_document makes do with a name", "[search][document]") {
  const document tool = read(R"({"name":"b","description":7,"inputSchema":[1]})");
  CHECK(tool.id == "b");
  CHECK(tool.description.empty());
  CHECK(tool.parameter_names.empty());
}

TEST_CASE("read_document refuses what is no tool", "[search][document]") {
  CHECK(refusal("{") == json::errc::malformed);
  CHECK(refusal("[]") == json::errc::wrong_type);
  CHECK(refusal("{}") == json::errc::wrong_type);
  CHECK(refusal(R"({"name":""})") == json::errc::wrong_type);
  CHECK(refusal(R"({"name":1})") == json::errc::wrong_type);
}

TEST_CASE("read_parameters stops at its limits", "[search][document]") {
  std::string wide = R"({"name":"b","inputSchema":{"properties":{)";
  for (std::size_t k = 0; k < 2 * limits::search_parameters_max; ++k)
    wide += (k > 0 ? ",\"p" : "\"p") + std::to_string(k) + "\":{}";
  CHECK(read(wide + "}}}").parameter_names.size() == limits::search_parameters_max);

  // Each level has a parameter, and at most the limit's number of levels is entered.
  std::string deep = R"({"name":"b","inputSchema":)", end;
  for (unsigned k = 0; k < 40; ++k) {
    deep += R"({"properties":{"p":)";
    end += "}}";
  }
  CHECK(read(deep + "{}" + end + "}").parameter_names.size() ==
        limits::search_schema_depth_max + 1);
}
