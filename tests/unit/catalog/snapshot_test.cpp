#include <set>

#include "catalogue_fixture.hpp"

#include "catalog/names.hpp"
#include "catalog/snapshot.hpp"

using namespace nexus;
using namespace nexus::catalog;
using namespace nexus::catalog::test;

namespace {

server_part part(std::uint32_t slot, std::string name, const std::vector<std::string>& tools,
                 bool available = true) {
  return {slot, std::move(name), with_tools(listed({page_of(tools)})), available};
}

server_part raw_part(std::string name, const std::string& tool, bool available) {
  return {0, std::move(name), with_tools(listed({"[" + tool + "]"})), available};
}

std::vector<std::string> names_of(const list_view& view) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < view.size(); ++i)
    names.emplace_back(view.name(i));
  return names;
}

std::string whole(const list_view& view) {
  return std::string(view.page(0, view.size()));
}

using list = std::vector<std::string>;

/// The snapshot's only definition, when its server is as described.
std::string shown(const std::string& tool, bool available, naming mode = naming::prefixed) {
  const snapshot s(1, mode, {raw_part("s", tool, available)});
  return whole(s.all());
}

} // namespace

TEST_CASE("snapshot lists servers and tools in their order", "[catalog][snapshot]") {
  const snapshot s(
      7, naming::prefixed,
      {part(5, "zeta", {"b", "a"}), {3, "empty", nullptr, false}, part(1, "alpha", {"c"})});
  CHECK(s.generation() == 7);
  CHECK(names_of(s.all()) == list{"zeta__b", "zeta__a", "alpha__c"});
  CHECK(whole(s.all()) ==
        definition("zeta__b") + "," + definition("zeta__a") + "," + definition("alpha__c"));
  CHECK(s.servers().size() == 3);
  REQUIRE(s.server("alpha") != nullptr);
  CHECK(s.server("alpha")->slot == 1);
  CHECK(s.server("beta") == nullptr);
}

TEST_CASE("snapshot routes public names to the tools of their servers", "[catalog][snapshot]") {
  const snapshot s(1, naming::prefixed, {part(5, "zeta", {"same"}), part(1, "alpha", {"same"})});
  const auto* const route = s.all().find("alpha__same");
  REQUIRE(route != nullptr);
  CHECK(route->slot == 1);
  CHECK(route->target->name == "same");
  CHECK(s.all().find("same") == nullptr);
  CHECK(s.all().find("alpha__other") == nullptr);
  for (std::size_t i = 0; i < s.all().size(); ++i)
    CHECK(s.all().find(s.all().name(i)) == &s.all().at(i));
}

TEST_CASE("a server's own view keeps its names", "[catalog][snapshot]") {
  const auto tool = definition("read.file", R"(,"_meta":{"x":1})");
  const snapshot s(1, naming::prefixed, {raw_part("fs", tool, true), {9, "new", nullptr, false}});
  const auto* const own = s.of_server(0);
  REQUIRE(own != nullptr);
  CHECK(whole(own->list(list_kind::tools)) == tool);
  REQUIRE(own->list(list_kind::tools).find("read.file") != nullptr);
  const auto* const unlisted = s.of_server(9);
  REQUIRE(unlisted != nullptr);
  CHECK(unlisted->list(list_kind::tools).size() == 0);
  CHECK(unlisted->list(list_kind::tools).page(0, 0).empty());
  CHECK(s.of_server(4) == nullptr);
}

TEST_CASE("pages are the pieces of the whole list", "[catalog][snapshot]") {
  const snapshot s(1, naming::prefixed,
                   {part(0, "a", {"1", "2", "3"}), part(1, "b", {"4", "5.5", "6"})});
  const auto& all = s.all();
  const auto everything = whole(all);
  for (std::size_t size = 1; size <= all.size() + 1; ++size) {
    std::string joined;
    for (std::size_t first = 0; first < all.size(); first += size) {
      const auto page = all.page(first, std::min(first + size, all.size()));
      joined += (joined.empty() ? "" : ",") + std::string(page);
    }
    CHECK(joined == everything);
  }
  CHECK(all.page(2, 2).empty());
  CHECK(all.page(3, 2).empty());
  json::scanner scanner;
  std::string array = "[" + everything + "]";
  json::ensure_padding(array);
  CHECK(scanner.validate(array).has_value());
}

