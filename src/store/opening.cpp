#include "store/opening.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace nexus::store::detail {
namespace {

namespace fs = std::filesystem;

/// Says that a database is this program's, to whoever looks at the file. "NxSt"
constexpr std::int64_t application = 0x4E785374;
constexpr std::int64_t schema_version = 2;

constexpr const char* schema = R"sql(
CREATE TABLE catalogue(
  server TEXT PRIMARY KEY, settings TEXT NOT NULL, tools TEXT NOT NULL, prompts TEXT NOT NULL,
  resources TEXT NOT NULL, templates TEXT NOT NULL, facts TEXT NOT NULL,
  instructions TEXT NOT NULL, saved_at INTEGER NOT NULL) STRICT;
CREATE TABLE pin(
  server TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,
  definition TEXT NOT NULL, held_sha256 TEXT NOT NULL, held_definition TEXT NOT NULL,
  first_seen INTEGER NOT NULL, changed_at INTEGER NOT NULL, gone_at INTEGER NOT NULL,
  PRIMARY KEY(server, kind, name)) STRICT;
CREATE TABLE change(
  number INTEGER PRIMARY KEY AUTOINCREMENT, server TEXT NOT NULL, kind TEXT NOT NULL,
  name TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, summary TEXT NOT NULL,
  at INTEGER NOT NULL) STRICT;
CREATE TABLE vmcp(
  id TEXT PRIMARY KEY, generation INTEGER NOT NULL, definition TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  port INTEGER NOT NULL DEFAULT 0) STRICT;
)sql";

/// What makes a file of version 1 one of this version.
constexpr const char* from_version_1 =
    "ALTER TABLE vmcp ADD COLUMN port INTEGER NOT NULL DEFAULT 0";

/// What an opened file turns out to be.
enum class state : std::uint8_t { sound, damaged, too_new, failed };

struct verdict {
  state is = state::failed;
  std::string why;
};

verdict judged(sqlite3* on, int code) {
  return {is_damage(code) ? state::damaged : state::failed, sqlite3_errmsg(on)};
}

/// Makes the folders that are missing, for their owner alone.
result<> make_folder(const fs::path& folder) {
  std::error_code ignored;
  if (folder.empty() || fs::is_directory(folder, ignored))
    return {};
  if (auto made = make_folder(folder.parent_path()); !made)
    return made;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(errc::unavailable, "the folder " + folder.string() + " cannot be made",
                std::strerror(errno));
  return {};
}

/// A descriptor of a file that nobody else can read, made if it is missing; -1 with errno.
int open_private(const fs::path& file, int flags) {
  return ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
}

/// SQLite gives its log and shared memory the permissions of the file. One that is there stays
/// closed: to close a descriptor of it would release the locks of a connection of this process.
result<> make_file(const fs::path& file) {
  const int descriptor = open_private(file, O_EXCL);
  if (descriptor < 0 && errno != EEXIST)
    return fail(errc::unavailable, file.string() + " cannot be made", std::strerror(errno));
  if (descriptor >= 0)
    ::close(descriptor);
  return {};
}

