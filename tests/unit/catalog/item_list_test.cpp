#include "catalogue_fixture.hpp"

#include "base/limits.hpp"

using namespace nexus;
using namespace nexus::catalog;
using namespace nexus::catalog::test;

TEST_CASE("list_builder keeps definitions as they were sent", "[catalog]") {
  const std::string spaced = "{ \"description\" : \"\\u00e9\\/\", \"inputSchema\":{ \"type\" : "
                             "\"object\" , \"$defs\":{} } ,\n\t\"name\" : \"b\" }";
  const auto c =
      listed({"[ " + definition("a", R"(,"x":[1,{"name":"inner"}])") + " , " + spaced + " ]"});
  CHECK(names_of(*c) == std::vector<std::string>{"a", "b"});
  CHECK(c->definition(c->items()[0]) == definition("a", R"(,"x":[1,{"name":"inner"}])"));
  CHECK(c->definition(c->items()[1]) == spaced);
  CHECK(c->text() == definition("a", R"(,"x":[1,{"name":"inner"}])") + "," + spaced);
  CHECK(c->problems().empty());
  for (const auto& t : c->items()) {
    CHECK(t.problem.empty());
    const auto name = c->definition(t).substr(t.name_offset, t.name_bytes);
    CHECK(name == "\"" + t.name + "\"");
  }
}

TEST_CASE("list_builder drops how a tool takes part in legacy tasks", "[catalog]") {
  const std::string rest = R"("name":"a","inputSchema":{"type":"object"})";
  for (const std::string& text :
       {R"({"execution":{"taskSupport":"required"},)" + rest + "}",
        R"({"execution" : {} , )" + rest + "}", "{" + rest + R"(,"execution":{"x":[1]}})",
        "{" + rest + R"( , "execution":{} })"}) {
    INFO(text);
    const auto c = listed({"[" + text + "," + definition("b") + "]"});
    REQUIRE(names_of(*c) == std::vector<std::string>{"a", "b"});
    const std::string kept(c->definition(c->items()[0]));
    CHECK(kept.find("execution") == std::string::npos);
    CHECK(kept.find(rest) != std::string::npos);
    CHECK(kept.size() <= rest.size() + 3);
    CHECK(c->problems().empty());
  }
  // A member of that name elsewhere means something else.
  const auto c = listed({"[" + definition("a", R"(,"_meta":{"execution":{}})") + "]"});
  CHECK(c->definition(c->items()[0]) == definition("a", R"(,"_meta":{"execution":{}})"));
}

TEST_CASE("list_builder joins pages in their order", "[catalog]") {
  const auto c = listed({page_of({"c", "a"}), "[]", page_of({"b"})});
  CHECK(names_of(*c) == std::vector<std::string>{"c", "a", "b"});
  CHECK(c->text() == definition("c") + "," + definition("a") + "," + definition("b"));
  CHECK(listed({"[]"})->text().empty());
}

TEST_CASE("list_builder finds tools by their unescaped names", "[catalog]") {
  const auto c = listed({R"([{"name":"\u0061\/b\"","inputSchema":{"type":"object"}}])"});
  REQUIRE(c->find("a/b\"") == &c->items()[0]);
  CHECK(c->find("\\u0061\\/b\\\"") == nullptr);
  CHECK(c->find("") == nullptr);
}

TEST_CASE("list_builder leaves out what is no tool and keeps the others", "[catalog]") {
  const std::string rows[] = {
      "null",
      "7",
      "\"tool\"",
      "[]",
      "{}",
      R"({"inputSchema":{"type":"object"}})",
      R"({"name":7,"inputSchema":{"type":"object"}})",
      R"({"name":null,"inputSchema":{"type":"object"}})",
      R"({"name":"","inputSchema":{"type":"object"}})",
      R"({"name":"a","name":"b","inputSchema":{"type":"object"}})",
      definition(std::string(limits::name_bytes_max + 1, 'n')),
      definition("good"), // a duplicate
  };
  for (const auto& row : rows) {
    INFO(row);
    const auto c = listed({"[" + definition("good") + "," + row + "," + definition("last") + "]"});
    CHECK(names_of(*c) == std::vector<std::string>{"good", "last"});
    CHECK(c->text() == definition("good") + "," + definition("last"));
    CHECK(c->problems().size() == 1);
  }
}

TEST_CASE("list_builder drops duplicates over pages and names them", "[catalog]") {
  const auto c = listed({page_of({"a", "b"}), page_of({"b", "c", "a"})});
  CHECK(names_of(*c) == std::vector<std::string>{"a", "b", "c"});
  REQUIRE(c->problems().size() == 2);
  CHECK(c->problems()[0].find("'b'") != std::string::npos);
}

TEST_CASE("list_builder serves tools with a wrong input schema and says so", "[catalog]") {
  const std::string rows[] = {
      R"({"name":"t"})",
      R"({"name":"t","inputSchema":null})",
      R"({"name":"t","inputSchema":[]})",
      R"({"name":"t","inputSchema":true})",
      R"({"name":"t","inputSchema":{}})",
      R"({"name":"t","inputSchema":{"type":"string"}})",
      R"({"name":"t","inputSchema":{"type":["object"]}})",
      R"({"name":"t","inputSchema":{"properties":{"type":"object"}}})",
      R"({"name":"t","inputSchema":{"allOf":[{"type":"object"}]},"type":"object"})",
  };
  for (const auto& row : rows) {
    INFO(row);
    const auto c = listed({"[" + row + "]"});
    REQUIRE(c->items().size() == 1);
    CHECK_FALSE(c->items()[0].problem.empty());
    CHECK(c->problems().size() == 1);
    // Clients refuse a list over such a tool, so its schema is made an object's.
    CHECK(c->text().find(R"("type":"object")") != std::string::npos);
  }
}

