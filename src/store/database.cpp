#include "store/database.hpp"

#include <fmt/format.h>

#include "base/limits.hpp"
#include "store/opening.hpp"

namespace nexus::store {
namespace {

using detail::query;
using detail::transaction;

class store_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "store"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
    case errc::unavailable:
      return "the file cannot be opened";
    case errc::in_use:
      return "damaged and in use";
    case errc::too_new:
      return "written by a later version";
    case errc::stale:
      return "changed meanwhile";
    case errc::too_large:
      return "too large to be stored";
    case errc::failed:
      return "the database reports an error";
    }
    return "unknown";
  }
};

const store_category category;

constexpr std::string_view pin_columns =
    "server, kind, name, sha256, held_sha256, first_seen, changed_at, gone_at";

pin read_pin(const query& row) {
  pin out;
  out.server = row.text(0);
  out.kind = row.text(1);
  out.name = row.text(2);
  out.sha256 = row.text(3);
  out.held_sha256 = row.text(4);
  out.first_seen = row.number(5);
  out.changed_at = row.number(6);
  out.gone_at = row.number(7);
  return out;
}

result<> checked_size(std::size_t bytes, std::string_view what) {
  if (bytes <= limits::stored_value_bytes_max)
    return {};
  return fail(errc::too_large, fmt::format("{} has {} bytes; {} can be stored", what, bytes,
                                           limits::stored_value_bytes_max));
}

result<> write_pins(sqlite3* on, const std::vector<pin>& pins) {
  query put(on, "INSERT OR REPLACE INTO pin(server, kind, name, sha256, definition, held_sha256, "
                "held_definition, first_seen, changed_at, gone_at) VALUES(?,?,?,?,?,?,?,?,?,?)");
  for (const pin& p : pins) {
    put.bind(p.server).bind(p.kind).bind(p.name).bind(p.sha256).bind(p.definition);
    put.bind(p.held_sha256).bind(p.held_definition).bind(p.first_seen);
    put.bind(p.changed_at).bind(p.gone_at);
    if (auto done = put.run(); !done)
      return done;
  }
  return {};
}

result<> write_changes(sqlite3* on, const std::vector<change>& changes) {
  query put(on, "INSERT INTO change(server, kind, name, before, after, summary, at) "
                "VALUES(?,?,?,?,?,?,?)");
  for (const change& c : changes) {
    put.bind(c.server).bind(c.kind).bind(c.name).bind(c.before).bind(c.after);
    put.bind(c.summary).bind(c.at);
    if (auto done = put.run(); !done)
      return done;
  }
  return {};
}

/// Forgets what is beyond the limits.
result<> trim(sqlite3* on, std::string_view server) {
  query old(on, "DELETE FROM change WHERE number <= (SELECT max(number) FROM change) - ?");
  old.bind(std::int64_t{limits::pin_changes_max});
  if (auto done = old.run(); !done)
    return done;
  query gone(on, "DELETE FROM pin WHERE rowid IN (SELECT rowid FROM pin WHERE server = ? AND "
                 "gone_at > 0 ORDER BY gone_at DESC, kind, name LIMIT -1 OFFSET ?)");
  gone.bind(server).bind(std::int64_t{limits::gone_pins_per_server_max});
  return gone.run();
}

/// Forgets the servers beyond the limit.
result<> forget_servers(sqlite3* on) {
  query count(on, "SELECT count(*) FROM catalogue");
  if (count.next() && count.number(0) <= std::int64_t{limits::stored_servers_max})
    return {};
  query old(on, "DELETE FROM catalogue WHERE rowid IN (SELECT rowid FROM catalogue "
                "ORDER BY saved_at DESC, server LIMIT -1 OFFSET ?)");
  if (auto done = old.bind(std::int64_t{limits::stored_servers_max}).run(); !done)
    return done;
  query pins(on, "DELETE FROM pin WHERE server NOT IN (SELECT server FROM catalogue)");
  return pins.run();
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), category};
}

struct database::impl {
  detail::opened file;
  [[nodiscard]] sqlite3* on() const noexcept { return file.link.get(); }
};

database::database(std::unique_ptr<impl> opened) : impl_(std::move(opened)) {}
database::~database() = default;
database::database(database&&) noexcept = default;
database& database::operator=(database&&) noexcept = default;

result<database> database::open(const std::filesystem::path& file, wall_ms now) {
  auto opened = detail::open_file(file, now);
  if (!opened)
    return std::unexpected(opened.error());
  return database(std::make_unique<impl>(impl{std::move(*opened)}));
}

result<database> database::in_memory() {
  auto opened = detail::open_memory();
  if (!opened)
    return std::unexpected(opened.error());
  return database(std::make_unique<impl>(impl{std::move(*opened)}));
}

result<> database::put_catalogue(const saved_catalogue& from) {
  std::size_t bytes = from.facts.size() + from.instructions.size();
  for (const std::string& list : from.lists)
    bytes += list.size();
  if (auto fits = checked_size(bytes, "the catalogue of \"" + from.server + "\""); !fits)
    return fits;
  transaction all(impl_->on());
  if (auto begun = all.begun(); !begun)
    return begun;
  query put(impl_->on(), "INSERT OR REPLACE INTO catalogue(server, settings, tools, prompts, "
                         "resources, templates, facts, instructions, saved_at) "
                         "VALUES(?,?,?,?,?,?,?,?,?)");
  put.bind(from.server).bind(from.settings);
  for (const std::string& list : from.lists)
    put.bind(list);
  put.bind(from.facts).bind(from.instructions).bind(from.saved_at);
  if (auto done = put.run(); !done)
    return done;
  if (auto done = forget_servers(impl_->on()); !done)
    return done;
  return all.commit();
}

