#include "engine/vmcp_ports.hpp"

#include <set>

#include <catch2/catch.hpp>

using namespace nexus;
using namespace nexus::engine;
using Catch::Matchers::Contains;

namespace {

/// Ports of a machine on which other programs have some.
struct world {
  std::set<std::uint16_t> taken;
  vmcp_ports ports{[this](std::uint16_t port) -> result<opened_port> {
    if (taken.contains(port))
      return fail(std::make_error_code(std::errc::address_in_use), "somebody listens there");
    return opened_port{port, {}};
  }};
  world() { ports.set_range({100, 102}); }

  std::uint16_t take(std::string_view id, std::uint16_t wish = 0) {
    const auto got = ports.take(id, wish);
    return got ? got->number : std::uint16_t{0};
  }
  std::string refusal(std::string_view id, std::uint16_t wish = 0) {
    const auto got = ports.take(id, wish);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == std::errc::address_in_use);
    return got.error().message;
  }
};

own_port_ptr used(std::uint16_t port, std::string id, std::uint32_t connections) {
  auto out = std::make_shared<own_port>();
  out->port = port;
  out->of = std::make_shared<vmcp_runtime>();
  out->of->id = std::move(id);
  out->connections = connections;
  return out;
}

} // namespace

TEST_CASE("vmcp_ports gives what was never had, then what has rested longest", "[engine][ports]") {
  world w;
  CHECK(w.take("a") == 100);
  CHECK(w.take("b") == 101);
  w.ports.give_back(100, nullptr);
  w.ports.give_back(101, nullptr);
  CHECK(w.take("c") == 102);
  CHECK(w.take("d") == 100);
  w.ports.give_back(100, nullptr);
  CHECK(w.take("e") == 101);
  CHECK(w.take("f") == 100);
  CHECK_THAT(w.refusal("g"), Contains("no port of 100-102 is free") && Contains("have 3"));
}

TEST_CASE("vmcp_ports waits for the connections of the last one", "[engine][ports]") {
  world w;
  w.ports.set_range({100, 100});
  CHECK(w.take("a") == 100);
  const auto last = used(100, "a", 1);
  w.ports.give_back(100, last);
  CHECK_THAT(w.refusal("b"), Contains("connections"));
  CHECK_THAT(w.refusal("b", 100), Contains("connections of virtual MCP 'a'"));
  CHECK(w.take("a", 100) == 100); // its own
  w.ports.give_back(100, last);
  last->connections = 0;
  CHECK(w.take("b") == 100);
}

TEST_CASE("vmcp_ports passes by what others have", "[engine][ports]") {
  world w;
  w.taken = {100};
  w.ports.reserve(101, "the gateway itself");
  CHECK(w.take("a") == 102);
  CHECK_THAT(w.refusal("b", 100), Contains("port 100 cannot be had: somebody listens there"));
  CHECK_THAT(w.refusal("b", 101), Contains("port 101 is that of the gateway itself"));
  CHECK_THAT(w.refusal("b", 102), Contains("port 102 is that of virtual MCP 'a'"));
  CHECK(w.take("b", 50) == 50); // outside the range, but free
  w.taken.clear();
  CHECK(w.take("c") == 100);
}
