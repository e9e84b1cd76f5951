#include "actors/registry_keeping.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.hpp"
#include "registry/settlement.hpp"

namespace nexus::actors::keeping {
namespace {

bool cares_for_duplicates(const registry_state& s) {
  constexpr auto leave = config::duplicate_policy::leave;
  const auto& rules = s.order.care.duplicates;
  return rules.exact != leave ||
         std::ranges::any_of(rules.groups, [](const auto& group) { return group.action != leave; });
}

/// What is told has to be looked at before it may be seen.
bool gated(const registry_state& s) {
  return s.order.care.pins == config::pin_policy::quarantine || cares_for_duplicates(s);
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

bool settle_duplicates(registry_state& s) {
  std::vector<registry::listed_server> servers;
  if (cares_for_duplicates(s))
    for (const auto& entry : s.order.servers) {
      const auto& part = s.parts[entry.slot];
      if (part.catalogue && part.digests && part.digests->size() == part.catalogue->tools().size())
        servers.push_back({entry.slot, entry.name,
                           part.catalogue->lists[index_of(catalog::list_kind::tools)],
                           *part.digests, part.available, part.latency_ms, part.merged.get()});
    }
  auto settled = registry::settle_duplicates(servers, s.order.care.duplicates);
  // What is as it was keeps its address: lists that lead to it are shared.
  bool changed = false;
  const auto take = [&changed](auto& known, auto& found, const auto& same) {
    if (known == found || (known && found && std::ranges::equal(*known, *found, same)))
      return;
    known = std::move(found);
    changed = true;
  };
  for (auto& [slot, part] : s.parts) {
    auto& found = settled[slot];
    take(part.hidden, found.hidden, std::equal_to<>());
    take(part.merged, found.merged,
         [](const auto& a, const auto& b) { return a.first == b.first && *a.second == *b.second; });
  }
  return changed;
}

void measure(registry_state& s, latencies which) {
  for (auto& [slot, part] : s.parts) {
    if (which == latencies::unknown && part.latency_ms > 0)
      continue;
    std::uint64_t calls = 0, sum_ns = 0;
    for (std::size_t w = 0; w < s.process->metrics.worker_count(); ++w) {
      const auto& seen = s.process->metrics.worker(w).server(slot).latency;
      for (std::size_t i = 0; i <= metrics::latency_histogram::bounds_us.size(); ++i)
        calls += seen.bucket(i);
      sum_ns += seen.sum_ns();
    }
    if (calls <= part.measured_calls)
      continue; // nothing is known that was not
    part.latency_ms = static_cast<double>(sum_ns - part.measured_ns) /
                      static_cast<double>(calls - part.measured_calls) / 1e6;
    part.measured_calls = calls;
    part.measured_ns = sum_ns;
  }
}

} // namespace nexus::actors::keeping