TEST_CASE("snapshot replaces the name wherever it stands", "[catalog][snapshot]") {
  CHECK(shown(R"({"name":"n","inputSchema":{"type":"object"}})", true) ==
        R"({"name":"s__n","inputSchema":{"type":"object"}})");
  CHECK(shown(R"({"inputSchema":{"type":"object"},"name" :  "n"})", true) ==
        R"({"inputSchema":{"type":"object"},"name" :  "s__n"})");
  CHECK(shown(R"({"title":"name","_meta":{"name":"n"},"name":"n","inputSchema":{"type":"object"}})",
              true) ==
        R"({"title":"name","_meta":{"name":"n"},"name":"s__n","inputSchema":{"type":"object"}})");
  CHECK(shown(R"({"name":"\u006e","inputSchema":{"type":"object"}})", true) ==
        R"({"name":"s__n","inputSchema":{"type":"object"}})");
  CHECK(shown(R"({"name":"\u006e","inputSchema":{"type":"object"}})", true, naming::bare) ==
        R"({"name":"\u006e","inputSchema":{"type":"object"}})");
}

TEST_CASE("snapshot marks the tools of servers that do not answer", "[catalog][snapshot]") {
  const std::string mark = R"("dev.nexus/unavailable":true)";
  struct row {
    std::string definition, expected;
  };
  const row rows[] = {
      {R"({"name":"n"})", R"({"_meta":{)" + mark + R"(},"name":"s__n"})"},
      {R"({"name":"n","_meta":{}})", R"({"name":"s__n","_meta":{)" + mark + "}}"},
      {R"({"name":"n","_meta":{ }})", R"({"name":"s__n","_meta":{)" + mark + " }}"},
      {R"({"name":"n","_meta":{"a":1}})", R"({"name":"s__n","_meta":{)" + mark + R"(,"a":1}})"},
      {R"({"_meta":{"a":{}},"name":"n"})", R"({"_meta":{)" + mark + R"(,"a":{}},"name":"s__n"})"},
      {R"({"_meta":null,"name":"n"})", R"({"_meta":{)" + mark + R"(},"name":"s__n"})"},
      {R"({"name":"n","_meta":"x"})", R"({"name":"s__n","_meta":{)" + mark + "}}"},
      {R"({"name":"n","_meta":[1,2],"z":0})", R"({"name":"s__n","_meta":{)" + mark + R"(},"z":0})"},
      {R"({ "name":"n" })", R"({"_meta":{)" + mark + R"(}, "name":"s__n" })"},
  };
  // A definition without a schema is given one; that is not what is looked at here.
  const std::string schema = R"(,"inputSchema":{"type":"object"}})";
  for (const auto& r : rows) {
    INFO(r.definition);
    auto expected = r.expected;
    expected.pop_back();
    CHECK(shown(r.definition, false) == expected + schema);
    CHECK(shown(r.definition, true).find(mark) == std::string::npos);
  }
  const snapshot s(1, naming::prefixed, {part(0, "s", {"n"}, false)});
  CHECK(whole(s.of_server(0)->list(list_kind::tools)).find(mark) != std::string::npos);
  CHECK(s.all().find("s__n") != nullptr); // listed and routed all the same
}

TEST_CASE("an alias keeps the original beside it", "[catalog][snapshot]") {
  const auto alias = prefixed_name("s", "a.b");
  const std::string end = R"(,"inputSchema":{"type":"object"}})";
  const std::string original = R"("dev.nexus/name":"a.b")";
  const auto dotted = R"({"name":"a.b")" + end;
  CHECK(shown(dotted, true) == R"({"_meta":{)" + original + R"(},"name":")" + alias + '"' + end);
  CHECK(shown(dotted, false) == R"({"_meta":{"dev.nexus/unavailable":true,)" + original +
                                    R"(},"name":")" + alias + '"' + end);
  CHECK(shown(R"({"name":"a.b","_meta":{"x":1})" + end, true) ==
        R"({"name":")" + alias + R"(","_meta":{)" + original + R"(,"x":1})" + end);
  CHECK(shown(definition("plain"), true).find("dev.nexus") == std::string::npos);
  CHECK(shown(definition("plain"), true, naming::bare).find("dev.nexus") == std::string::npos);
  // At the server's own address its names are untouched.
  const snapshot s(1, naming::prefixed, {raw_part("s", dotted, true)});
  CHECK(whole(s.of_server(0)->list(list_kind::tools)) == dotted);
}

