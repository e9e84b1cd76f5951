#pragma once

#include "actors/registry.hpp"

/// What the registry has kept, and looked at, by the archivist. Without one nothing is.
namespace nexus::actors::keeping {

using registry_pointer = registry_actor::stateful_pointer<registry_state>;

/// Asks for what servers told earlier, of those that have told nothing yet. The first snapshot
/// waits for it, limits::kept_catalogues_wait at most.
void load(registry_pointer self);
/// False while the first snapshot waits.
[[nodiscard]] bool may_publish(const registry_state& s);

/// Has a new catalogue kept and compared. @returns true when the event has to wait, as changes are
/// not to be seen before they were looked at, or waits for one before it: `apply` is called later
[[nodiscard]] bool hand_over(registry_pointer self, const server_changed& event);
/// Looks at everything again: what is done about changes or duplicates is other than it was.
void look_again(registry_pointer self);
void look_again(registry_pointer self, const std::string& server);

/// Which tools the address of all servers leaves out, and which lead to several servers, by slot.
/// @returns whether that is other than it was
bool settle_duplicates(registry_state& s);
/// Whose latency is to be looked at: that of servers of which none is known, or of all.
enum class latencies : std::uint8_t { unknown, all };
/// Notes how long the calls of servers took since that was last noted.
void measure(registry_state& s, latencies which);

} // namespace nexus::actors::keeping

namespace nexus::actors {
/// Takes in what a server tells. In registry.cpp.
void apply_change(registry_actor::stateful_pointer<registry_state> self,
                  const server_changed& event);
/// Has a snapshot made soon. In registry.cpp.
void schedule_snapshot(registry_actor::stateful_pointer<registry_state> self);
} // namespace nexus::actors
