#include "actors/registry_keeping.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "registry/duplicates.hpp"

namespace nexus::actors::keeping {
namespace {

/// What is told has to be looked at before it may be seen.
bool gated(const registry_state& s) {
  return s.order.care.pins == config::pin_policy::quarantine ||
         s.order.care.duplicates == config::duplicate_policy::hide;
}

const server_order::entry* entry_of(const registry_state& s, std::uint32_t slot) {
  const auto found = std::find_if(s.order.servers.begin(), s.order.servers.end(),
                                  [&](const auto& entry) { return entry.slot == slot; });
  return found == s.order.servers.end() ? nullptr : &*found;
}

void apply_waiting(registry_pointer self, std::uint32_t slot);

void on_examined(registry_pointer self, std::uint32_t slot, const examined_catalogue& found) {
  auto& s = self->state;
  const auto part = s.parts.find(slot);
  if (part == s.parts.end() || part->second.waiting.empty())
    return; // removed meanwhile
  auto event = std::move(part->second.waiting.front());
  part->second.waiting.pop_front();
  event.catalogue = found.shown;
  part->second.digests = found.digests;
  schedule_snapshot(self); // what it hides may be other than it was
  apply_change(self, event);
  apply_waiting(self, slot);
}

/// @pre the server is configured
void examine(registry_pointer self, std::uint32_t slot,
             const std::shared_ptr<const catalog::server_catalogue>& told, bool waits) {
  auto& s = self->state;
  const auto* const entry = entry_of(s, slot);
  self->request(s.archivist, caf::infinite,
                examine_catalogue{entry->name, entry->settings, told, s.order.care.pins})
      .then(
          [self, slot, waits](const examined_catalogue& found) {
            if (waits)
              on_examined(self, slot, found);
          },
          [self, slot, waits](const caf::error&) {
            log::error("registry", "archivist_lost", {{"slot", slot}});
            if (waits) // nothing of it was looked at, so nothing is shown
              on_examined(self, slot,
                          {nullptr, std::make_shared<const catalog::server_catalogue>(),
                           std::make_shared<const std::vector<seal::digest>>()});
          });
}

/// Lets pass what waits, up to the next catalogue.
void apply_waiting(registry_pointer self, std::uint32_t slot) {
  auto& s = self->state;
  for (;;) {
    const auto part = s.parts.find(slot);
    if (part == s.parts.end() || part->second.waiting.empty())
      return;
    if (part->second.waiting.front().catalogue)
      return examine(self, slot, part->second.waiting.front().catalogue, true);
    const auto event = std::move(part->second.waiting.front());
    part->second.waiting.pop_front();
    apply_change(self, event);
  }
}

void wait_behind(registry_pointer self, std::uint32_t slot, server_changed event) {
  auto& part = self->state.parts[slot];
  part.waiting.push_back(std::move(event));
  if (part.waiting.size() == 1)
    apply_waiting(self, slot);
}

void on_kept(registry_pointer self, const kept_catalogues& kept) {
  auto& s = self->state;
  s.loading = false;
  for (const auto& [slot, found] : kept.servers) {
    const auto part = s.parts.find(slot);
    if (part == s.parts.end() || part->second.told)
      continue; // it has told its own meanwhile
    part->second.told = found.told;
    part->second.digests = found.digests;
    apply_change(self, {nullptr, found.shown, slot});
  }
  schedule_snapshot(self);
}

} // namespace

void load(registry_pointer self) {
  auto& s = self->state;
  load_catalogues wanted{{}, s.order.care.pins};
  for (const auto& entry : s.order.servers)
    if (auto& part = s.parts[entry.slot]; !part.told && !std::exchange(part.asked_for, true))
      wanted.servers.push_back({entry.slot, entry.name, entry.settings});
  if (!s.archivist || wanted.servers.empty())
    return;
  if (s.generation == 0) {
    s.loading = true;
    s.load_deadline = s.process->now() + limits::kept_catalogues_wait;
    self->delayed_send(self, limits::kept_catalogues_wait, publish_snapshot{});
  }
  self->request(s.archivist, caf::infinite, std::move(wanted))
      .then([self](const kept_catalogues& kept) { on_kept(self, kept); },
            [self](const caf::error&) { on_kept(self, {}); });
}

bool may_publish(const registry_state& s) {
  return !s.loading || s.generation > 0 || s.process->now() >= s.load_deadline;
}

bool hand_over(registry_pointer self, const server_changed& event) {
  auto& s = self->state;
  const auto found = s.parts.find(event.slot);
  if (!s.archivist || found == s.parts.end() || entry_of(s, event.slot) == nullptr)
    return false;
  auto& part = found->second;
  if (event.catalogue)
    part.told = event.catalogue;
  if (!part.waiting.empty() || (gated(s) && event.catalogue)) {
    wait_behind(self, event.slot, event);
    return true;
  }
  if (event.catalogue)
    examine(self, event.slot, event.catalogue, false);
  return false;
}

void look_again(registry_pointer self) {
  auto& s = self->state;
  if (!s.archivist)
    return;
  for (auto& [slot, part] : s.parts)
    if (part.told && entry_of(s, slot) != nullptr)
      wait_behind(self, slot, {nullptr, part.told, slot});
}

void look_again(registry_pointer self, const std::string& server) {
  auto& s = self->state;
  for (const auto& entry : s.order.servers)
    if (auto& part = s.parts[entry.slot]; entry.name == server && part.told && s.archivist)
      wait_behind(self, entry.slot, {nullptr, part.told, entry.slot});
}

void find_hidden(registry_state& s) {
  std::vector<registry::tool_entry> tools;
  std::vector<std::uint32_t> slots; // of each tool
  if (s.order.care.duplicates == config::duplicate_policy::hide)
    for (const auto& entry : s.order.servers) {
      const auto& part = s.parts[entry.slot];
      if (!part.catalogue || !part.digests ||
          part.digests->size() != part.catalogue->tools().size())
        continue;
      for (std::size_t i = 0; i < part.digests->size(); ++i) {
        registry::tool_entry tool;
        tool.server = entry.name;
        tool.name = part.catalogue->tools()[i].name;
        tool.digest = (*part.digests)[i];
        tool.available = part.available;
        tools.push_back(tool);
        slots.push_back(entry.slot);
      }
    }
  std::map<std::uint32_t, catalog::hidden_tools> hidden;
  for (const auto& group : registry::find_exact_duplicates(tools, s.order.care.prefer))
    for (const auto i : group.tools)
      if (tools[i].server != tools[group.canonical].server)
        hidden[slots[i]].emplace(tools[i].name);
  for (auto& [slot, part] : s.parts) {
    const auto found = hidden.find(slot);
    // One that is as it was keeps its address: lists that lead to it are shared.
    if (found == hidden.end())
      part.hidden.reset();
    else if (!part.hidden || *part.hidden != found->second)
      part.hidden = std::make_shared<const catalog::hidden_tools>(std::move(found->second));
  }
}

std::uint32_t preference_of(const registry_state& s, const std::string& server) {
  const auto& prefer = s.order.care.prefer;
  const auto found = std::find(prefer.begin(), prefer.end(), server);
  return found == prefer.end() ? catalog::no_preference
                               : static_cast<std::uint32_t>(found - prefer.begin());
}

} // namespace nexus::actors::keeping
