#pragma once

#include <memory>

#include "net/reactor_base.hpp"

namespace nexus::net {

/// The reactor over edge-triggered epoll: for kernels and containers that refuse io_uring.
/// @errors unsupported: no descriptor or no memory left for it
[[nodiscard]] result<std::unique_ptr<reactor_base>> create_epoll_reactor();

} // namespace nexus::net