result<std::vector<saved_catalogue>> database::catalogues() {
  std::vector<saved_catalogue> out;
  query rows(impl_->on(), "SELECT server, settings, tools, prompts, resources, templates, facts, "
                          "instructions, saved_at FROM catalogue ORDER BY server");
  while (rows.next()) {
    saved_catalogue one;
    one.server = rows.text(0);
    one.settings = rows.text(1);
    for (std::size_t i = 0; i < one.lists.size(); ++i)
      one.lists[i] = rows.text(static_cast<int>(2 + i));
    one.facts = rows.text(6);
    one.instructions = rows.text(7);
    one.saved_at = rows.number(8);
    out.push_back(std::move(one));
  }
  if (auto read = rows.outcome(); !read)
    return std::unexpected(read.error());
  return out;
}

result<std::vector<pin>> database::pins_of(std::string_view server) {
  std::vector<pin> out;
  query rows(
      impl_->on(),
      fmt::format(
          "SELECT {}, definition, held_definition FROM pin WHERE server = ? ORDER BY kind, name",
          pin_columns));
  rows.bind(server);
  while (rows.next()) {
    out.push_back(read_pin(rows));
    out.back().definition = rows.text(8);
    out.back().held_definition = rows.text(9);
  }
  if (auto read = rows.outcome(); !read)
    return std::unexpected(read.error());
  return out;
}

result<std::vector<pin>> database::pins() {
  std::vector<pin> out;
  query rows(impl_->on(),
             fmt::format("SELECT {} FROM pin ORDER BY server, kind, name", pin_columns));
  while (rows.next())
    out.push_back(read_pin(rows));
  if (auto read = rows.outcome(); !read)
    return std::unexpected(read.error());
  return out;
}

result<> database::update_pins(std::string_view server, const pin_update& what) {
  transaction all(impl_->on());
  if (auto begun = all.begun(); !begun)
    return begun;
  if (auto done = write_pins(impl_->on(), what.put); !done)
    return done;
  if (auto done = write_changes(impl_->on(), what.changes); !done)
    return done;
  if (auto done = trim(impl_->on(), server); !done)
    return done;
  return all.commit();
}

result<std::size_t> database::accept_pins(std::string_view server, std::string_view name,
                                          wall_ms now) {
  query accept(impl_->on(), "UPDATE pin SET sha256 = held_sha256, definition = held_definition, "
                            "held_sha256 = '', held_definition = '', changed_at = ? "
                            "WHERE server = ? AND held_sha256 <> '' AND ? IN ('', name)");
  if (auto done = accept.bind(now).bind(server).bind(name).run(); !done)
    return std::unexpected(done.error());
  return static_cast<std::size_t>(sqlite3_changes(impl_->on()));
}

result<std::vector<change>> database::changes(std::size_t at_most) {
  std::vector<change> out;
  query rows(impl_->on(), "SELECT number, server, kind, name, before, after, summary, at "
                          "FROM change ORDER BY number DESC LIMIT ?");
  rows.bind(static_cast<std::int64_t>(at_most));
  while (rows.next())
    out.push_back({rows.number(0), rows.text(1), rows.text(2), rows.text(3), rows.text(4),
                   rows.text(5), rows.text(6), rows.number(7)});
  if (auto read = rows.outcome(); !read)
    return std::unexpected(read.error());
  return out;
}

result<std::uint64_t> database::put_vmcp(std::string_view id, std::string_view definition,
                                         std::uint64_t expected, wall_ms now, std::uint16_t port) {
  if (auto fits = checked_size(definition.size(), "the definition"); !fits)
    return std::unexpected(fits.error());
  transaction all(impl_->on());
  if (auto begun = all.begun(); !begun)
    return std::unexpected(begun.error());
  query known(impl_->on(), "SELECT generation FROM vmcp WHERE id = ?");
  known.bind(id);
  const auto there = known.next() ? static_cast<std::uint64_t>(known.number(0)) : 0;
  if (auto read = known.outcome(); !read)
    return std::unexpected(read.error());
  if (there != expected)
    return fail(errc::stale, there == 0 ? "there is none of this id"
                                        : fmt::format("its generation is {}", there));
  query put(impl_->on(), "INSERT INTO vmcp(id, generation, definition, created_at, updated_at, "
                         "port) VALUES(?,?,?,?,?,?) ON CONFLICT DO UPDATE SET "
                         "generation=excluded.generation, definition=excluded.definition, "
                         "updated_at=excluded.updated_at, port=excluded.port");
  put.bind(id).bind(static_cast<std::int64_t>(expected + 1)).bind(definition).bind(now).bind(now);
  put.bind(std::int64_t{port});
  if (auto done = put.run(); !done)
    return std::unexpected(done.error());
  if (auto done = all.commit(); !done)
    return std::unexpected(done.error());
  return expected + 1;
}

result<std::vector<saved_vmcp>> database::vmcps() {
  std::vector<saved_vmcp> out;
  query rows(impl_->on(), "SELECT id, generation, definition, created_at, updated_at, port "
                          "FROM vmcp ORDER BY created_at, id");
  while (rows.next())
    out.push_back({rows.text(0), static_cast<std::uint64_t>(rows.number(1)), rows.text(2),
                   rows.number(3), rows.number(4), static_cast<std::uint16_t>(rows.number(5))});
  if (auto read = rows.outcome(); !read)
    return std::unexpected(read.error());
  return out;
}

result<bool> database::remove_vmcp(std::string_view id) {
  query remove(impl_->on(), "DELETE FROM vmcp WHERE id = ?");
  if (auto done = remove.bind(id).run(); !done)
    return std::unexpected(done.error());
  return sqlite3_changes(impl_->on()) > 0;
}

} // namespace nexus::store
