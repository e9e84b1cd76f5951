#include "actors/registry.hpp"

#include <utility>

#include "actors/indexer.hpp"
#include "actors/registry_keeping.hpp"
#include "base/log.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::actors {
namespace {

using self_pointer = registry_actor::stateful_pointer<registry_state>;

void schedule(self_pointer self) {
  schedule_snapshot(self);
}

void on_order(self_pointer self, const server_order& order) {
  auto& s = self->state;
  std::map<std::uint32_t, registry_state::part> kept;
  for (const auto& entry : order.servers) {
    auto& part = kept[entry.slot];
    if (const auto known = s.parts.find(entry.slot); known != s.parts.end()) {
      part = known->second;
    } else if (const auto old = s.parts.find(entry.stands_in); old != s.parts.end()) {
      // A changed server is replaced: its tools stay listed until the new one has told its own.
      part.catalogue = old->second.catalogue;
      part.digests = old->second.digests;
      part.merged = old->second.merged;
    }
  }
  s.parts = std::move(kept);
  const bool cares_otherwise = s.order.care != order.care;
  s.order = order;
  s.duplicates = std::make_shared<const config::duplicate_rules>(order.care.duplicates);
  s.dropped.insert(s.dropped.end(), order.dropped.begin(), order.dropped.end());
  s.order.dropped.clear();
  std::erase_if(s.unpublished,
                [&](const auto& endpoint) { return !s.parts.contains(endpoint->slot); });
  if (cares_otherwise)
    keeping::look_again(self);
  keeping::load(self);
  schedule(self);
}

/// Nothing in a snapshot leads to a session of some clients: its calls come by the server's slot.
void publish_branch(engine::process& process, const engine::endpoint_ptr& endpoint) {
  {
    const auto runtime = process.runtime(endpoint->slot);
    const std::lock_guard lock(runtime->mutex);
    runtime->endpoint = endpoint;
  }
  process.post_to_all([endpoint](engine::worker& w) { w.install(endpoint); });
}

void on_changed(self_pointer self, const server_changed& event) {
  auto& s = self->state;
  if (event.endpoint && event.endpoint->as)
    return publish_branch(*s.process, event.endpoint);
  if (!keeping::hand_over(self, event))
    apply_change(self, event);
}

void on_publish(self_pointer self) {
  auto& s = self->state;
  s.publishing = false;
  if (!keeping::may_publish(s))
    return; // it is scheduled once what was kept has come
  keeping::measure(s, keeping::latencies::unknown);
  keeping::settle_duplicates(s);
  std::vector<catalog::server_part> parts;
  for (const auto& entry : s.order.servers) {
    const auto& part = s.parts[entry.slot];
    parts.push_back({entry.slot, entry.name, part.catalogue, part.available, part.unusable,
                     part.hidden, part.merged, part.latency_ms, entry.tags});
  }
  index_order searched;
  for (const auto& part : parts)
    if (part.catalogue)
      searched.servers.emplace_back(part.name,
                                    part.catalogue->lists[index_of(catalog::list_kind::tools)]);
  self->send(s.indexer, std::move(searched));
  auto surface = s.order.surface;
  surface.most_used = s.most_used;
  auto snapshot = std::make_shared<const catalog::snapshot>(
      ++s.generation, s.order.names, std::move(parts), s.published.get(), surface, s.duplicates);
  for (const auto& problem : snapshot->problems())
    log::warn("catalogue", "hidden", {{"problem", problem}});
  s.published = snapshot;
  s.process->catalogue_tools = snapshot->all().size();
  s.process->post_to_all([snapshot, endpoints = std::move(s.unpublished)](engine::worker& w) {
    w.install(snapshot);
    for (const auto& endpoint : endpoints)
      w.install(endpoint);
  });
  s.unpublished.clear();
  s.process->catalogue_generation = s.generation;
  s.process->catalogue_generation.notify_all();
  // What they post to the workers from here on comes after this snapshot.
  for (const auto& actor : std::exchange(s.dropped, {}))
    self->send(actor, retire_server{});
}

/// What is shown directly changes seldom: every change costs the clients' models what they cached.
void on_review(self_pointer self) {
  auto& s = self->state;
  self->delayed_send(self, limits::usage_review_interval, review_usage{});
  keeping::measure(s, keeping::latencies::all);
  if (s.published && keeping::settle_duplicates(s))
    schedule(self);
  if (s.order.surface.mode != config::exposure_mode::automatic)
    return;
  auto now = s.process->usage.most_used(limits::most_used_pinned_max);
  if (now == s.most_used)
    return;
  s.most_used = std::move(now);
  schedule(self);
}

} // namespace

void schedule_snapshot(self_pointer self) {
  if (self->state.publishing)
    return;
  self->state.publishing = true;
  self->send(self, publish_snapshot{});
}

void apply_change(self_pointer self, const server_changed& event) {
  auto& s = self->state;
  const auto found = s.parts.find(event.slot);
  if (found == s.parts.end())
    return; // removed meanwhile
  auto& part = found->second;
  bool visible = false;
  if (event.catalogue) {
    visible = !part.catalogue || !part.catalogue->same_as(*event.catalogue);
    part.catalogue = event.catalogue;
  }
  const auto runtime = s.process->runtime(event.slot);
  if (part.catalogue)
    runtime->tools.store(static_cast<std::uint32_t>(part.catalogue->tools().size()));
  if (event.endpoint) {
    {
      const std::lock_guard lock(runtime->mutex);
      runtime->endpoint = event.endpoint;
    }
    part.endpoint = event.endpoint;
    const bool available = event.endpoint->state != engine::server_state::down;
    // While a dead server is being connected again its tools stay marked.
    const bool reconnecting = event.endpoint->state == engine::server_state::connecting;
    if (!reconnecting && available != part.available) {
      part.available = available;
      visible = visible || part.catalogue != nullptr;
    }
    // It takes the place of one that still waits for its snapshot; those of others keep waiting.
    std::erase_if(s.unpublished, [&](const auto& older) { return older->slot == event.slot; });
    // Nothing in the snapshot depends on it, or calls should fail without delay.
    const bool hopeless =
        event.endpoint->settings && !event.endpoint->settings->unusable_reason.empty();
    visible = visible || hopeless != part.unusable;
    part.unusable = hopeless;
    if (!visible || !available)
      s.process->post_to_all(
          [endpoint = event.endpoint](engine::worker& w) { w.install(endpoint); });
    else
      s.unpublished.push_back(event.endpoint);
  }
  if (visible)
    schedule(self);
}

registry_actor::behavior_type registry_behavior(self_pointer self, engine::process* process,
                                                const archivist_actor& archivist) {
  self->state.process = process;
  self->state.archivist = archivist;
  self->state.indexer = self->spawn<caf::detached>(indexer_behavior, process);
  on_review(self);
  return {
      [self](const server_order& order) { on_order(self, order); },
      [self](const server_changed& event) { on_changed(self, event); },
      [self](const publish_snapshot&) { on_publish(self); },
      [self](const review_usage&) { on_review(self); },
      [self](const pins_accepted& event) { keeping::look_again(self, event.server); },
  };
}

} // namespace nexus::actors
