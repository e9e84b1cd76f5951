#include "engine/vmcps.hpp"

#include <utility>

#include "base/limits.hpp"

namespace nexus::engine {

std::string_view to_string(vmcp_state state) noexcept {
  switch (state) {
  case vmcp_state::created:
    return "created";
  case vmcp_state::ready:
    return "ready";
  case vmcp_state::draining:
    return "draining";
  case vmcp_state::closed:
    return "closed";
  }
  return {};
}

bool vmcp_runtime::admit_rate(time_point now, std::size_t most) noexcept {
  const auto minute = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::minutes>(now.time_since_epoch()).count());
  auto window = window_.load(std::memory_order_relaxed);
  for (;;) {
    const bool same = window >> 32 == (minute & 0xFFFF'FFFF);
    const auto calls = same ? window & 0xFFFF'FFFF : 0;
    if (calls >= most)
      return false;
    if (window_.compare_exchange_weak(window, minute << 32 | (calls + 1),
                                      std::memory_order_relaxed))
      return true;
  }
}

void vmcp_table::install(vmcp_endpoint_ptr endpoint) {
  const auto& runtime = *endpoint->runtime;
  drop_view(runtime.number);
  numbers_.erase(runtime.id); // the key may be a former one's text
  auto& place = endpoints_[runtime.number];
  place = std::move(endpoint);
  numbers_.emplace(place->runtime->id, place->runtime->number);
}

void vmcp_table::remove(std::uint32_t number) {
  drop_view(number);
  const auto found = endpoints_.find(number);
  if (found == endpoints_.end())
    return;
  const auto named = numbers_.find(found->second->runtime->id);
  if (named != numbers_.end() && named->second == number)
    numbers_.erase(named);
  endpoints_.erase(found);
}

vmcp_endpoint_ptr vmcp_table::find(std::string_view id) const {
  const auto found = numbers_.find(id);
  return found == numbers_.end() ? nullptr : endpoints_.at(found->second);
}

const vmcp_endpoint* vmcp_table::find(std::uint32_t number) const noexcept {
  const auto found = endpoints_.find(number);
  return found == endpoints_.end() ? nullptr : found->second.get();
}

void vmcp_table::drop_view(std::uint32_t number) {
  const auto found = view_of_.find(number);
  if (found == view_of_.end())
    return;
  view_bytes_ -= found->second->bytes;
  views_.erase(found->second);
  view_of_.erase(found);
}

const catalog::exposure* vmcp_table::view(std::uint32_t number, const catalog::snapshot& snapshot,
                                          const std::function<void()>& dropped) {
  if (const auto known = view_of_.find(number); known != view_of_.end()) {
    views_.splice(views_.begin(), views_, known->second);
    return views_.front().shown.get();
  }
  const auto* const endpoint = find(number);
  if (endpoint == nullptr)
    return nullptr;
  static const catalog::frozen_tools nothing;
  auto made = catalog::virtual_exposure(snapshot, endpoint->definition,
                                        endpoint->found ? *endpoint->found : nothing);
  const auto bytes = made->bytes();
  views_.push_front({number, std::move(made), bytes});
  view_of_[number] = views_.begin();
  view_bytes_ += bytes;
  if (view_bytes_ > limits::vmcp_views_bytes_max)
    dropped();
  while (view_bytes_ > limits::vmcp_views_bytes_max && views_.size() > 1)
    drop_view(views_.back().number);
  return views_.front().shown.get();
}

void vmcp_table::forget_views() {
  view_of_.clear();
  views_.clear();
  view_bytes_ = 0;
}

} // namespace nexus::engine
