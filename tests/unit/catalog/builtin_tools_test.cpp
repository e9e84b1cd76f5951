/// Where the gateway's own tools stand, and beside what.

#include "catalog/builtin_tools.hpp"

#include "catalog/virtual_view.hpp"
#include "catalogue_fixture.hpp"

using namespace nexus;
using namespace nexus::catalog;
using namespace nexus::catalog::test;

namespace {

using texts = std::vector<std::string>;

server_part offering(std::uint32_t slot, std::string name) {
  return {slot, std::move(name), with_tools(listed({page_of({"t"})})), true};
}

texts names(const list_view& list) {
  texts out;
  for (std::size_t i = 0; i < list.size(); ++i)
    out.emplace_back(list.name(i));
  return out;
}

} // namespace

TEST_CASE("the gateway's tools stand beside those of servers only where they are wanted",
          "[catalog][builtin]") {
  const auto tools_of = [](config::exposure_mode mode, bool manages) {
    config::tool_surface surface;
    surface.mode = mode;
    surface.manages_vmcps = manages;
    const snapshot made(1, naming::prefixed, {offering(0, "a")}, nullptr, surface);
    CHECK(names(made.all()) == texts{"a__t"});
    CHECK(names(made.everything().reachable()) == texts{"a__t"});
    CHECK(names(made.of_server(0)->list(list_kind::tools)) == texts{"t"});
    return names(made.everything().list(list_kind::tools));
  };
  const texts managing{"list-virtual-mcps", "create-virtual-mcp", "update-virtual-mcp",
                       "delete-virtual-mcp"};
  using mode = config::exposure_mode;
  CHECK(tools_of(mode::tools, false) == texts{"a__t"});
  auto expected = managing;
  expected.emplace_back("a__t");
  CHECK(tools_of(mode::tools, true) == expected);
  CHECK(tools_of(mode::automatic, true) == expected);
  CHECK(tools_of(mode::meta, false).size() == 6);
  const auto all = tools_of(mode::meta, true);
  CHECK(all.size() == 10);
  CHECK(texts(all.begin() + 6, all.end()) == managing);
  // A virtual MCP never has them.
  const snapshot from(1, naming::prefixed, {offering(0, "a")});
  auto definition = config::parse_vmcp(R"({"select": [{}], "exposure": "meta"})");
  REQUIRE(definition);
  const auto shown = virtual_exposure(
      from, std::make_shared<const config::vmcp_definition>(std::move(*definition)), {});
  CHECK(names(shown->list(list_kind::tools)).size() == 6);
}

TEST_CASE("a tool that the gateway's own name hides is still reached by its server's address",
          "[catalog][builtin]") {
  auto told = with_tools(listed({page_of({"create-virtual-mcp", "t"})}));
  config::tool_surface surface;
  surface.manages_vmcps = true;
  const snapshot made(1, naming::bare, {{0, "a", std::move(told), true}}, nullptr, surface);
  const auto* const found = made.everything().list(list_kind::tools).find("create-virtual-mcp");
  REQUIRE(found != nullptr);
  CHECK(found->slot == builtin_slot);
  CHECK(made.everything().list(list_kind::tools).find("t") != nullptr);
}
