#include <catch2/catch.hpp>

#include "engine/learned_uris.hpp"
#include "engine/session.hpp"

using namespace nexus;
using namespace nexus::engine;

TEST_CASE("mentioned_uris finds the values of members called uri", "[engine][resources]") {
  using list = std::vector<std::string>;
  CHECK(mentioned_uris(R"({"content":[]})").empty());
  CHECK(mentioned_uris(R"({"content":[{"type":"resource_link","uri":"x:1"},)"
                       R"({"type":"resource","resource":{"uri" : "x:\/2","text":""}}]})") ==
        list{"x:1", "x:/2"});
  // Inside a string it is text, as a value it is no key, and not everything is a URI.
  CHECK(mentioned_uris(R"({"text":"{\"uri\":\"x:1\"}","k":"uri","uri":7})").empty());
  CHECK(mentioned_uris(R"({"uri":"","a":{"uri":"no scheme"},"b":{"uri":null}})").empty());
  CHECK(mentioned_uris(R"({"uri":")" + std::string(limits::resource_uri_bytes_max, ':') + "\"}")
            .empty());
  std::string many = "[";
  for (std::size_t i = 0; i < 2 * limits::learned_uris_per_result_max; ++i)
    many += R"({"uri":"x:)" + std::to_string(i) + "\"},";
  CHECK(mentioned_uris(many + "0]").size() == limits::learned_uris_per_result_max);
}

TEST_CASE("learned_uris forgets what is oldest and who is gone", "[engine][resources]") {
  learned_uris known;
  CHECK(known.add("x:1", 1));
  CHECK_FALSE(known.add("x:1", 1));
  CHECK(known.add("x:1", 2)); // the last that mentioned it has it
  CHECK(known.find("x:1") == 2u);
  CHECK_FALSE(known.find("x:2"));
  known.add("y:1", 3);
  known.forget(2);
  CHECK_FALSE(known.find("x:1"));
  CHECK(known.find("y:1") == 3u);
  for (std::size_t i = 0; i < 2 * limits::learned_uris_max; ++i)
    known.add("z:" + std::to_string(i), 4);
  CHECK(known.size() <= limits::learned_uris_max);
  CHECK_FALSE(known.find("y:1"));
  CHECK(known.find("z:" + std::to_string(2 * limits::learned_uris_max - 1)) == 4u);
}

TEST_CASE("session_subscriptions are bounded and end with the session", "[engine][resources]") {
  using outcome = session_subscriptions::outcome;
  session_subscriptions all;
  CHECK(all.add("x:1", 1) == outcome::added);
  CHECK(all.add("x:1", 1) == outcome::known);
  CHECK(all.has("x:1", 1));
  CHECK_FALSE(all.has("x:1", 2)); // another server's update is not this one's
  all.move("x:1", 2);
  CHECK(all.has("x:1", 2));
  CHECK(all.remove("x:1") == 2u);
  CHECK_FALSE(all.remove("x:1"));
  for (std::size_t i = 0; i < limits::subscriptions_per_client_max; ++i)
    CHECK(all.add("y:" + std::to_string(i), 1) == outcome::added);
  CHECK(all.add("y:more", 1) == outcome::refused);
  CHECK(all.close().size() == limits::subscriptions_per_client_max);
  CHECK(all.add("x:1", 1) == outcome::refused);
  CHECK(all.close().empty());
}
