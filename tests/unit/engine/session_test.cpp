#include <unordered_set>

#include <catch2/catch.hpp>

#include "engine/session.hpp"

using namespace nexus;
using namespace nexus::engine;

TEST_CASE("session ids are unique and name their worker", "[engine][session]") {
  std::unordered_set<std::string> seen;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    const worker_id home{i % 256};
    const auto id = make_session_id(home);
    worker_id found;
    if (!seen.insert(id).second || !parse_session_home(id, found) || found.value != home.value)
      FAIL("id " << i << ": " << id);
  }
  // Every digit takes part: 32 of them are random.
  for (std::size_t at = 2; at < 34; ++at) {
    std::unordered_set<char> digits;
    for (const auto& id : seen) {
      digits.insert(id[at]);
      if (digits.size() == 16)
        break;
    }
    CHECK(digits.size() == 16);
  }
}

TEST_CASE("a session id consists of what a header may hold", "[engine][session]") {
  const auto id = make_session_id({5});
  CHECK(id.size() == 34);
  CHECK(id.starts_with("05"));
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
}

TEST_CASE("parse_session_home refuses what no worker made", "[engine][session]") {
  const std::string good = "0a" + std::string(32, '0');
  worker_id home;
  REQUIRE(parse_session_home(good, home));
  CHECK(home.value == 10);
  const std::string rows[] = {
      "",
      "0a",
      good.substr(1),
      good + "0",
      "0A" + std::string(32, '0'),
      "0g" + std::string(32, '0'),
      " a" + std::string(32, '0'),
      "0a" + std::string(31, '0') + "-",
      "0a" + std::string(31, '0') + std::string(1, '\0'),
      "7c0d5e1a-94c2-4e1f-9a55-0d6f3f1c2b7",
  };
  for (const auto& row : rows) {
    INFO(row);
    CHECK_FALSE(parse_session_home(row, home));
  }
}