result<connection> connect(const char* file) {
  sqlite3* made = nullptr;
  const int code = sqlite3_open_v2(file, &made,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                       SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                                   nullptr);
  connection opened(made);
  if (code != SQLITE_OK)
    return fail(errc::unavailable, fmt::format("{} cannot be opened", file), sqlite3_errstr(code));
  sqlite3_extended_result_codes(made, 1);
  sqlite3_busy_timeout(made, static_cast<int>(limits::store_busy_timeout.count()));
  // A file that somebody prepared must not make SQLite do more than keep rows.
  sqlite3_db_config(made, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(made, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(made, SQLITE_LIMIT_ATTACHED, 0);
  return opened;
}

/// The only value of a pragma; `code` is SQLITE_ROW when there is one.
struct pragma_value {
  int code;
  std::string text;
};
pragma_value pragma(sqlite3* on, std::string_view sql) {
  query asked(on, sql);
  const bool found = asked.next();
  return {asked.code(), found ? asked.text(0) : std::string()};
}

/// Whatever is in the file by now, it is this program's of this version.
verdict make_schema(sqlite3* on) {
  transaction all(on);
  if (!all.begun())
    return judged(on, sqlite3_extended_errcode(on));
  // Another process may have been here first.
  const auto version = pragma(on, "PRAGMA user_version").text;
  if (version != std::to_string(schema_version)) {
    const std::string marks = fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                          application, schema_version);
    if (execute(on, version == "0" ? schema : from_version_1) != SQLITE_OK ||
        execute(on, marks.c_str()) != SQLITE_OK)
      return judged(on, sqlite3_extended_errcode(on));
  }
  if (!all.commit())
    return judged(on, sqlite3_extended_errcode(on));
  return {state::sound, {}};
}

verdict examine(sqlite3* on) {
  const auto tables = pragma(on, "SELECT count(*) FROM sqlite_schema");
  if (tables.code != SQLITE_ROW)
    return judged(on, tables.code);
  const auto mark = pragma(on, "PRAGMA application_id");
  const auto version = pragma(on, "PRAGMA user_version");
  const bool fresh = tables.text == "0" && mark.text == "0" && version.text == "0";
  if (!fresh && mark.text != std::to_string(application))
    return {state::damaged, "it is a database of another program"};
  if (!fresh && std::atoll(version.text.c_str()) > schema_version)
    return {state::too_new, fmt::format("its version is {}, this program knows up to {}",
                                        version.text, schema_version)};
  // A write-ahead log lets a reader (`nexus`, a backup) in while something is written. FULL: who
  // was told that a virtual MCP is saved finds it after a power failure too; writes are so few, and
  // so far from any call, that waiting for the disk costs nobody anything.
  for (const char* setting :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cell_size_check = ON"})
    if (const int code = execute(on, setting); code != SQLITE_OK)
      return judged(on, code);
  if (fresh)
    return make_schema(on);
  const auto check = pragma(on, "PRAGMA quick_check(1)");
  if (check.code != SQLITE_ROW)
    return judged(on, check.code);
  if (check.text != "ok")
    return {state::damaged, check.text};
  if (version.text != std::to_string(schema_version))
    return make_schema(on);
  return {state::sound, {}};
}

std::string time_text(wall_ms now) {
  const std::time_t at = now / 1000;
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

/// Renames a file and what SQLite keeps beside it. A log without its database is never left: the
/// next database of that name would take it for its own.
result<> set_aside(const fs::path& file, std::string_view why, wall_ms now) {
  const std::string base = file.string() + ".damaged-" + time_text(now);
  std::string aside = base;
  std::error_code failed;
  for (unsigned i = 2; fs::exists(aside, failed); ++i)
    aside = fmt::format("{}-{}", base, i);
  for (const char* suffix : {"-wal", "-shm", "-journal", ""}) {
    fs::rename(file.string() + suffix, aside + suffix, failed);
    if (failed && failed != std::errc::no_such_file_or_directory)
      return fail(errc::unavailable, file.string() + " is damaged and cannot be renamed",
                  failed.message());
  }
  log::warn("store", "set_aside",
            {{"file", file.string()}, {"renamed_to", aside}, {"reason", why}});
  return {};
}

} // namespace

file_lock::~file_lock() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

result<file_lock> file_lock::make(const fs::path& file) {
  const std::string path = file.string() + ".lock";
  file_lock made;
  made.descriptor_ = open_private(path, 0);
  if (made.descriptor_ < 0)
    return fail(errc::unavailable, path + " cannot be opened", std::strerror(errno));
  return made;
}

bool file_lock::alone() noexcept {
  return ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
}

result<> file_lock::share() {
  while (::flock(descriptor_, LOCK_SH) != 0)
    if (errno != EINTR)
      return fail(errc::unavailable, "the state's file cannot be locked", std::strerror(errno));
  return {};
}

result<opened> open_file(const fs::path& file, wall_ms now) {
  if (auto made = make_folder(file.parent_path()); !made)
    return std::unexpected(made.error());
  auto lock = file_lock::make(file);
  if (!lock)
    return std::unexpected(lock.error());
  const bool alone = lock->alone();
  if (!alone)
    if (auto shared = lock->share(); !shared)
      return std::unexpected(shared.error());
  // Twice at most: what is set aside is followed by a file that is empty.
  for (unsigned attempt = 0;; ++attempt) {
    if (auto made = make_file(file); !made)
      return std::unexpected(made.error());
    auto link = connect(file.c_str());
    if (!link)
      return std::unexpected(link.error());
    const verdict found = examine(link->get());
    if (found.is == state::sound) {
      if (auto shared = lock->share(); !shared)
        return std::unexpected(shared.error());
      return opened{std::move(*lock), std::move(*link)};
    }
    if (found.is == state::too_new)
      return fail(errc::too_new, file.string() + " was written by a later version of nexus",
                  found.why);
    if (found.is == state::failed || attempt > 0)
      return fail(errc::failed, file.string() + " cannot be used", found.why);
    if (!alone)
      return fail(errc::in_use,
                  file.string() + " is damaged and in use by another process; stop that first",
                  found.why);
    link->reset();
    if (auto renamed = set_aside(file, found.why, now); !renamed)
      return std::unexpected(renamed.error());
  }
}

result<opened> open_memory() {
  auto link = connect(":memory:");
  if (!link)
    return std::unexpected(link.error());
  if (make_schema(link->get()).is != state::sound)
    return failure(link->get());
  return opened{file_lock(), std::move(*link)};
}

} // namespace nexus::store::detail
