#pragma once

#include "catalog/list_view.hpp"

/// Calls of a tool that several servers have. The client sees one tool; its call goes to the best
/// server that can take it, and to the next one when it is certain that this does no harm.
namespace nexus::engine {

class exchange;
class worker;

/// The member that a call should be given to next: one that is ready or starts when it is called,
/// the best first; else one that is connecting. Members that were tried are left out.
/// @returns null when only servers that are down are left
[[nodiscard]] const catalog::merged_tool::member* next_member(worker& on, const exchange& x);

/// Gives a call to a member, and notes that.
void forward_to(worker& on, exchange& x, const catalog::merged_tool::member& to);

} // namespace nexus::engine
