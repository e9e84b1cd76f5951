#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "base/limits.hpp"
#include "catalog/names.hpp"

using namespace nexus;
using namespace nexus::catalog;

namespace {

const std::string long_name(200, 'n');

/// `_` and eight hexadecimal digits.
bool ends_with_fingerprint(const std::string& name) {
  if (name.size() < 9 || name[name.size() - 9] != '_')
    return false;
  return name.find_first_not_of("0123456789abcdef", name.size() - 8) == std::string::npos;
}

} // namespace

TEST_CASE("is_portable_name accepts what every provider does", "[catalog][names]") {
  struct row {
    std::string name;
    bool portable;
  };
  const row rows[] = {
      {"a", true},
      {"Time-now_2", true},
      {std::string(64, 'x'), true},
      {std::string(65, 'x'), false},
      {"", false},
      {"a.b", false},
      {"a/b", false},
      {"a b", false},
      {"a\tb", false},
      {std::string("a\0b", 3), false},
      {"caf\xc3\xa9", false},
      {"a:b", false},
      {"a@b", false},
      {"a[b", false},
      {"a`b", false},
      {"a{b", false},
  };
  for (const auto& r : rows) {
    INFO(r.name);
    CHECK(is_portable_name(r.name) == r.portable);
  }
}

TEST_CASE("prefixed_name joins what is portable", "[catalog][names]") {
  CHECK(prefixed_name("time", "now") == "time__now");
  CHECK(prefixed_name("a-b", "c_D9") == "a-b__c_D9");
  const std::string tool(64 - 6, 't');
  CHECK(prefixed_name("time", tool) == "time__" + tool);
}

TEST_CASE("prefixed_name makes an alias of what is not portable", "[catalog][names]") {
  const std::pair<std::string, std::string> rows[] = {
      {"fs", "read.file"},     {"fs", "read/file"},          {"fs", "lire le fichier"},
      {"fs", "\xe8\xaf\xbb"},  {"fs", std::string(61, 't')}, {"fs", long_name},
      {long_name, "read"},     {"fs.local", "read"},         {"fs", ""},
      {"fs", "\"quoted\\\n\""}};
  std::set<std::string> seen;
  for (const auto& [server, tool] : rows) {
    const auto name = prefixed_name(server, tool);
    INFO(server << " " << tool << " -> " << name);
    CHECK(is_portable_name(name));
    CHECK(name == prefixed_name(server, tool));
    CHECK(seen.insert(name).second);
    if (!tool.empty()) {
      CHECK(ends_with_fingerprint(name));
      CHECK(name == aliased_name(server, tool));
    }
  }
  CHECK(prefixed_name("fs", "read.file").starts_with("fs__read_file_"));
}

TEST_CASE("aliases tell apart what looks alike once it is sanitised", "[catalog][names]") {
  CHECK(prefixed_name("fs", "read.file") != prefixed_name("fs", "read/file"));
  CHECK(prefixed_name("fs", long_name) != prefixed_name("fs", long_name + "n"));
  // The hash is over both names, so that their border counts.
  CHECK(aliased_name("a", "b__c") != aliased_name("a__b", "c"));
  CHECK(prefixed_name("a", "b__c") == prefixed_name("a__b", "c"));
}

TEST_CASE("aliases never change", "[catalog][names]") {
  // The first four bytes of SHA-256 over "fs", NUL, "read.file". Clients remember these names.
  CHECK(aliased_name("fs", "read.file") == "fs__read_file_a70c2700");
}

TEST_CASE("bare_name keeps a portable name and aliases the others", "[catalog][names]") {
  CHECK(bare_name("time", "now") == "now");
  const auto dotted = bare_name("fs", "read.file");
  CHECK(dotted.starts_with("read_file_"));
  CHECK(ends_with_fingerprint(dotted));
  CHECK(dotted != bare_name("other", "read.file"));
  CHECK(bare_name("fs", long_name).size() == limits::public_name_bytes_max);
}
