#pragma once

#include <cstdint>
#include <string>

#include "engine/http_pool.hpp"

namespace nexus::engine {

class server_link;
class worker;

/// A server's stream of notifications: GET of a legacy server, subscriptions/listen of a modern
/// one. Opened again when it ends, after the time that the server names or with back-off; changes
/// may have been missed then, unless the server gave its events ids.
class event_listener final : private http_call_handler {
 public:
  /// Whether the lists are asked for when changes of them may have been missed.
  enum class about : std::uint8_t { lists, tasks };
  event_listener(server_link& owner, worker& home, http_pool& pool, std::string request,
                 about what = about::lists);
  ~event_listener() override;

 private:
  void open();
  void on_message(http_call& call, std::string_view text) override;
  void on_end(http_call& call, const http::response_head& head, std::string_view body) override;
  void on_failure(http_call& call, const error& reason, bool untouched) override;
  void again(milliseconds delay);
  void remember(const http_call& call);

  server_link& owner_;
  worker& home_;
  http_pool& pool_;
  const std::string request_;
  const about what_;
  http_call* call_ = nullptr;
  net::timer reopen_;
  milliseconds delay_;
  event_position reached_;
  bool opened_before_ = false;
};

} // namespace nexus::engine
