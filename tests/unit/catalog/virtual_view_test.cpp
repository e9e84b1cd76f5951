/// What a virtual MCP shows of prompts and resources, and what the gateway's own tools stand
/// beside.

#include "catalog/virtual_view.hpp"

#include "catalog/changed_definition.hpp"
#include "catalogue_fixture.hpp"

using namespace nexus;
using namespace nexus::catalog;
using namespace nexus::catalog::test;

namespace {

using texts = std::vector<std::string>;

server_part offering(std::uint32_t slot, const std::string& name) {
  auto told = with_tools(listed({page_of({"t"})}));
  told->offers.prompts = told->offers.resources = true;
  told->lists[index_of(list_kind::prompts)] = listed(
      {R"([{"name":"greet","description":"Greets.","arguments":[{"name":"who","required":true},{"name":"how"}]},{"name":"bye"}])"},
      {}, list_kind::prompts);
  told->lists[index_of(list_kind::resources)] =
      listed({R"([{"uri":"test://)" + name + R"(/a","name":"a"},{"uri":"test://)" + name +
              R"(/b","name":"b","title":"B"}])"},
             {}, list_kind::resources);
  told->lists[index_of(list_kind::templates)] =
      listed({R"([{"uriTemplate":"test://)" + name + R"(/items/{id}","name":"items"}])"}, {},
             list_kind::templates);
  return {slot, name, std::move(told), true};
}

std::shared_ptr<const exposure> shown(const snapshot& from, const std::string& definition) {
  auto read = config::parse_vmcp(definition);
  INFO((read ? std::string() : read.error().message));
  REQUIRE(read);
  return virtual_exposure(from, std::make_shared<const config::vmcp_definition>(std::move(*read)),
                          {});
}

texts names(const list_view& list) {
  texts out;
  for (std::size_t i = 0; i < list.size(); ++i)
    out.emplace_back(list.name(i));
  return out;
}

} // namespace

TEST_CASE("virtual view shows prompts in another form", "[catalog][virtual]") {
  const snapshot from(1, naming::prefixed, {offering(0, "a"), offering(1, "b")});
  const auto view = shown(from, R"({"prompts": ["a__*", {"server": "b", "prompt": "greet",
      "name": "hello", "title": "Hello", "description": "Says it.", "fixed": {"who": "you"}}]})");
  const auto& prompts = view->list(list_kind::prompts);
  CHECK(names(prompts) == texts{"hello", "a__greet", "a__bye"});
  CHECK(
      prompts.page(0, 1) ==
      R"({"name":"hello","description":"Says it.","arguments":[{"name":"how"}],"title":"Hello"})");
  const auto* const to = prompts.find("hello");
  REQUIRE(to != nullptr);
  CHECK(to->slot == 1);
  CHECK(to->target->name == "greet");
  REQUIRE(to->change != nullptr);
  CHECK_FALSE(to->change->fixed.empty());
  CHECK(prompts.find("b__greet") == nullptr);
  CHECK(view->offers().prompts);
  CHECK_FALSE(view->offers().resources);
}

TEST_CASE("virtual view lists what is named and matched once", "[catalog][virtual]") {
  const snapshot from(1, naming::prefixed, {offering(0, "a"), offering(1, "b")});
  const auto of = [&](const std::string& json) {
    return names(shown(from, json)->list(list_kind::prompts));
  };
  CHECK(of(R"({"prompts": ["*", {"server": "a", "prompt": "bye"}]})") ==
        texts{"a__bye", "a__greet", "b__greet", "b__bye"});
  // The first of two that would have one name has it.
  CHECK(of(R"({"prompts": [{"server": "a", "prompt": "bye", "name": "x"},
                           {"server": "b", "prompt": "bye", "name": "x"}]})") == texts{"x"});
  CHECK(of(R"({"prompts": [{"server": "c", "prompt": "bye"}, {"server": "a", "prompt": "no"}]})")
            .empty());
  CHECK(of("{}").empty());
}

TEST_CASE("virtual view shows resources in another form under their URIs", "[catalog][virtual]") {
  const snapshot from(1, naming::prefixed, {offering(0, "a"), offering(1, "b")});
  const auto view = shown(from, R"({"resources": [
      {"uri": "test://a/b", "name": "plan", "title": "The plan"},
      {"uri": "test://b/items/{id}", "description": "One thing."}, "test://b/?"]})");
  const auto& resources = view->list(list_kind::resources);
  CHECK(names(resources) == texts{"test://a/b", "test://b/a", "test://b/b"});
  CHECK(resources.page(0, 1) == R"({"uri":"test://a/b","name":"plan","title":"The plan"})");
  const auto& templates = view->list(list_kind::templates);
  CHECK(names(templates) == texts{"test://b/items/{id}"});
  CHECK(templates.page(0, 1) ==
        R"({"uriTemplate":"test://b/items/{id}","name":"items","description":"One thing."})");
  // Whose they are, and what is not here.
  CHECK(listed_owner(*view, "test://a/b") == 0u);
  CHECK(listed_owner(*view, "test://b/items/7") == 1u);
  CHECK_FALSE(listed_owner(*view, "test://a/a").has_value());
  CHECK_FALSE(listed_owner(*view, "test://a/items/7").has_value());
}

TEST_CASE("changed definition leaves everything else as it was", "[catalog][virtual]") {
  config::vmcp_item change;
  CHECK_FALSE(changes_definition(list_kind::tools, change));
  change.name = "n";
  CHECK_FALSE(changes_definition(list_kind::prompts, change));
  CHECK(changes_definition(list_kind::resources, change));
  change.defaults = R"({"b":1})";
  CHECK(changed_definition(list_kind::tools,
                           R"({"name":"t","x":[1,{"y":2}],"inputSchema":{"type":"object",)"
                           R"("properties":{"a":{},"b":{}},"required":["b","a"]}})",
                           change) ==
        R"({"name":"t","x":[1,{"y":2}],"inputSchema":{"type":"object",)"
        R"("properties":{"a":{}},"required":["a"]}})");
}
