#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
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
  /// The first message of a listen: what of its filter is honoured. Empty as long as servers have
  /// not answered to its subscriptions, and once it was given; nothing else is said before.
  [[nodiscard]] std::string acknowledgement();
  /// The last message of a listen that the gateway ends.
  [[nodiscard]] std::string farewell() const;

  /// Notifications for the lists that differ from what was told; from here on they count as told.
  [[nodiscard]] std::vector<std::string> list_changes();
  /// The client has just seen this list.
  void saw(catalog::list_kind kind);
  /// The notification for an updated resource; empty when this listener does not want it.
  [[nodiscard]] std::string update(std::uint32_t slot, std::string_view subscribed,
                                   std::string_view uri) const;
  /// What came of one of the listen's subscriptions.
  void settle(std::uint64_t subscriber, std::string_view uri, bool stands);
  /// Subscribes again where a server was replaced by another. @returns notifications for the
  /// resources whose updates may have been missed
  [[nodiscard]] std::vector<std::string> follow_servers();
  /// A listen ends: it is subscribed to nothing any more. A session stays subscribed.
  void end();

 private:
  void read_filter(const exchange& listen);
  void claim(json::slice uri);
  /// `method` as a notification to this listener. @param members of params, with commas between
  [[nodiscard]] std::string notification(std::string_view method, std::string_view members) const;
  [[nodiscard]] std::string subscription_meta() const;

  worker& on_;
  view_scope scope_;
  session_ptr session_;
  std::string subscription_id_;
  std::uint64_t subscriber_ = 0;
  std::map<std::string, std::uint32_t, std::less<>> claims_; ///< a listen's resources, with slots
  std::size_t unsettled_ = 0;
  bool acknowledged_ = false;                                    ///< or none is due
  std::array<bool, catalog::families.size()> wanted_{};          ///< by family
  std::array<std::uint64_t, catalog::list_kinds.size()> told_{}; ///< fingerprints by list_kind
};

} // namespace nexus::engine
