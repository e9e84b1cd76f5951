#include "actors/archivist.hpp"

#include <cstdlib>
#include <filesystem>
#include <unordered_map>

#include "base/log.hpp"
#include "registry/duplicates.hpp"
#include "registry/pins.hpp"
#include "registry/saved.hpp"

namespace nexus::actors {
namespace {

using registry::pin_policy;
using catalogue_ptr = std::shared_ptr<const catalog::server_catalogue>;

store::wall_ms wall_now(const archivist_state& s) {
  return std::chrono::duration_cast<milliseconds>(s.setup.process->wall_now().time_since_epoch())
      .count();
}

void warn(std::string_view event, const error& reason) {
  log::warn("store", event, {{"reason", reason.message}, {"detail", reason.detail}});
}

store::database& open_store(archivist_state& s) {
  if (s.store)
    return *s.store;
  if (s.setup.file) {
    auto opened = store::database::open(*s.setup.file, wall_now(s));
    if (opened) {
      s.store = std::move(*opened);
      return *s.store;
    }
    log::warn("store", "in_memory",
              {{"file", *s.setup.file},
               {"reason", opened.error().message},
               {"detail", opened.error().detail}});
  } else if (s.setup.lacks_file) {
    log::warn("store", "in_memory",
              {{"reason", "neither HOME nor XDG_STATE_HOME is set; \"state\" names a file"}});
  }
  auto made = store::database::in_memory();
  if (!made) {
    // Only without any memory left.
    log::error("store", "failed", {{"reason", made.error().detail}});
    log::stop();
    std::_Exit(1);
  }
  s.store = std::move(*made);
  return *s.store;
}

void save(archivist_state& s, const examine_catalogue& about) {
  auto& known = s.saved[about.server];
  if (known.second && known.first == about.settings && known.second->same_as(*about.told))
    return;
  known = {about.settings, about.told};
  const auto row = registry::to_saved(about.server, about.settings, *about.told, wall_now(s));
  if (auto done = open_store(s).put_catalogue(row); !done)
    warn("not_saved", done.error());
}

void log_changes(archivist_state& s, const std::string& server, const registry::pin_check& check,
                 pin_policy policy) {
  for (const auto& changed : check.changed) {
    if (!changed.is_new)
      continue;
    s.setup.process->changed_definitions.fetch_add(1, std::memory_order_relaxed);
    if (policy == pin_policy::record)
      log::info("registry", "definition_changed",
                {{"server", server}, {"kind", changed.kind}, {"name", changed.name}});
    else
      log::warn("registry", "definition_changed",
                {{"server", server},
                 {"kind", changed.kind},
                 {"name", changed.name},
                 {"difference", changed.difference}});
  }
  for (const auto& names : check.withheld)
    for (const auto& name : names)
      log::warn("registry", "quarantined",
                {{"server", server},
                 {"name", name},
                 {"remedy", "nexus pins shows it, nexus pins accept " + server + " " + name +
                                " accepts it"}});
}

enum class writing : std::uint8_t { no, yes };

/// What of a catalogue may be shown. When the pins cannot be read or written, a quarantine shows
/// nothing: what cannot be compared is not known to be what it was.
catalogue_ptr check(archivist_state& s, const std::string& server, const catalogue_ptr& told,
                    pin_policy policy, writing write) {
  if (policy == pin_policy::off)
    return told;
  const auto closed = [&](const error& reason) {
    warn("pins_failed", reason);
    return policy == pin_policy::quarantine ? std::make_shared<const catalog::server_catalogue>()
                                            : told;
  };
  const auto pins = open_store(s).pins_of(server);
  if (!pins)
    return closed(pins.error());
  const auto found = registry::check_pins(server, *told, *pins, policy, wall_now(s));
  if (write == writing::yes) {
    if (!found.update.put.empty() || !found.update.changes.empty())
      if (auto done = open_store(s).update_pins(server, found.update); !done)
        return closed(done.error());
    log_changes(s, server, found, policy);
  }
  return found.withholds() ? registry::without(*told, found.withheld, s.scanner) : told;
}

examined_catalogue examined(archivist_state& s, const std::string& server,
                            const catalogue_ptr& told, pin_policy policy, writing write) {
  examined_catalogue out;
  out.told = told;
  out.shown = check(s, server, told, policy, write);
  auto digests = std::make_shared<std::vector<seal::digest>>();
  const auto& list = out.shown->list(catalog::list_kind::tools);
  for (const auto& item : list.items())
    digests->push_back(registry::tool_digest({list.definition(item), json::kind::object}));
  out.digests = std::move(digests);
  return out;
}

/// Whether there can be anything to load. Clients wait for the answer: a file is made later.
bool nothing_kept(const archivist_state& s) {
  std::error_code unknown;
  return !s.store && (!s.setup.file || !std::filesystem::exists(*s.setup.file, unknown));
}

kept_vmcps on_load_vmcps(archivist_state& s) {
  kept_vmcps out;
  if (nothing_kept(s))
    return out;
  auto rows = open_store(s).vmcps();
  if (rows)
    out.rows = std::move(*rows);
  else
    warn("vmcps_not_loaded", rows.error());
  return out;
}

kept_catalogues on_load(archivist_state& s, const load_catalogues& wanted) {
  kept_catalogues out;
  if (nothing_kept(s))
    return out;
  auto rows = open_store(s).catalogues();
  if (!rows) {
    warn("not_loaded", rows.error());
    return out;
  }
  std::unordered_map<std::string_view, const load_catalogues::entry*> by_name;
  for (const auto& entry : wanted.servers)
    by_name.emplace(entry.server, &entry);
  for (const auto& row : *rows) {
    const auto found = by_name.find(row.server);
    if (found == by_name.end() || found->second->settings != row.settings)
      continue;
    const auto read = registry::from_saved(row, s.scanner);
    if (!read) {
      warn("not_loaded", read.error());
      continue;
    }
    s.saved[row.server] = {row.settings, *read};
    out.servers.emplace_back(found->second->slot,
                             examined(s, row.server, *read, wanted.pins, writing::no));
  }
  if (!out.servers.empty())
    log::info("store", "loaded", {{"servers", out.servers.size()}});
  return out;
}

} // namespace

archivist_actor::behavior_type
archivist_behavior(archivist_actor::stateful_pointer<archivist_state> self,
                   const archivist_setup& setup) {
  self->state.setup = setup;
  return {
      [self](const load_catalogues& wanted) { return on_load(self->state, wanted); },
      [self](const examine_catalogue& about) {
        save(self->state, about);
        return examined(self->state, about.server, about.told, about.pins, writing::yes);
      },
      [self](const load_vmcps&) { return on_load_vmcps(self->state); },
      [self](const store_work& work) { (*work.run)(open_store(self->state)); },
      [self](const close_store&) { self->quit(); },
  };
}

} // namespace nexus::actors
