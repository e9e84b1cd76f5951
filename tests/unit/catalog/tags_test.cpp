#include "catalog/tags.hpp"

#include "catalog/virtual_view.hpp"
#include "catalogue_fixture.hpp"

using namespace nexus;
using namespace nexus::catalog;
using namespace nexus::catalog::test;

namespace {

using texts = std::vector<std::string>;

server_part part_with(const std::string& more, config::server_tags given = {}) {
  auto told = with_tools(listed({"[" + definition("send_mail", more) + "]"}));
  server_part part{0, "s", std::move(told), true};
  if (given != config::server_tags{})
    part.tags = std::make_shared<const config::server_tags>(std::move(given));
  return part;
}

texts tags(const server_part& part) {
  return tags_of(part, part.catalogue->list(list_kind::tools), part.catalogue->tools().front());
}

} // namespace

TEST_CASE("tags come from what the tool says of itself", "[catalog][tags]") {
  const std::vector<std::pair<std::string, texts>> rows{
      {"", {}},
      {R"(,"_meta":{"tags":["a","b"]})", {"a", "b"}},
      {R"(,"_meta":{"_fastmcp":{"tags":["old"]}})", {"old"}},
      {R"(,"_meta":{"fastmcp":{"tags":["new"]},"_fastmcp":{"tags":["old","new"]}})",
       {"new", "old"}},
      {R"(,"_meta":{"tags":["a\u0062","a","a"]})", {"ab", "a"}},
      {R"(,"_meta":{"tags":"a"})", {}},
      {R"(,"_meta":{"tags":[1,null,["x"],{},"","y"]})", {"y"}},
      {R"(,"_meta":{"fastmcp":["tags"],"tags":{"a":1}})", {}},
      {R"(,"_meta":["tags"])", {}},
      {R"(,"_meta":{"other":{"tags":["x"]}})", {}},
  };
  for (const auto& [more, expected] : rows) {
    CAPTURE(more);
    CHECK(tags(part_with(more)) == expected);
  }
}

TEST_CASE("tags of the configuration come first, each once", "[catalog][tags]") {
  const config::server_tags given{{"work", "mail"},
                                  {{"send_*", {"writes", "mail"}}, {"read", {"x"}}}};
  CHECK(tags(part_with(R"(,"_meta":{"tags":["writes","own"]})", given)) ==
        texts{"work", "mail", "writes", "own"});
}

TEST_CASE("tags are bounded in number and size", "[catalog][tags]") {
  std::string many = "\"" + std::string(limits::tag_bytes_max + 1, 'x') + "\"";
  for (std::size_t i = 0; i < 2 * limits::tags_per_tool_max; ++i)
    many += ",\"t" + std::to_string(i) + "\"";
  const auto found = tags(part_with(R"(,"_meta":{"tags":[)" + many + "]}"));
  CHECK(found.size() == limits::tags_per_tool_max);
  CHECK(found.front() == "t0");
}

TEST_CASE("selectors choose by tags among their other conditions", "[catalog][tags]") {
  const auto part = part_with(R"(,"annotations":{"readOnlyHint":true},"_meta":{"tags":["mail"]})",
                              {{"work"}, {}});
  const auto chosen = [&](texts patterns, std::optional<bool> read_only = std::nullopt) {
    config::vmcp_selector selector;
    selector.tags = std::move(patterns);
    selector.read_only = read_only;
    return selects(selector, part, part.catalogue->tools().front());
  };
  CHECK(chosen({"mail"}));
  CHECK(chosen({"w*"}));
  CHECK(chosen({"none", "ma?l"}));
  CHECK(chosen({"mail"}, true));
  CHECK_FALSE(chosen({"mail"}, false));
  CHECK_FALSE(chosen({"mai"}));
  CHECK_FALSE(chosen({"Mail"}));
}
