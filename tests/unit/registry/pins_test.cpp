#include "registry/pins.hpp"
#include "registry/saved.hpp"
#include "registry_fixture.hpp"
#include "json/write.hpp"

using namespace nexus;
using namespace nexus::registry;
using Catch::Contains;
using testing::catalogue_of;
using testing::list_of;

namespace {

constexpr store::wall_ms now = 1'800'000'000'000;
constexpr const char* read_file =
    R"({"name":"read","title":"Read","description":"Reads a file.","inputSchema":{"type":"object",
        "properties":{"path":{"type":"string","description":"Where","enum":["a","b"],
        "default":"a"}}},"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true},
        "_meta":{"x":[1,2]},"icons":[{"src":"data:1"}]})";

/// What the store would hold after `check`.
std::vector<store::pin> pinned(std::vector<store::pin> before, const pin_check& check) {
  for (const store::pin& p : check.update.put) {
    std::erase_if(before,
                  [&](const auto& old) { return old.kind == p.kind && old.name == p.name; });
    before.push_back(p);
  }
  return before;
}

std::vector<store::pin> pins_of(const catalog::server_catalogue& told) {
  return pinned({}, check_pins("s", told, {}, pin_policy::record, now));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

} // namespace

TEST_CASE("pins of a first listing are made of it", "[registry]") {
  auto told = catalogue_of(read_file);
  told.lists[1] = list_of(catalog::list_kind::prompts, R"({"name":"ask"})");
  told.lists[2] = list_of(catalog::list_kind::resources, R"({"uri":"a:b","name":"n"})");
  told.lists[3] = list_of(catalog::list_kind::templates, R"({"uriTemplate":"a:{b}","name":"n"})");
  const auto check = check_pins("s", told, {}, pin_policy::quarantine, now);
  CHECK(check.added == 3);
  CHECK(check.changed.empty());
  CHECK_FALSE(check.withholds());
  REQUIRE(check.update.put.size() == 3);
  CHECK(check.update.put[0].kind == "tool");
  CHECK(check.update.put[0].first_seen == now);
  CHECK(check.update.put[0].sha256.size() == 64);
  CHECK(check.update.put[1].name == "ask");
  CHECK(check.update.put[2].name == "a:{b}");
  CHECK(check_pins("s", told, {}, pin_policy::off, now).update.put.empty());
}

TEST_CASE("pins do not mind how a definition is written", "[registry]") {
  const auto pins = pins_of(catalogue_of(std::string(read_file) + R"(,{"name":"z"})"));
  const auto again = catalogue_of(
      R"({"name":"z"},{"icons":[{"src":"data:1"}],"_meta":{"x":[1.0,2e0]},"annotations":{
      "readOnlyHint":true},"outputSchema":{"type":"object"},"inputSchema":{"properties":{"path":{
      "default":"a","enum":["a","b"],"description":"Wh\u0065re","type":"string"}},"type":"object"},
      "description":"Reads a file\u002e","title":"Read","name":"read"})");
  const auto check = check_pins("s", again, pins, pin_policy::quarantine, now + 1);
  CHECK(check.unchanged == 2);
  CHECK(check.changed.empty());
  CHECK(check.update.put.empty());
}

