#include "catalogue_fixture.hpp"

using namespace nexus;
using namespace nexus::catalog;
using namespace nexus::catalog::test;

namespace {

std::string tool(std::string_view properties, std::string_view more = "") {
  return R"([{"name":"t","inputSchema":{"type":"object","properties":{)" + std::string(properties) +
         "}" + std::string(more) + "}}]";
}

item_list_ptr listed_over_http(const std::string& page) {
  list_builder builder(list_kind::tools, usual);
  builder.drop_wrong_headers();
  json::scanner scanner;
  const padded text(page);
  REQUIRE(builder.add_page(text.slice(), scanner).has_value());
  return builder.finish();
}

} // namespace

TEST_CASE("list_builder reads which arguments stand in headers", "[catalog][headers]") {
  const auto list = listed_over_http(tool(
      R"("region":{"type":"string","x-mcp-header":"Region"},"o":{"type":"object",)"
      R"("properties":{"x-mcp-header":{"type":"integer","x-mcp-header":"n"},)"
      R"("b":{"x-mcp-\u0068eader":"B!","type":"boolean"}}},"d":{"default":{"x-mcp-header":1}})"));
  REQUIRE(list->items().size() == 1);
  const auto& headers = list->items()[0].headers;
  REQUIRE(headers.size() == 3);
  CHECK(headers[0].name == "Region");
  CHECK(headers[0].path == std::vector<std::string>{"region"});
  CHECK(headers[1].name == "n");
  CHECK(headers[1].path == std::vector<std::string>{"o", "x-mcp-header"});
  CHECK(headers[2].path == std::vector<std::string>{"o", "b"});
  CHECK(listed({page_of({"a"})})->items()[0].headers.empty());
}

TEST_CASE("list_builder drops tools with wrong headers where they matter", "[catalog][headers]") {
  const std::string rows[] = {
      tool(R"("a":{"type":"string","x-mcp-header":""})"),
      tool(R"("a":{"type":"string","x-mcp-header":7})"),
      tool(R"("a":{"type":"string","x-mcp-header":"My Region"})"),
      tool(R"("a":{"type":"string","x-mcp-header":"R:P"})"),
      tool(R"("a":{"type":"string","x-mcp-header":"R\u00e9gion"})"),
      tool(R"("a":{"type":"string","x-mcp-header":"R\t1"})"),
      tool(R"("a":{"type":"number","x-mcp-header":"A"})"),
      tool(R"("a":{"type":"null","x-mcp-header":"A"})"),
      tool(R"("a":{"type":["string","null"],"x-mcp-header":"A"})"),
      tool(R"("a":{"x-mcp-header":"A"})"),
      tool(R"("a":{"type":"object","x-mcp-header":"A"})"),
      tool(R"("a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}})"),
      tool(R"("a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"})"),
      tool("", R"(,"x-mcp-header":"A")"),
      tool("", R"(,"$defs":{"d":{"type":"string","x-mcp-header":"A"}})"),
      tool("", R"(,"allOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}])"),
  };
  for (const auto& row : rows) {
    INFO(row);
    const auto dropped = listed_over_http(row);
    CHECK(dropped->items().empty());
    REQUIRE(dropped->problems().size() == 1);
    CHECK(dropped->problems()[0].find("'t'") != std::string::npos);
    const auto kept = listed({row});
    REQUIRE(kept->items().size() == 1);
    CHECK(kept->items()[0].headers.empty());
  }
}

TEST_CASE("list_builder tells output schemas that are no object's", "[catalog]") {
  const std::pair<const char*, bool> rows[] = {{"", false},
                                               {R"(,"outputSchema":{"type":"object"})", false},
                                               {R"(,"outputSchema":{"type":"array"})", true},
                                               {R"(,"outputSchema":{"$ref":"#/x"})", true},
                                               {R"(,"outputSchema":true)", true}};
  for (const auto& [more, wraps] : rows)
    CHECK(listed({"[" + definition("t", more) + "]"})->items()[0].wraps_output == wraps);
}
