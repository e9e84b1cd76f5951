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
struct task_news;

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
  /// The first message of a listen: what of its filter is honoured; and then what was held back for
  /// it. Empty as long as servers have not answered to its subscriptions, and once it was given.
  [[nodiscard]] std::vector<std::string> acknowledgement();
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
  /// What a server says to tasks. @returns what the client is due to hear now
  [[nodiscard]] std::vector<std::string> take(const task_news& news);
  /// Subscribes again where a server was replaced by another. @returns notifications for the
  /// resources whose updates may have been missed
  [[nodiscard]] std::vector<std::string> follow_servers();
  /// A listen ends: it is subscribed to nothing any more. A session stays subscribed.
  void end();

 private:
  void read_filter(const exchange& listen);
  void claim(json::slice uri);
  /// `method` as a notification to this listener. @param members of params, with commas between
  /// @param meta members of a listen's _meta, each before a comma
  [[nodiscard]] std::string notification(std::string_view method, std::string_view members,
                                         std::string_view meta = {}) const;
  // Tasks, in change_watch_tasks.cpp
  void claim_tasks(json::slice ids);
  void follow_tasks_of_replaced_servers();
  void append_held_back(std::vector<std::string>& due);
  /// The tasks that are followed, as a JSON array; empty for none.
  [[nodiscard]] std::string task_ids() const;
  [[nodiscard]] std::string subscription_meta(std::string_view others = {}) const;

  worker& on_;
  view_scope scope_;
  session_ptr session_;
  std::string subscription_id_;
  std::uint64_t subscriber_ = 0;
  std::map<std::string, std::uint32_t, std::less<>> claims_; ///< a listen's resources, with slots
  struct followed_task {
    std::string client_id;
    std::string held_back; ///< its last notification before the acknowledgement
  };
  struct task_server {
    std::string name;
    std::uint32_t slot = 0;
    bool settled = false;
    std::map<std::string, followed_task, std::less<>> tasks; ///< by the server's ids
  };
  void follow_at_home(const task_server& of);
  std::vector<task_server> task_servers_; ///< a listen's
  std::size_t unsettled_ = 0;             ///< servers' answers to a listen's subscriptions
  bool acknowledged_ = false;             ///< or none is due
  std::array<bool, catalog::families.size()> wanted_{};          ///< by family
  std::array<std::uint64_t, catalog::list_kinds.size()> told_{}; ///< fingerprints by list_kind
};

} // namespace nexus::engine