TEST_CASE("the fingerprint follows what a client can see", "[catalog][snapshot]") {
  const auto of = [](std::vector<server_part> parts, naming mode = naming::prefixed) {
    return snapshot(1, mode, std::move(parts)).all().fingerprint();
  };
  const auto base = of({part(0, "s", {"a", "b"})});
  CHECK(base == of({part(4, "s", {"a", "b"})}));
  CHECK(base != of({part(0, "s", {"b", "a"})}));
  CHECK(base != of({part(0, "s", {"a"})}));
  CHECK(base != of({part(0, "t", {"a", "b"})}));
  CHECK(base != of({part(0, "s", {"a", "b"}, false)}));
  CHECK(base != of({part(0, "s", {"a", "b"})}, naming::bare));
}

TEST_CASE("bare names are used as long as one server has them", "[catalog][snapshot]") {
  const snapshot s(1, naming::bare,
                   {part(0, "time", {"now", "zones"}), part(1, "clock", {"now", "x.y"})});
  CHECK(names_of(s.all()) == list{"time__now", "zones", "clock__now", bare_name("clock", "x.y")});
  // A tool may be called like another one's prefixed name, or like one that is to come.
  const snapshot t(
      1, naming::bare,
      {part(2, "d", {"a__b", "e__f"}), part(0, "a", {"b", "a__g"}), {4, "e", nullptr, false}});
  CHECK(names_of(t.all()) == list{"d__a__b", "d__e__f", "b", "a__a__g"});
}

TEST_CASE("the name of one tool never comes to mean another", "[catalog][snapshot]") {
  // Both would be called a__b__c. Which of the servers is connected, or first, decides nothing.
  const auto first = part(0, "a", {"b__c"}), second = part(1, "a__b", {"c"});
  const server_part no_first{0, "a", nullptr, false}, no_second{1, "a__b", nullptr, false};
  const auto alias = aliased_name("a", "b__c");
  const auto listed_by = [](std::vector<server_part> parts) {
    return names_of(snapshot(1, naming::prefixed, std::move(parts)).all());
  };
  CHECK(listed_by({first, second}) == list{alias, "a__b__c"});
  CHECK(listed_by({second, first}) == list{"a__b__c", alias});
  CHECK(listed_by({first, no_second}) == list{alias});
  CHECK(listed_by({no_first, second}) == list{"a__b__c"});
  const snapshot s(1, naming::prefixed, {first, second});
  CHECK(s.all().find("a__b__c")->slot == 1);
  CHECK(s.all().find(alias)->slot == 0);
  // Alone, it is what it looks like; so is a prefix that ends in an underscore.
  CHECK(listed_by({first}) == list{"a__b__c"});
  CHECK(listed_by({part(0, "a", {"_b"}), {1, "a_", nullptr, false}}) ==
        list{aliased_name("a", "_b")});
}

TEST_CASE("no list ever has a name twice", "[catalog][snapshot]") {
  // "b__c" has an alias, and that is what another server's tool is called.
  const auto alias = aliased_name("a", "b__c");
  const auto tool = alias.substr(std::string("a__b__").size());
  const snapshot s(1, naming::prefixed, {part(0, "a", {"b__c"}), part(1, "a__b", {tool})});
  const auto names = names_of(s.all());
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  CHECK(names == list{alias, aliased_name("a__b", tool)});
  CHECK(s.of_server(1)->list(list_kind::tools).find(tool) !=
        nullptr); // still served at its own address
}

