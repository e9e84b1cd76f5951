#include "actors/registry.hpp"
#include "fused_fixture.hpp"

using namespace nexus;
using namespace nexus::actors;
using namespace nexus::actors::test;

namespace {

std::shared_ptr<const catalog::server_catalogue> listing(const std::string& tool) {
  catalog::list_builder builder(catalog::list_kind::tools, {5000, false});
  json::scanner scanner;
  std::string text = R"([{"name":")" + tool + R"(","inputSchema":{"type":"object"}}])";
  json::ensure_padding(text);
  REQUIRE(builder.add_page({text, json::kind::array}, scanner).has_value());
  auto told = std::make_shared<catalog::server_catalogue>();
  told->lists[0] = builder.finish();
  told->offers.tools = true;
  return told;
}

struct fixture : fused_system {
  registry_actor registry;

  fixture()
      : fused_system(2), registry(system->spawn(registry_behavior, &process, archivist_actor{})) {}
  ~fixture() { caf::anon_send_exit(registry, caf::exit_reason::user_shutdown); }

  void order(std::vector<server_order::entry> servers) {
    server_order wanted;
    wanted.servers = std::move(servers);
    caf::anon_send(registry, std::move(wanted));
  }
  void change(std::uint32_t slot, engine::server_state state,
              std::shared_ptr<const catalog::server_catalogue> catalogue = nullptr) {
    auto settings = std::make_shared<config::server>();
    settings->name = "server" + std::to_string(slot);
    settings->url = "http://127.0.0.1:9/mcp";
    settings->kind = config::transport::http;
    auto endpoint = std::make_shared<engine::server_endpoint>();
    endpoint->slot = slot;
    endpoint->link = 1;
    endpoint->state = state;
    endpoint->settings = settings;
    caf::anon_send(registry, server_changed{endpoint, std::move(catalogue), slot});
  }
  /// What every worker shows, once that is the same and as wanted.
  bool all_show(const std::string& wanted) {
    return eventually([&] {
      for (std::uint32_t i = 0; i < 2; ++i)
        if (ask<std::string>({i}, [](engine::worker& w) {
              const auto& all = w.snapshot().all();
              std::string names;
              for (std::size_t k = 0; k < all.size(); ++k)
                names += std::string(all.name(k)) + " ";
              return names + (all.page(0, all.size()).find("unavailable") != std::string_view::npos
                                  ? "marked"
                                  : "");
            }) != wanted)
          return false;
      return true;
    });
  }
};

} // namespace

TEST_CASE("registry merges what servers tell, in the order of the configuration",
          "[actors][registry]") {
  fixture f;
  f.order({{0, "a", 0}, {1, "b", 1}});
  f.change(1, engine::server_state::ready, listing("y"));
  CHECK(f.all_show("b__y "));
  f.change(0, engine::server_state::ready, listing("x"));
  CHECK(f.all_show("a__x b__y "));
  f.order({{1, "b", 1}, {0, "a", 0}});
  CHECK(f.all_show("b__y a__x "));
  f.order({{1, "b", 1}});
  CHECK(f.all_show("b__y "));
  f.change(0, engine::server_state::ready, listing("late")); // removed meanwhile
  f.change(1, engine::server_state::ready, listing("z"));
  CHECK(f.all_show("b__z "));
}

TEST_CASE("registry marks the tools of a server that is down until it is ready",
          "[actors][registry]") {
  fixture f;
  f.order({{0, "a", 0}});
  f.change(0, engine::server_state::ready, listing("x"));
  CHECK(f.all_show("a__x "));
  f.change(0, engine::server_state::down);
  CHECK(f.all_show("a__x marked"));
  f.change(0, engine::server_state::connecting);
  CHECK(f.all_show("a__x marked"));
  f.change(0, engine::server_state::ready, listing("x"));
  CHECK(f.all_show("a__x "));
}

TEST_CASE("registry keeps a replaced server's tools until the new one has told its own",
          "[actors][registry]") {
  fixture f;
  f.order({{0, "a", 0}});
  f.change(0, engine::server_state::ready, listing("old"));
  CHECK(f.all_show("a__old "));
  f.order({{5, "a", 0}});
  CHECK(f.all_show("a__old "));
  f.change(5, engine::server_state::ready, listing("new"));
  CHECK(f.all_show("a__new "));
}

TEST_CASE("registry makes one snapshot of a burst, before the calls that need it can run",
          "[actors][registry]") {
  fixture f;
  std::vector<server_order::entry> entries;
  constexpr std::uint32_t servers = 50;
  for (std::uint32_t i = 0; i < servers; ++i)
    entries.push_back({i, "s" + std::to_string(i), i});
  f.order(entries);
  for (std::uint32_t i = 0; i < servers; ++i) {
    f.change(i, engine::server_state::ready, listing("t"));
    f.change((i + 1) % servers, engine::server_state::connecting); // changes no list
  }
  // At no time does a worker know a server as ready whose tools it does not know.
  bool early = false;
  CHECK(eventually([&] {
    const auto known = f.ask<std::size_t>({1}, [&](engine::worker& w) {
      for (std::uint32_t slot = 0; slot < servers; ++slot) {
        const auto* const up = w.find_upstream(slot);
        if (up != nullptr && up->endpoint().state == engine::server_state::ready &&
            w.snapshot().all().find("s" + std::to_string(slot) + "__t") == nullptr)
          early = true;
      }
      return w.snapshot().all().size();
    });
    return known == servers;
  }));
  CHECK_FALSE(early);
  CHECK(f.process.catalogue_tools == servers);
}
