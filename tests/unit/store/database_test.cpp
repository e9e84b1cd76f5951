#include <algorithm>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "store/database.hpp"

using namespace nexus;
using namespace nexus::store;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

struct temporary_folder {
  fs::path at;
  temporary_folder() {
    std::string name = (fs::temp_directory_path() / "nexus-store-XXXXXX").string();
    at = ::mkdtemp(name.data());
  }
  ~temporary_folder() { fs::remove_all(at); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] fs::path file() const { return at / "state" / "nexus.sqlite"; }
};

constexpr wall_ms now = 1'800'000'000'000;

database opened(const fs::path& file) {
  auto made = database::open(file, now);
  if (!made)
    FAIL(made.error().message << ": " << made.error().detail);
  return std::move(*made);
}

saved_catalogue catalogue_of(std::string server) {
  return {std::move(server), "settings", {"[1]", "[2]", "[3]", "[]"}, "{}", "use it", now};
}

unsigned permissions(const fs::path& of) {
  struct stat found {};
  REQUIRE(::stat(of.c_str(), &found) == 0);
  return found.st_mode & 0777U;
}

void overwrite(const fs::path& file, std::size_t at, std::string_view bytes) {
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(at));
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

/// Without what SQLite kept beside the file.
std::size_t set_aside(const fs::path& file) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(file.parent_path())) {
    const std::string name = entry.path().filename().string();
    count += name.starts_with("nexus.sqlite.damaged-20270115T080000Z") && !name.ends_with("-wal") &&
             !name.ends_with("-shm");
  }
  return count;
}

} // namespace

TEST_CASE("store keeps what it was told over a restart", "[store]") {
  const temporary_folder folder;
  {
    auto db = opened(folder.file());
    REQUIRE(db.put_catalogue(catalogue_of("b")));
    REQUIRE(db.put_catalogue(catalogue_of("a")));
    auto again = catalogue_of("b");
    again.instructions = std::string("with\0zero", 9);
    REQUIRE(db.put_catalogue(again));
    REQUIRE(db.update_pins("a", {{{"a", "tool", "t", "11", "{}", "", "", now, 0, 0}},
                                 {{0, "a", "tool", "t", "00", "11", "{}", now}}}));
    REQUIRE(db.put_vmcp("v", "{}", 0, now) == 1U);
  }
  auto db = opened(folder.file());
  const auto catalogues = db.catalogues();
  REQUIRE(catalogues);
  REQUIRE(catalogues->size() == 2);
  CHECK((*catalogues)[0].server == "a");
  CHECK((*catalogues)[0].lists[2] == "[3]");
  CHECK((*catalogues)[1].instructions == std::string("with\0zero", 9));
  CHECK((*catalogues)[1].saved_at == now);
  const auto pins = db.pins_of("a");
  REQUIRE(pins);
  REQUIRE(pins->size() == 1);
  CHECK((*pins)[0].sha256 == "11");
  CHECK((*pins)[0].definition == "{}");
  CHECK(db.pins()->size() == 1);
  CHECK(db.pins_of("b")->empty());
  const auto changes = db.changes(10);
  REQUIRE(changes->size() == 1);
  CHECK((*changes)[0].number == 1);
  CHECK((*changes)[0].before == "00");
  CHECK(db.vmcps()->at(0).id == "v");
}

TEST_CASE("store makes folder and files for their owner alone", "[store]") {
  const temporary_folder folder;
  auto db = opened(folder.file());
  CHECK(permissions(folder.file().parent_path()) == 0700);
  for (const char* suffix : {"", "-wal", "-shm", ".lock"})
    CHECK(permissions(folder.file().string() + suffix) == 0600);
}