TEST_CASE("nearest offers the same tool elsewhere before any spelling", "[catalog][snapshot]") {
  const snapshot s(1, naming::prefixed,
                   {part(0, "time", {"now", "zones"}), part(1, "clock", {"now", "not"}),
                    part(2, "files", {"read"})});
  using views = std::vector<std::string_view>;
  CHECK(s.all().nearest("now", 3) == views{"time__now", "clock__now"});
  CHECK(s.all().nearest("tyme__now", 5) == views{"time__now", "clock__now"});
  CHECK(s.all().nearest("time__zonse", 1) == views{"time__zones"});
  CHECK(s.all().nearest("now", 1) == views{"time__now"});
  CHECK(s.all().nearest("clock__nox", 5) == views{"clock__now", "clock__not"});
  CHECK(s.all().nearest("qqqqqqqqqq", 3).empty());
  CHECK(s.all().nearest("now", 0).empty());
  CHECK(s.of_server(0)->list(list_kind::tools).nearest("time__now", 3) == views{"now"});
  CHECK(s.of_server(0)->list(list_kind::tools).nearest("zone", 3) == views{"zones"});
}

namespace {

/// A server with prompts, resources and templates of these names, and one tool.
server_part rich(std::uint32_t slot, std::string name, const list& prompts, const list& uris,
                 const list& templates = {}) {
  const auto page = [](const list& names, std::string_view key) {
    std::string text = "[";
    for (const auto& n : names)
      text += (text.size() > 1 ? "," : "") + ("{\"" + std::string(key)) + "\":\"" + n + "\"}";
    return text + "]";
  };
  auto told = with_tools(listed({page_of({"t"})}));
  told->lists[index_of(list_kind::prompts)] =
      listed({page(prompts, "name")}, {}, list_kind::prompts);
  told->lists[index_of(list_kind::resources)] =
      listed({page(uris, "uri")}, {}, list_kind::resources);
  told->lists[index_of(list_kind::templates)] =
      listed({page(templates, "uriTemplate")}, {}, list_kind::templates);
  told->offers.prompts = told->offers.resources = true;
  return {slot, std::move(name), std::move(told), true};
}

} // namespace

TEST_CASE("prompts are named as tools are", "[catalog][snapshot]") {
  const snapshot s(1, naming::prefixed, {rich(0, "a", {"p", "q"}, {}), rich(1, "b", {"p"}, {})});
  CHECK(names_of(s.all(list_kind::prompts)) == list{"a__p", "a__q", "b__p"});
  CHECK(whole(s.all(list_kind::prompts)) == R"({"name":"a__p"},{"name":"a__q"},{"name":"b__p"})");
  CHECK(s.all(list_kind::prompts).find("b__p")->slot == 1);
  CHECK(names_of(s.of_server(1)->list(list_kind::prompts)) == list{"p"});
  const snapshot t(1, naming::bare, {rich(0, "a", {"p", "q"}, {}), rich(1, "b", {"p"}, {})});
  CHECK(names_of(t.all(list_kind::prompts)) == list{"a__p", "q", "b__p"});
}

TEST_CASE("resources keep their URIs and belong to the first that lists them",
          "[catalog][snapshot]") {
  const snapshot s(1, naming::prefixed,
                   {rich(4, "a", {}, {"x:1", "x:2"}), rich(7, "b", {}, {"x:2", "x:3"})});
  CHECK(names_of(s.all(list_kind::resources)) == list{"x:1", "x:2", "x:3"});
  CHECK(s.owner_of("x:1") == 4u);
  CHECK(s.owner_of("x:2") == 4u);
  CHECK(s.owner_of("x:3") == 7u);
  CHECK_FALSE(s.owner_of("x:4"));
  CHECK(names_of(s.of_server(7)->list(list_kind::resources)) == list{"x:2", "x:3"});
  REQUIRE(s.problems().size() == 1);
  CHECK(s.problems()[0].find("x:2") != std::string::npos);
  CHECK_FALSE(s.only_resource_server());
  CHECK(snapshot(1, naming::prefixed, {rich(4, "a", {}, {}), part(5, "b", {"t"})})
            .only_resource_server() == 4u);
}

