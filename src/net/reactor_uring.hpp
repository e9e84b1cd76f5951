#pragma once

#include <memory>

#include "net/reactor_base.hpp"

namespace nexus::net {

/// The reactor over io_uring. What it needs (SINGLE_ISSUER, DEFER_TASKRUN, provided-buffer rings,
/// multishot recv: Linux 6.1) is found out by trying it once on this kernel.
/// @errors unsupported: names what the kernel, a seccomp filter or a limit refused
/// @thread the one that will call poll() and wait()
[[nodiscard]] result<std::unique_ptr<reactor_base>> create_uring_reactor();

} // namespace nexus::net