TEST_CASE("store sets what is no database of its own aside and begins anew", "[store]") {
  const temporary_folder folder;
  fs::create_directories(folder.file().parent_path());
  SECTION("text") {
    std::ofstream(folder.file()) << "this is no database, and longer than a header of one is: "
                                 << std::string(200, 'x');
  }
  SECTION("a page in the middle") {
    {
      auto db = opened(folder.file());
      auto big = catalogue_of("a");
      big.lists[0] = std::string(100'000, 'a');
      REQUIRE(db.put_catalogue(big));
    }
    overwrite(folder.file(), 4096, std::string(4096, '\xA5'));
  }
  SECTION("the schema") {
    (void)opened(folder.file());
    overwrite(folder.file(), 100, std::string(200, '\xFF'));
  }
  SECTION("another program's") {
    (void)opened(folder.file());
    overwrite(folder.file(), 68, "else"); // the application id
  }
  auto db = opened(folder.file());
  CHECK(set_aside(folder.file()) == 1);
  CHECK(db.catalogues()->empty());
  CHECK(db.put_catalogue(catalogue_of("a")));
}

TEST_CASE("store keeps what was set aside earlier", "[store]") {
  const temporary_folder folder;
  for (std::size_t i = 1; i <= 2; ++i) {
    (void)opened(folder.file());
    overwrite(folder.file(), 0, "no database any more");
    (void)opened(folder.file());
    CHECK(set_aside(folder.file()) == i);
  }
}

TEST_CASE("store takes an empty file for a new one", "[store]") {
  const temporary_folder folder;
  fs::create_directories(folder.file().parent_path());
  std::ofstream(folder.file()).flush();
  (void)opened(folder.file());
  CHECK(set_aside(folder.file()) == 0);
}

TEST_CASE("store makes a file of version 1 one of its own", "[store]") {
  const temporary_folder folder;
  {
    auto db = opened(folder.file());
    REQUIRE(db.put_vmcp("v", "{}", 0, now) == 1U);
  }
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(folder.file().c_str(), &raw) == SQLITE_OK);
  CHECK(sqlite3_exec(raw, "ALTER TABLE vmcp DROP COLUMN port; PRAGMA user_version = 1", nullptr,
                     nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(raw);
  for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{9'100}}) {
    auto db = opened(folder.file()); // changed by the first one, and left alone by the second
    REQUIRE(db.vmcps()->size() == 1);
    CHECK(db.vmcps()->at(0).definition == "{}");
    CHECK(db.vmcps()->at(0).port == port);
    CHECK(db.put_vmcp("v", "{}", db.vmcps()->at(0).generation, now, 9'100).has_value());
  }
  CHECK(set_aside(folder.file()) == 0);
}

TEST_CASE("store leaves the file of a later version as it is", "[store]") {
  const temporary_folder folder;
  (void)opened(folder.file());
  overwrite(folder.file(), 60, std::string_view("\0\0\0\x07", 4)); // user_version
  const auto refused = database::open(folder.file(), now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::too_new);
  CHECK_THAT(refused.error().message, Contains("later version"));
  CHECK(set_aside(folder.file()) == 0);
}

TEST_CASE("store says that a folder cannot be made", "[store]") {
  const temporary_folder folder;
  std::ofstream(folder.at / "state") << "a file";
  const auto refused = database::open(folder.file(), now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::unavailable);
}

TEST_CASE("store gives generations to virtual MCPs and refuses stale changes", "[store]") {
  auto made = database::in_memory();
  REQUIRE(made);
  database& db = *made;
  CHECK(db.put_vmcp("v", "1", 0, now) == 1U);
  CHECK(db.put_vmcp("v", "2", 1, now + 5) == 2U);
  for (const std::uint64_t expected : {0U, 1U, 3U}) {
    const auto refused = db.put_vmcp("v", "3", expected, now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == errc::stale);
    CHECK(refused.error().message == "its generation is 2");
  }
  CHECK(db.put_vmcp("w", "1", 4, now).error().code == errc::stale);
  CHECK(db.vmcps()->at(0).port == 0);
  CHECK(db.put_vmcp("v", "2", 2, now + 5, 65'535) == 3U);
  CHECK(db.vmcps()->at(0).port == 65'535);
  const auto all = db.vmcps();
  REQUIRE(all->size() == 1);
  CHECK(all->at(0).definition == "2");
  CHECK(all->at(0).created_at == now);
  CHECK(all->at(0).updated_at == now + 5);
  CHECK(db.remove_vmcp("v") == true);
  CHECK(db.remove_vmcp("v") == false);
}

TEST_CASE("store puts what is held in the place of the pin when it is accepted", "[store]") {
  auto made = database::in_memory();
  REQUIRE(made);
  pin_update update;
  for (const char* name : {"one", "two", "same"})
    update.put.push_back({"a", "tool", name, "1", "old", "2", "new", now, 0, 0});
  update.put.back().held_sha256 = update.put.back().held_definition = "";
  update.put.push_back({"b", "tool", "one", "1", "old", "2", "new", now, 0, 0});
  REQUIRE(made->update_pins("a", update));
  CHECK(made->accept_pins("a", "none", now + 1) == 0U);
  CHECK(made->accept_pins("a", "one", now + 1) == 1U);
  CHECK(made->accept_pins("a", "", now + 2) == 1U);
  const auto pins = made->pins_of("a");
  REQUIRE(pins->size() == 3);
  for (const auto& [name, definition, changed] :
       {std::tuple{"one", "new", now + 1}, {"same", "old", wall_ms{0}}, {"two", "new", now + 2}}) {
    const auto found = std::find_if(pins->begin(), pins->end(),
                                    [&](const pin& p) { return p.name == std::string_view(name); });
    CHECK(found->definition == definition);
    CHECK(found->changed_at == changed);
    CHECK(found->held_sha256.empty());
  }
  CHECK(made->pins_of("b")->at(0).held_sha256 == "2");
}

TEST_CASE("store forgets the oldest beyond its limits", "[store]") {
  auto made = database::in_memory();
  REQUIRE(made);
  database& db = *made;
  pin_update update;
  for (std::int64_t i = 0; i < limits::gone_pins_per_server_max + 10; ++i)
    update.put.push_back({"a", "tool", std::to_string(i), "1", "", "", "", now, 0, now + i});
  update.put.push_back({"a", "tool", "listed", "1", "", "", "", now, 0, 0});
  for (std::int64_t i = 0; i < limits::pin_changes_max + 10; ++i)
    update.changes.push_back({0, "a", "tool", "t", "1", "2", "{}", now + i});
  REQUIRE(db.update_pins("a", update));
  const auto pins = db.pins();
  CHECK(pins->size() == limits::gone_pins_per_server_max + 1);
  CHECK(std::none_of(pins->begin(), pins->end(), [](const pin& p) { return p.name == "9"; }));
  CHECK(std::any_of(pins->begin(), pins->end(), [](const pin& p) { return p.name == "10"; }));
  const auto changes = db.changes(10'000);
  CHECK(changes->size() == limits::pin_changes_max);
  CHECK(changes->front().at == now + limits::pin_changes_max + 9);

  for (std::int64_t i = 0; i < limits::stored_servers_max + 2; ++i) {
    auto one = catalogue_of(fmt::format("s{}", i));
    one.saved_at = now + i;
    REQUIRE(db.put_catalogue(one));
  }
  const auto servers = db.catalogues();
  CHECK(servers->size() == limits::stored_servers_max);
  CHECK(std::none_of(servers->begin(), servers->end(),
                     [](const auto& one) { return one.server == "s1" || one.server == "a"; }));
  CHECK(db.pins()->empty());
}

TEST_CASE("store refuses a value beyond its limit", "[store]") {
  auto made = database::in_memory();
  REQUIRE(made);
  auto big = catalogue_of("a");
  big.lists[1] = std::string(limits::stored_value_bytes_max + 1, ' ');
  CHECK(made->put_catalogue(big).error().code == errc::too_large);
  CHECK(made->catalogues()->empty());
}

TEST_CASE("store is shared by two processes without harm", "[store][slow]") {
  const temporary_folder folder;
  constexpr unsigned each = 60;
  const auto write = [&](char who) {
    auto db = database::open(folder.file(), now);
    bool good = db.has_value();
    for (unsigned i = 0; good && i < each; ++i)
      good = db->put_vmcp(std::string(i + 1, who), "{}", 0, now).has_value();
    return good;
  };
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0)
    ::_exit(write('c') ? 0 : 1);
  CHECK(write('p'));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(opened(folder.file()).vmcps()->size() == 2 * each);
}

TEST_CASE("store leaves a damaged file alone that another process has open", "[store]") {
  const temporary_folder folder;
  (void)opened(folder.file());
  const std::string lock = folder.file().string() + ".lock";
  int ready[2], done[2];
  REQUIRE((::pipe(ready) == 0 && ::pipe(done) == 0));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  char byte = 0;
  if (child == 0) {
    const auto held = database::open(folder.file(), now);
    ::_exit(::write(ready[1], &byte, 1) == 1 && ::close(done[1]) == 0 &&
                    ::read(done[0], &byte, 1) == 0 && held
                ? 0
                : 1);
  }
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  overwrite(folder.file(), 0, "no database any more");
  const auto refused = database::open(folder.file(), now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::in_use);
  CHECK(set_aside(folder.file()) == 0);
  ::close(done[1]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  (void)opened(folder.file());
  CHECK(set_aside(folder.file()) == 1);
}
