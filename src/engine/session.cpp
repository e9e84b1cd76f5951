#include "engine/session.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include <sys/random.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "engine/control.hpp"

namespace nexus::engine {

std::string_view to_string(server_state state) noexcept {
  switch (state) {
  case server_state::idle:
    return "idle";
  case server_state::connecting:
    return "connecting";
  case server_state::ready:
    return "ready";
  case server_state::down:
    break;
  }
  return "down";
}

namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::size_t id_bytes = 17; // one for the worker, 128 random bits

} // namespace

std::string make_session_id(worker_id home) {
  NEXUS_ASSERT(home.value < 256);
  std::array<unsigned char, id_bytes> bytes{};
  NEXUS_ASSERT(::getrandom(bytes.data() + 1, bytes.size() - 1, 0) ==
               static_cast<ssize_t>(bytes.size() - 1));
  bytes[0] = static_cast<unsigned char>(home.value);
  std::string id;
  id.reserve(2 * id_bytes);
  for (const auto byte : bytes) {
    id += digits[byte >> 4];
    id += digits[byte & 15];
  }
  return id;
}

bool parse_session_home(std::string_view id, worker_id& home) noexcept {
  const auto digit = [](char c) { return digits.find(c); };
  if (id.size() != 2 * id_bytes)
    return false;
  if (!std::all_of(id.begin(), id.end(),
                   [&](char c) { return digit(c) != std::string_view::npos; }))
    return false;
  home.value = static_cast<std::uint32_t>(digit(id[0]) * 16 + digit(id[1]));
  return true;
}

session_subscriptions::outcome session_subscriptions::add(std::string_view uri,
                                                          std::uint32_t slot) {
  const std::lock_guard lock(mutex_);
  if (slots_.contains(uri))
    return outcome::known;
  if (closed_ || slots_.size() >= limits::subscriptions_per_client_max)
    return outcome::refused;
  slots_.emplace(uri, slot);
  return outcome::added;
}

std::optional<std::uint32_t> session_subscriptions::remove(std::string_view uri) {
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(uri);
  if (found == slots_.end())
    return std::nullopt;
  const auto slot = found->second;
  slots_.erase(found);
  return slot;
}

bool session_subscriptions::has(std::string_view uri, std::uint32_t slot) const {
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(uri);
  return found != slots_.end() && found->second == slot;
}

std::vector<std::pair<std::string, std::uint32_t>> session_subscriptions::all() const {
  const std::lock_guard lock(mutex_);
  return {slots_.begin(), slots_.end()};
}

void session_subscriptions::move(std::string_view uri, std::uint32_t to) {
  const std::lock_guard lock(mutex_);
  if (const auto found = slots_.find(uri); found != slots_.end())
    found->second = to;
}

std::vector<std::pair<std::string, std::uint32_t>> session_subscriptions::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  std::vector<std::pair<std::string, std::uint32_t>> left(slots_.begin(), slots_.end());
  slots_.clear();
  return left;
}

} // namespace nexus::engine