TEST_CASE("a resource that nobody lists belongs to an interface's tool or a template",
          "[catalog][snapshot]") {
  auto app = rich(2, "app", {}, {}, {"d://{+any}"});
  auto told = std::make_shared<server_catalogue>(*app.catalogue);
  told->lists[index_of(list_kind::tools)] =
      listed({"[" + definition("t", R"(,"_meta":{"ui":{"resourceUri":"ui://one"}})") + "," +
              definition("u", R"(,"_meta":{"ui/resourceUri":"ui://\/old"})") + "," +
              definition("v", R"(,"_meta":{"x":{"resourceUri":"ui://not"}})") + "]"});
  app.catalogue = told;
  const snapshot s(1, naming::prefixed,
                   {app, rich(3, "files", {}, {}, {"d://docs/{name}", "bad://{"})});
  CHECK(s.owner_of("ui://one") == 2u);
  CHECK(s.owner_of("ui:///old") == 2u);
  CHECK_FALSE(s.owner_of("ui://not"));
  CHECK(s.owner_of("d://docs/x") == 3u);
  CHECK(s.owner_of("d://docs/x/y") == 2u);
  CHECK(s.all(list_kind::templates).size() == 3);
  REQUIRE(s.problems().size() == 1);
  CHECK(s.problems()[0].find("bad://{") != std::string::npos);
}

TEST_CASE("capabilities are the union of what is known and what may come", "[catalog][snapshot]") {
  const auto of = [](std::vector<server_part> parts) {
    return snapshot(1, naming::prefixed, std::move(parts)).everything().capabilities();
  };
  const std::string tools = R"("tools":{"listChanged":true})";
  CHECK(of({}) == "{" + tools + "}");
  CHECK(of({part(0, "a", {"t"})}) == "{" + tools + "}");
  CHECK(of({part(0, "a", {"t"}), rich(1, "b", {}, {})}) ==
        "{" + tools + R"(,"prompts":{"listChanged":true},"resources":{"listChanged":true}})");
  const std::string everything =
      "{" + tools +
      R"(,"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},)"
      R"("completions":{},"logging":{}})";
  CHECK(of({part(0, "a", {"t"}), {1, "unknown", nullptr, false}}) == everything);
  CHECK(of({{1, "unusable", nullptr, false, true}}) == "{" + tools + "}");
  const snapshot s(1, naming::prefixed, {part(0, "a", {"t"}), {1, "unknown", nullptr, false}});
  CHECK(s.of_server(0)->capabilities() == "{" + tools + "}");
  CHECK(s.of_server(1)->capabilities() == everything);
}

TEST_CASE("instructions are joined under their servers' names and bounded", "[catalog][snapshot]") {
  const auto saying = [](std::uint32_t slot, std::string name, std::string text) {
    auto told = with_tools(listed({"[]"}));
    told->instructions = std::move(text);
    return server_part{slot, std::move(name), std::move(told), true};
  };
  const snapshot s(1, naming::prefixed,
                   {saying(0, "a", "Use a."), saying(1, "b", ""), saying(2, "c", "Use c.")});
  CHECK(s.everything().instructions() == "# a\nUse a.\n\n# c\nUse c.");
  CHECK(s.of_server(2)->instructions() == "Use c.");
  // A character is not cut.
  std::string lots(limits::server_instructions_bytes_max - 1, 'x');
  lots += "\u00e9";
  const snapshot t(1, naming::prefixed, {saying(0, "a", lots)});
  CHECK(t.everything().instructions() ==
        "# a\n" + lots.substr(0, limits::server_instructions_bytes_max - 1));
  CHECK(t.of_server(0)->instructions() == lots);
  std::vector<server_part> many;
  for (std::uint32_t i = 0; i < 100; ++i)
    many.push_back(saying(i, "s" + std::to_string(i), lots));
  const snapshot u(1, naming::prefixed, std::move(many));
  CHECK(u.everything().instructions().size() <= limits::joined_instructions_bytes_max + 1024);
}

TEST_CASE("cache hints are the strictest of all parts", "[catalog][snapshot]") {
  const auto hinted = [](std::uint32_t slot, cache_hints hints) {
    list_builder builder(list_kind::tools, hints);
    auto told = with_tools(builder.finish());
    told->hints = hints;
    return server_part{slot, "s" + std::to_string(slot), std::move(told), true};
  };
  const auto of = [](std::vector<server_part> parts) {
    return snapshot(1, naming::prefixed, std::move(parts)).all().hints();
  };
  CHECK(of({}) == R"("ttlMs":5000,"cacheScope":"public")");
  CHECK(of({hinted(0, {60'000, false})}) == R"("ttlMs":60000,"cacheScope":"public")");
  CHECK(of({hinted(0, {60'000, false}), hinted(1, {0, true})}) ==
        R"("ttlMs":0,"cacheScope":"private")");
  CHECK(of({hinted(0, {60'000, true}), part(1, "plain", {"t"})}) ==
        R"("ttlMs":5000,"cacheScope":"private")");
}

TEST_CASE("lists that do not change are shared between generations", "[catalog][snapshot]") {
  const auto a = rich(0, "a", {"p"}, {"x:1"});
  auto b = rich(1, "b", {"q"}, {"x:2"});
  const snapshot first(1, naming::prefixed, {a, b});
  auto told = std::make_shared<server_catalogue>(*b.catalogue);
  told->lists[index_of(list_kind::prompts)] =
      listed({R"([{"name":"new"}])"}, {}, list_kind::prompts);
  b.catalogue = told;
  const snapshot second(2, naming::prefixed, {a, b}, &first);
  CHECK(&second.all() == &first.all());
  CHECK(&second.all(list_kind::resources) == &first.all(list_kind::resources));
  CHECK(&second.all(list_kind::prompts) != &first.all(list_kind::prompts));
  CHECK(&second.of_server(1)->list(list_kind::tools) ==
        &first.of_server(1)->list(list_kind::tools));
  CHECK(names_of(second.all(list_kind::prompts)) == list{"a__p", "b__new"});
  b.available = false;
  const snapshot third(3, naming::prefixed, {a, b}, &second);
  CHECK(&third.all() != &second.all());
  CHECK(&third.of_server(0)->list(list_kind::tools) ==
        &second.of_server(0)->list(list_kind::tools));
  const snapshot fourth(4, naming::bare, {a, b}, &third);
  CHECK(&fourth.all() != &third.all());
}

TEST_CASE("a merged tool leads to several servers, and is there while one of them is",
          "[catalog][snapshot]") {
  auto a = part(1, "a", {"x", "y"}, false), b = part(2, "b", {"x"});
  b.hidden = std::make_shared<const hidden_tools>(hidden_tools{"x"});
  const auto member = [](const server_part& of, bool available) {
    const auto& list = of.catalogue->lists[index_of(list_kind::tools)];
    return merged_tool::member{of.slot, list->find("x"), list, available};
  };
  const auto with = [&](bool b_available) {
    auto merged = std::make_shared<const merged_tool>(
        merged_tool{{member(a, false), member(b, b_available)}});
    a.merged = std::make_shared<const merged_tools>(merged_tools{{"x", merged}});
    return std::make_unique<snapshot>(1, naming::prefixed, std::vector<server_part>{a, b});
  };
  const auto up = with(true);
  CHECK(names_of(up->all()) == list{"a__x", "a__y"});
  REQUIRE(up->all().find("a__x")->merged);
  CHECK(up->all().find("a__x")->merged->members.size() == 2);
  CHECK_FALSE(up->all().find("a__y")->merged);
  CHECK(up->tools_count() == 3);
  CHECK(up->all().page(0, 1).find("unavailable") == std::string_view::npos);
  CHECK(up->all().page(1, 2).find("unavailable") != std::string_view::npos);
  CHECK(with(false)->all().page(0, 1).find("unavailable") != std::string_view::npos);
  // Its own address knows nothing of that.
  CHECK_FALSE(up->of_server(1)->list(list_kind::tools).find("x")->merged);
  CHECK(names_of(up->of_server(2)->list(list_kind::tools)) == list{"x"});

  config::tool_surface hybrid;
  hybrid.mode = config::exposure_mode::hybrid;
  hybrid.pinned = {"a__x"};
  const snapshot pinned(2, naming::prefixed, {a, b}, nullptr, hybrid);
  REQUIRE(pinned.everything().list(list_kind::tools).find("a__x") != nullptr);
  CHECK(pinned.everything().list(list_kind::tools).find("a__x")->merged);
  CHECK(pinned.everything().reachable().find_own(1, "x")->merged);
}
