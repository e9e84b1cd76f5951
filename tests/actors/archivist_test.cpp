#include <atomic>
#include <filesystem>

#include "actors/archivist.hpp"
#include "actors/registry.hpp"
#include "fused_fixture.hpp"

using namespace nexus;
using namespace nexus::actors;
using namespace nexus::actors::test;

namespace {

std::shared_ptr<const catalog::server_catalogue> listing(const std::string& tool,
                                                         const std::string& description) {
  catalog::list_builder builder(catalog::list_kind::tools, {5000, false});
  json::scanner scanner;
  std::string text = R"([{"name":")" + tool + R"(","description":")" + description +
                     R"(","inputSchema":{"type":"object"}}])";
  json::ensure_padding(text);
  REQUIRE(builder.add_page({text, json::kind::array}, scanner).has_value());
  auto told = std::make_shared<catalog::server_catalogue>();
  told->lists[0] = builder.finish();
  told->offers.tools = true;
  return told;
}

struct fixture : fused_system {
  archivist_actor archivist;
  registry_actor registry;
  server_order::tool_care care;

  explicit fixture(std::optional<std::string> file = {})
      : fused_system(2), archivist(system->spawn<caf::detached>(
                             archivist_behavior, archivist_setup{&process, file, false})),
        registry(system->spawn(registry_behavior, &process, archivist)) {}
  ~fixture() {
    caf::anon_send_exit(registry, caf::exit_reason::user_shutdown);
    registry = nullptr;
    caf::anon_send(archivist, close_store{});
    archivist = nullptr;
  }

  void order(const std::vector<std::string>& names) {
    server_order wanted;
    for (const auto& name : names)
      wanted.servers.push_back(
          {static_cast<std::uint32_t>(wanted.servers.size()), name, 0, "settings"});
    wanted.care = care;
    caf::anon_send(registry, std::move(wanted));
  }
  void told(std::uint32_t slot, std::shared_ptr<const catalog::server_catalogue> catalogue) {
    caf::anon_send(registry, server_changed{nullptr, std::move(catalogue), slot});
  }
  std::string shown() {
    return ask<std::string>({0}, [](engine::worker& w) {
      const auto& all = w.snapshot().all();
      std::string names;
      for (std::size_t k = 0; k < all.size(); ++k)
        names += std::string(all.name(k)) + " ";
      return names;
    });
  }
  bool shows(const std::string& wanted) {
    return eventually([&] { return shown() == wanted; });
  }
  /// What was sent before has been looked at.
  void settle() {
    auto done = std::make_shared<std::promise<void>>();
    caf::anon_send(archivist, store_work{std::make_shared<std::function<void(store::database&)>>(
                                  [done](store::database&) { done->set_value(); })});
    REQUIRE(done->get_future().wait_for(patience) == std::future_status::ready);
  }
};

} // namespace

TEST_CASE("archivist holds a changed tool back until it is accepted", "[actors][archivist]") {
  fixture f;
  f.care.pins = config::pin_policy::quarantine;
  f.order({"a", "b"});
  f.told(0, listing("x", "one"));
  f.told(1, listing("y", "one"));
  CHECK(f.shows("a__x b__y "));
  f.told(0, listing("x", "two"));
  CHECK(f.shows("b__y "));
  f.told(0, listing("x", "one"));
  CHECK(f.shows("a__x b__y "));
  f.told(0, listing("x", "two"));
  CHECK(f.shows("b__y "));
  CHECK(f.process.changed_definitions.load() >= 1);

  caf::anon_send(f.archivist, store_work{std::make_shared<std::function<void(store::database&)>>(
                                  [](store::database& db) { (void)db.accept_pins("a", "", 1); })});
  caf::anon_send(f.registry, pins_accepted{"a"});
  CHECK(f.shows("a__x b__y "));
}

TEST_CASE("archivist looks again when the configuration cares otherwise", "[actors][archivist]") {
  fixture f;
  f.order({"a", "b"});
  f.told(0, listing("x", "one"));
  f.told(1, listing("y", "one"));
  CHECK(f.shows("a__x b__y "));
  f.care.duplicates.exact = config::duplicate_policy::hide;
  f.order({"a", "b"});
  CHECK(f.shows("a__x "));
  f.care.duplicates.prefer = {"b"};
  f.order({"a", "b"});
  CHECK(f.shows("b__y "));
  f.care.duplicates.exact = config::duplicate_policy::leave;
  f.order({"a", "b"});
  CHECK(f.shows("a__x b__y "));
}

TEST_CASE("archivist lets nothing of one server overtake what it looks at", "[actors][archivist]") {
  fixture f;
  f.care.pins = config::pin_policy::quarantine;
  f.order({"a"});
  for (int i = 0; i < 50; ++i)
    f.told(0, listing("t" + std::to_string(i), "one"));
  CHECK(f.shows("a__t49 "));
  f.order({});
  f.told(0, listing("late", "one"));
  CHECK(f.shows(""));
}

TEST_CASE("archivist gives the next process what servers told", "[actors][archivist]") {
  std::string name = (std::filesystem::temp_directory_path() / "nexus-archivist-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(name.data());
  const std::string file = folder / "state.sqlite";
  {
    fixture f(file);
    f.order({"a"});
    f.told(0, listing("x", "one"));
    CHECK(f.shows("a__x "));
    f.settle();
  }
  {
    fixture f(file);
    f.order({"b", "a"});
    CHECK(f.shows("a__x "));
    f.told(1, listing("z", "one"));
    CHECK(f.shows("a__z "));
  }
  std::filesystem::remove_all(folder);
}
