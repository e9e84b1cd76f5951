#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "catalog/item_list.hpp"
#include "engine/replay_log.hpp"
#include "gateway/client_capabilities.hpp"
#include "mcp/revision.hpp"

namespace nexus::engine {

/// Which catalogue an address shows.
struct view_scope {
  enum class what : std::uint8_t {
    everything,
    server, ///< one, names untouched
    virtual_mcp,
  };
  what shows = what::everything;
  std::uint32_t number = 0; ///< the server's slot, or the virtual MCP's number

  [[nodiscard]] static view_scope of_server(std::uint32_t slot) noexcept {
    return {what::server, slot};
  }
  [[nodiscard]] bool one_server() const noexcept { return shows == what::server; }
  friend bool operator==(view_scope, view_scope) = default;
};

/// The resources that a session is subscribed to, each with its server. @thread any: its mutex is
/// taken for requests about subscriptions and for updates alone, and nothing else is locked inside
class session_subscriptions {
 public:
  enum class outcome : std::uint8_t {
    added,
    known,
    refused, ///< too many, or the session is closed
  };
  [[nodiscard]] outcome add(std::string_view uri, std::uint32_t slot);
  /// @returns its server, if there was such a subscription
  [[nodiscard]] std::optional<std::uint32_t> remove(std::string_view uri);
  [[nodiscard]] bool has(std::string_view uri, std::uint32_t slot) const;
  [[nodiscard]] std::vector<std::pair<std::string, std::uint32_t>> all() const;
  /// The server of a resource was replaced by another.
  void move(std::string_view uri, std::uint32_t to);
  /// Empties it for good.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint32_t>> close();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint32_t, std::less<>> slots_; ///< by URI
  bool closed_ = false;
};

/// A legacy client's session, shared by the workers that serve it and the actor that owns its
/// life. What changes is atomic; everything else is fixed by initialize.
struct session {
  std::string id; ///< 34 hexadecimal digits: two name the home worker, the others are random
  worker_id home; ///< where it was opened; knows every session of its own
  mcp::revision revision = mcp::newest_legacy;
  view_scope scope;
  std::string client_info;           ///< JSON
  gateway::client_capabilities able; ///< what servers may ask it for
  std::string able_json;             ///< the same, as modern servers are told
  bool over_stdio = false;

  std::atomic<mcp::log_level> log_level{mcp::log_level::off}; ///< off: none was asked for
  std::atomic<std::int64_t> last_used_ns{0};
  std::atomic<bool> closed{false};
  /// The worker that holds what listens for the session, or -1: its connection when that carries
  /// everything, else its session_listener.
  std::atomic<std::int32_t> stream_worker{-1};
  lazy_replay_log replay;       ///< of its event streams over Streamable HTTP
  std::uint64_t subscriber = 0; ///< who it is to resource_hub
  session_subscriptions subscriptions;
  /// The fingerprints of the lists that this client was told about last, by list_kind.
  std::array<std::atomic<std::uint64_t>, catalog::list_kinds.size()> seen{};

  /// Least severity that belongs to the answers of this client. Without logging/setLevel the server
  /// decides that.
  [[nodiscard]] mcp::log_level wanted_log_level() const noexcept {
    const auto level = log_level.load(std::memory_order_relaxed);
    return level == mcp::log_level::off ? mcp::log_level::debug : level;
  }
  /// Whether the client takes messages that belong to no request, now.
  [[nodiscard]] bool listens() const {
    const auto* const log = replay.get();
    return stream_worker.load() >= 0 && (log == nullptr || log->listened());
  }
  void touch(time_point now) noexcept {
    last_used_ns.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
};
using session_ptr = std::shared_ptr<session>;

/// A new session id of `home`. @errors none: the kernel's random source does not fail once booted
[[nodiscard]] std::string make_session_id(worker_id home);
/// The worker that an id names; nothing for an id that no worker made.
[[nodiscard]] bool parse_session_home(std::string_view id, worker_id& home) noexcept;

} // namespace nexus::engine
