#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "catalog/snapshot.hpp"
#include "engine/session.hpp"

namespace nexus::engine {

class exchange;
class worker;

/// What one listener wants to hear, and what it has been told: the stream of a legacy session, or a
/// modern subscriptions/listen. @thread its worker
class change_watch {
 public:
  /// A legacy session hears of every list, from what it saw last.
  change_watch(worker& on, session_ptr of);
  /// A listen hears what its filter names.
  change_watch(worker& on, const exchange& listen);
  change_watch(const change_watch&) = delete;
  change_watch& operator=(const change_watch&) = delete;

  [[nodiscard]] view_scope scope() const noexcept { return scope_; }
  /// The listen's id as JSON; empty for a session.
  [[nodiscard]] const std::string& subscription_id() const noexcept { return subscription_id_; }
  /// The first message of a listen: what of its filter is honoured.
  [[nodiscard]] std::string acknowledgement() const;
  /// The last message of a listen that the gateway ends.
  [[nodiscard]] std::string farewell() const;

  /// Notifications for the lists that differ from what was told; from here on they count as told.
  [[nodiscard]] std::vector<std::string> list_changes();
  /// The client has just seen this list.
  void saw(catalog::list_kind kind);

 private:
  void read_filter(const exchange& listen);
  /// `method` as a notification to this listener. @param members of params, with commas between
  [[nodiscard]] std::string notification(std::string_view method, std::string_view members) const;
  [[nodiscard]] std::string subscription_meta() const;

  worker& on_;
  view_scope scope_;
  session_ptr session_;
  std::string subscription_id_;
  std::array<bool, catalog::families.size()> wanted_{};          ///< by family
  std::array<std::uint64_t, catalog::list_kinds.size()> told_{}; ///< fingerprints by list_kind
};

} // namespace nexus::engine