TEST_CASE("list_builder reads the annotations that allow a repetition", "[catalog]") {
  struct row {
    std::string annotations;
    bool read_only;
  };
  const row rows[] = {
      {R"({"readOnlyHint":true})", true},
      {R"({"idempotentHint":true})", true},
      {R"({"readOnlyHint":false,"idempotentHint":true})", true},
      {R"({"readOnlyHint":false})", false},
      {R"({"readOnlyHint":"true"})", false},
      {R"({"x":{"readOnlyHint":true}})", false},
      {R"({})", false},
      {R"(true)", false},
      {R"(["readOnlyHint"])", false},
  };
  for (const auto& r : rows) {
    INFO(r.annotations);
    const auto c = listed({"[" + definition("t", ",\"annotations\":" + r.annotations) + "]"});
    REQUIRE(c->items().size() == 1);
    CHECK(c->items()[0].read_only == r.read_only);
  }
  // Elsewhere these words mean nothing.
  CHECK_FALSE(
      listed({"[" + definition("t", R"(,"readOnlyHint":true)") + "]"})->items()[0].read_only);
}

TEST_CASE("list_builder filters by the server's own names", "[catalog]") {
  const auto page = page_of({"read_file", "write_file", "list", "Read_x"});
  const auto names = [&](const filters& f) { return names_of(*listed({page}, f)); };
  using list = std::vector<std::string>;
  CHECK(names({{}, {}}) == list{"read_file", "write_file", "list", "Read_x"});
  CHECK(names({{"*_file"}, {}}) == list{"read_file", "write_file"});
  CHECK(names({{"*_file", "list"}, {"write*"}}) == list{"read_file", "list"});
  CHECK(names({{}, {"?ist"}}) == list{"read_file", "write_file", "Read_x"});
  CHECK(names({{"nothing"}, {}}) == list{});
  CHECK(names({{}, {"*"}}) == list{});
  CHECK(listed({page}, {{"nothing"}, {}})->problems().empty());
}

TEST_CASE("list_builder refuses a list that is none", "[catalog]") {
  list_builder builder(list_kind::tools, usual);
  json::scanner scanner;
  const padded object(R"({"a":1})");
  const auto added = builder.add_page(object.slice(json::kind::object), scanner);
  REQUIRE_FALSE(added.has_value());
  CHECK(added.error().code == json::errc::wrong_type);
}

TEST_CASE("list_builder keeps the first tools of an endless list", "[catalog]") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < limits::tools_per_server_max / 2; ++i)
    names.push_back("t" + std::to_string(i));
  const auto first = page_of(names);
  for (auto& name : names)
    name += 'b';
  const auto second = page_of(names);
  list_builder builder(list_kind::tools, usual);
  json::scanner scanner;
  const auto add = [&](const std::string& page) {
    const padded text(page);
    REQUIRE(builder.add_page(text.slice(), scanner).has_value());
  };
  add(first);
  CHECK_FALSE(builder.full());
  add(second);
  CHECK(builder.full());
  add(page_of({"one-more", "two-more"}));
  const auto c = builder.finish();
  CHECK(c->items().size() == limits::tools_per_server_max);
  CHECK(c->find("one-more") == nullptr);
  CHECK(c->problems().size() == 1);
}

TEST_CASE("catalogues are the same when their texts are", "[catalog]") {
  CHECK(listed({page_of({"a", "b"})})->same_as(*listed({page_of({"a"}), page_of({"b"})})));
  CHECK_FALSE(listed({page_of({"a", "b"})})->same_as(*listed({page_of({"b", "a"})})));
}

TEST_CASE("list_builder takes each kind by its own key", "[catalog]") {
  const auto of = [](const std::string& page, list_kind kind) { return listed({page}, {}, kind); };
  const std::string page = R"([{"name":"n"},{"uri":"x:y","name":"n"},{"uriTemplate":"x:{y}"},7])";
  CHECK(names_of(*of(page, list_kind::prompts)) == std::vector<std::string>{"n"});
  CHECK(names_of(*of(page, list_kind::resources)) == std::vector<std::string>{"x:y"});
  CHECK(names_of(*of(page, list_kind::templates)) == std::vector<std::string>{"x:{y}"});
  CHECK(of(page, list_kind::resources)->problems().size() == 3);
  CHECK(of(page, list_kind::resources)->text() == R"({"uri":"x:y","name":"n"})");
  const std::string uri(limits::resource_uri_bytes_max, 'u');
  CHECK(of(R"([{"uri":")" + uri + R"("}])", list_kind::resources)->items().size() == 1);
  CHECK(of(R"([{"uri":")" + uri + R"(u"}])", list_kind::resources)->items().empty());
}

TEST_CASE("list_builder keeps the strictest hints of its pages", "[catalog]") {
  list_builder builder(list_kind::tools, {1'000, false});
  builder.add_hints({2'000, false});
  builder.add_hints({500, true});
  CHECK(builder.finish()->hints().text() == R"("ttlMs":500,"cacheScope":"private")");
}
