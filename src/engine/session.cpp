#include "engine/session.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include <sys/random.h>

#include "base/assert.hpp"
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

} // namespace nexus::engine
