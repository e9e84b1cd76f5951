#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/unique_function.hpp"
#include "engine/process.hpp"
#include "engine/session.hpp"
#include "net/timer.hpp"

namespace nexus::engine {

class server_link;
class worker;

/// One server's resource subscriptions, on its home worker: however many clients want a resource,
/// the server is asked once. It outlives the server's links: a new one is asked again for
/// everything, and as updates may have been missed then, subscribers are told one.
class resource_hub {
 public:
  /// @param refusal the server's error object as JSON; empty when the subscription stands, or will
  ///        once the server is there
  using answer_handler = unique_function<void(const std::string& refusal)>;

  resource_hub(worker& home, std::uint32_t slot);

  /// @param subscriber process::next_subscriber() of a session or a listen
  void add(const std::string& uri, std::uint64_t subscriber, answer_handler on_answer);
  void remove(const std::string& uri, std::uint64_t subscriber);

  /// A link is up; detach() before it goes.
  void attach(server_link& link);
  void detach();
  /// A modern server acknowledged what it was asked for last.
  void established();
  /// Updates of any resource may have been missed: everyone is told one.
  void missed();
  /// The server says that a resource was updated.
  void updated(std::string_view uri);

 private:
  struct subscription {
    std::unordered_set<std::uint64_t> subscribers;
    std::vector<answer_handler> waiting; ///< for the server's answer
    bool asked = false;                  ///< the present link was, and has not answered
    bool stands = false;                 ///< some link has agreed
  };

  void ask_next();
  void on_answer(const std::string& uri, const std::string& refusal);
  void watch_again();
  void note_update(const std::string& subscribed, std::string_view uri);
  void tell();
  /// The subscription that an update belongs to: its own, or that of a resource which contains it.
  [[nodiscard]] const std::string* subscribed_for(std::string_view uri) const;
  static void settle(subscription& of, const std::string& refusal);

  worker& home_;
  const std::uint32_t slot_;
  server_link* link_ = nullptr;
  std::unordered_map<std::string, subscription> wanted_; ///< by URI
  // Towards a legacy server: one request for each.
  std::deque<std::string> to_ask_;
  std::size_t asked_ = 0;
  // Towards a modern one: one request for all.
  bool changing_ = false;     ///< asked for, not acknowledged
  bool change_again_ = false; ///< the set has changed since
  bool renewing_ = false;     ///< the first request of a link: there were others before it
  net::timer change_, give_up_;
  std::map<std::string, std::string> updates_; ///< to tell: URI to the one subscribed to
  net::timer tell_;
};

/// Adds a subscriber to a resource of a server. @param on_answer runs on the home worker
void subscribe_at_home(process& shared, std::uint32_t slot, std::string uri,
                       std::uint64_t subscriber, resource_hub::answer_handler on_answer);
void unsubscribe_at_home(process& shared, std::uint32_t slot, std::string uri,
                         std::uint64_t subscriber);
/// A session is closed: it is subscribed to nothing any more. @thread any
void end_subscriptions(process& shared, session& of);

} // namespace nexus::engine