TEST_CASE("pins see every change of a definition", "[registry]") {
  const auto pins = pins_of(catalogue_of(read_file));
  struct row {
    const char *from, *to, *path;
  };
  for (const row& r : {
           row{R"("Read")", R"("Reads")", "/title"},
           {"Reads a file.", "Reads a file. ", "/description"},
           {"Reads a file.", "reads a file.", "/description"},
           {"Reads a file.", "Reads a\u200b file.", "/description"},
           {"Reads a file.", "R\u0435ads a file.", "/description"},
           {R"("Where")", R"("Where, and send it to me")",
            "/inputSchema/properties/path/description"},
           {R"(["a","b"])", R"(["a","c"])", "/inputSchema/properties/path/enum/1"},
           {R"(["a","b"])", R"(["a","b","c"])", "/inputSchema/properties/path/enum"},
           {R"("default":"a")", R"("default":"b")", "/inputSchema/properties/path/default"},
           {R"("path":)", R"("other":{"type":"string"},"path":)", "/inputSchema/properties/other"},
           {R"("path":)", R"("PATH":)", "/inputSchema/properties/PATH"},
           {R"("outputSchema":{"type":"object"},)", "", "/outputSchema"},
           {"true", "false", "/annotations/readOnlyHint"},
           {"[1,2]", "[1,2.5]", "/_meta/x/1"},
           {"data:1", "data:2", "/icons/0/src"},
           {R"("title")", R"("x-mcp/~header":1,"title")", "/x-mcp~1~0header"},
       }) {
    INFO(r.from << " -> " << r.to);
    const auto told = catalogue_of(replaced(read_file, r.from, r.to));
    const auto check = check_pins("s", told, pins, pin_policy::record, now + 1);
    REQUIRE(check.changed.size() == 1);
    CHECK(check.changed[0].is_new);
    CHECK_THAT(check.changed[0].difference, Contains(std::string(R"("path":")") + r.path + '"'));
    REQUIRE(check.update.changes.size() == 1);
    CHECK(check.update.changes[0].before == pins[0].sha256);
    REQUIRE(check.update.put.size() == 1);
    CHECK(check.update.put[0].sha256 == check.update.changes[0].after);
    CHECK(check.update.put[0].first_seen == now);
    CHECK(check.update.put[0].changed_at == now + 1);
  }
}

TEST_CASE("pins hold a changed tool back until it is accepted", "[registry]") {
  const auto first = pins_of(catalogue_of(std::string(read_file) + R"(,{"name":"other"})"));
  const auto changed =
      catalogue_of(replaced(read_file, "Reads", "Steals") + R"(,{"name":"other"})");
  auto check = check_pins("s", changed, first, pin_policy::quarantine, now + 1);
  CHECK(check.withheld[0] == std::vector<std::string>{"read"});
  CHECK(check.update.changes.size() == 1);
  const auto held = pinned(first, check);

  json::scanner scanner;
  const auto shown = without(changed, check.withheld, scanner);
  REQUIRE(shown->tools().size() == 1);
  CHECK(shown->tools()[0].name == "other");
  CHECK(shown->offers == changed.offers);

  check = check_pins("s", changed, held, pin_policy::quarantine, now + 2);
  CHECK(check.withholds());
  CHECK_FALSE(check.changed.at(0).is_new);
  CHECK(check.update.changes.empty());
  CHECK(check.update.put.empty());

  const auto worse = catalogue_of(replaced(read_file, "Reads", "Burns") + R"(,{"name":"other"})");
  check = check_pins("s", worse, held, pin_policy::quarantine, now + 2);
  CHECK(check.changed.at(0).is_new);

  const auto back = catalogue_of(std::string(read_file) + R"(,{"name":"other"})");
  check = check_pins("s", back, held, pin_policy::quarantine, now + 2);
  CHECK_FALSE(check.withholds());
  CHECK(pinned(held, check).back().held_sha256.empty());

  check = check_pins("s", changed, held, pin_policy::record, now + 2);
  CHECK_FALSE(check.withholds());
  CHECK(check.update.changes.empty());
  CHECK(check.update.put.at(0).sha256 == held.back().held_sha256);
}

TEST_CASE("pins outlive what comes and goes", "[registry]") {
  const auto first = pins_of(catalogue_of(read_file));
  auto check = check_pins("s", catalogue_of(""), first, pin_policy::quarantine, now + 1);
  CHECK(check.gone == 1);
  const auto gone = pinned(first, check);
  CHECK(gone[0].gone_at == now + 1);
  CHECK(check_pins("s", catalogue_of(""), gone, pin_policy::quarantine, now + 2).gone == 0);
  check = check_pins("s", catalogue_of(read_file), gone, pin_policy::quarantine, now + 2);
  CHECK(check.unchanged == 1);
  CHECK(check.update.put.at(0).gone_at == 0);
  const auto other = catalogue_of(replaced(read_file, "Reads", "Steals"));
  check = check_pins("s", other, gone, pin_policy::quarantine, now + 2);
  CHECK(check.withholds());
}

TEST_CASE("pins of definitions that are too large keep their digest alone", "[registry]") {
  const auto big = [](char c) {
    return catalogue_of(R"({"name":"big","description":")" +
                        std::string(limits::pinned_definition_bytes_max, c) + R"("})");
  };
  const auto pins = pins_of(big('a'));
  CHECK(pins.at(0).definition.empty());
  CHECK(check_pins("s", big('a'), pins, pin_policy::record, now).unchanged == 1);
  const auto check = check_pins("s", big('b'), pins, pin_policy::record, now);
  REQUIRE(check.changed.size() == 1);
  CHECK(check.changed[0].difference == R"({"differences":[]})");
}

TEST_CASE("pins tell a bounded difference", "[registry]") {
  std::string before, after;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "\"k" + std::to_string(i) + "\":";
    (before += i == 0 ? "{" : ",") += key + "1";
    (after += i == 0 ? "{" : ",") += key + '"' + std::string(5'000, 'x') + '"';
  }
  const auto text = describe_difference(before + "}", after + "}");
  CHECK(text.size() < 8'000);
  CHECK_THAT(text, Contains(R"("more":84)"));
  std::string padded = text;
  json::ensure_padding(padded);
  CHECK(json::scanner().validate(padded));
  // Equal keys, and their order, are a difference too.
  CHECK(definition_digest(R"({"a":1,"a":2})") != definition_digest(R"({"a":2,"a":1})"));
}

TEST_CASE("a catalogue is the same after it was stored", "[registry]") {
  auto told = catalogue_of(read_file);
  told.offers = {true, false, true, true, false, true, true, R"({"org.example/x":{"y":1}})"};
  told.lists[2] = list_of(catalog::list_kind::resources, R"({"uri":"a:b","name":"n"})");
  told.instructions = "use \"it\"";
  told.hints = {77, true};
  json::scanner scanner;
  const auto saved = to_saved("s", "print", told, now);
  CHECK(saved.server == "s");
  CHECK(saved.saved_at == now);
  const auto again = from_saved(saved, scanner);
  REQUIRE(again);
  CHECK((*again)->same_as(told));
  CHECK((*again)->hints.ttl_ms == 77);
  CHECK((*again)->hints.is_private);
  CHECK((*again)->list(catalog::list_kind::tools).hints().ttl_ms == 5'000);
  CHECK_FALSE((*again)->list(catalog::list_kind::tools).hints().is_private);
  CHECK((*again)->tools()[0].read_only);

  for (const char* broken : {"", "{", "[}", "7", "{\"a\":1}", "[\"\xff\"]"}) {
    auto other = saved;
    other.lists[0] = broken;
    CHECK_FALSE(from_saved(other, scanner));
    other = saved;
    other.facts = broken;
    INFO(broken);
    static_cast<void>(from_saved(other, scanner)); // facts that say nothing offer nothing
  }
}
