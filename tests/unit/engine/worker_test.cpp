#include <catch2/catch.hpp>

#include "engine/http_connection.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

using namespace nexus;
using namespace nexus::engine;

namespace {

/// One worker that no scheduler runs.
struct fixture {
  process shared{1, config::gateway{}};
  worker home;

  fixture() : home(shared, {0}, make_reactor()) { shared.worker_up(home); }
  static std::unique_ptr<net::reactor> make_reactor() {
    auto made = net::reactor::create(net::reactor_kind::epoll);
    REQUIRE(made.has_value());
    return std::move(*made);
  }
};

session_ptr make_session(worker_id home) {
  auto made = std::make_shared<session>();
  made->id = make_session_id(home);
  made->home = home;
  return made;
}

} // namespace

TEST_CASE("worker lends exchanges again and leaves nothing in them", "[engine][worker]") {
  fixture f;
  auto& first = f.home.acquire();
  CHECK(f.home.exchanges_in_use() == 1);
  CHECK_FALSE(f.home.idle());
  const auto sequence = first.sequence;
  first.caller = make_session({0});
  first.target_name = "tool";
  first.log_level = mcp::log_level::debug;
  first.scope = view_scope::of_server(3);
  first.safe_to_repeat = first.resent = first.resolve_later = first.opened_session = true;
  const std::weak_ptr<session> caller = first.caller;
  f.home.release(first);
  CHECK(f.home.idle());
  CHECK(caller.expired());
  auto& again = f.home.acquire();
  REQUIRE(&again == &first);
  CHECK(again.sequence != sequence);
  CHECK(again.caller == nullptr);
  CHECK(again.client == nullptr);
  CHECK(again.via == nullptr);
  CHECK(again.call == nullptr);
  CHECK(again.target_name.empty());
  CHECK(again.log_level == mcp::log_level::off);
  CHECK(again.scope == view_scope{});
  CHECK_FALSE(again.safe_to_repeat);
  CHECK_FALSE(again.resent);
  CHECK_FALSE(again.resolve_later);
  CHECK_FALSE(again.opened_session);
  CHECK_FALSE(again.has_permit);
  CHECK_FALSE(again.deadline.armed());
  f.home.release(again);
}

TEST_CASE("worker takes exchanges back in any order", "[engine][worker]") {
  fixture f;
  std::vector<exchange*> lent;
  for (int i = 0; i < 8; ++i)
    lent.push_back(&f.home.acquire());
  for (const auto i : {3u, 0u, 7u, 4u})
    f.home.release(*lent[i]);
  CHECK(f.home.exchanges_in_use() == 4);
  std::vector<exchange*> again;
  for (int i = 0; i < 4; ++i)
    again.push_back(&f.home.acquire());
  // The one that came back last is still warm.
  CHECK(again == std::vector<exchange*>{lent[4], lent[7], lent[0], lent[3]});
  for (auto* const x : {lent[1], lent[2], lent[5], lent[6], again[0], again[1], again[2], again[3]})
    f.home.release(*x);
  CHECK(f.home.idle());
}

TEST_CASE("worker gives the memory of large requests back", "[engine][worker]") {
  fixture f;
  auto& x = f.home.acquire();
  x.text.assign(1 << 20, 'x');
  f.home.release(x);
  CHECK(x.text.capacity() < 64 * 1024);
  auto& y = f.home.acquire();
  y.text.assign(4096, 'x');
  f.home.release(y);
  CHECK(y.text.capacity() >= 4096);
}

TEST_CASE("downstream ids name their worker and never repeat", "[engine][worker]") {
  process shared{128, config::gateway{}};
  worker last(shared, {127}, fixture::make_reactor());
  std::int64_t before = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto id = last.next_downstream_id();
    CHECK(id > before);
    CHECK(id < (std::int64_t{1} << 53)); // what JavaScript holds exactly
    CHECK(worker::worker_of(id).value == 127);
    before = id;
  }
}

TEST_CASE("worker knows its sessions until they close", "[engine][worker]") {
  fixture f;
  const auto kept = make_session({0}), closed = make_session({0});
  f.home.add_session(kept);
  f.home.add_session(closed);
  CHECK(f.home.find_session(kept->id) == kept);
  closed->closed = true;
  CHECK(f.home.find_session(closed->id) == nullptr);
  CHECK(closed.use_count() == 1); // forgotten as well
  f.home.forget_session(kept->id);
  CHECK(f.home.find_session(kept->id) == nullptr);
  f.home.forget_session("unknown");
}

TEST_CASE("a worker without a catalogue shows an empty one", "[engine][worker]") {
  fixture f;
  REQUIRE(f.home.view({}) != nullptr);
  CHECK(f.home.view({})->list(catalog::list_kind::tools).size() == 0);
  CHECK(f.home.view(view_scope::of_server(0)) == nullptr);
  CHECK(f.home.find_upstream(0) == nullptr);
  f.home.remove_server(3);
}

TEST_CASE("process posts work to its workers", "[engine][worker]") {
  fixture f;
  int runs = 0;
  f.shared.post({0}, [&](worker& w) {
    CHECK(&w == &f.home);
    ++runs;
  });
  f.shared.post_to_all([&](worker&) { ++runs; });
  CHECK(runs == 0);
  f.home.reactor().poll();
  CHECK(runs == 2);
  f.shared.wait_until_up(); // returns, since all are
  CHECK(&f.shared.at({0}) == &f.home);
}
