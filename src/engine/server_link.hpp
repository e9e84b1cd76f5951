#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/rate_limit.hpp"
#include "catalog/server_catalogue.hpp"
#include "engine/channel.hpp"
#include "engine/control.hpp"
#include "engine/http_pool.hpp"
#include "engine/http_target.hpp"
#include "mcp/message.hpp"

namespace nexus::engine {

class event_listener;
class worker;

/// The home end of one connection to a server, from opening it to its loss: negotiates the era,
/// lists the tools, keeps listening for changes, and carries the calls of all workers when the
/// transport is a channel. It reports to the control plane and never reconnects by itself.
class server_link final : private channel_handler, private http_call_handler {
 public:
  server_link(worker& home, link_start start);
  ~server_link() override;

  [[nodiscard]] std::uint64_t generation() const noexcept { return start_.link; }
  [[nodiscard]] bool up() const noexcept { return up_; }
  /// Sends a rendered message over the channel. @pre the endpoint is a channel
  void send(std::string_view message);
  [[nodiscard]] std::size_t queued_bytes() const noexcept;
  /// Asks a legacy server with logging for this severity and above.
  void set_log_level(mcp::log_level level);
  [[nodiscard]] mcp::era era() const noexcept { return endpoint_->era; }
  [[nodiscard]] const catalog::offered& offers() const noexcept { return known_.offers; }
  /// Asks a legacy server for a subscription, or to end one. @param on_answer gets the server's
  /// error object, or an empty text; it is not called once the link has ended
  void subscribe(std::string_view uri, unique_function<void(const std::string&)> on_answer);
  void unsubscribe(std::string_view uri);
  /// Asks a modern server for updates of these resources and no others. The resource_hub is told
  /// when it has agreed; what was asked for before ends then.
  void watch_resources(const std::vector<std::string_view>& uris);
  /// A subscriptions/listen for something beside the lists.
  struct watch {
    std::int64_t id = 0;
    std::unique_ptr<event_listener> stream; ///< over HTTP
  };
  /// Asks a modern server to tell how these tasks stand. The task_hub hears what it agrees to.
  [[nodiscard]] watch watch_tasks(const std::vector<std::string>& ids);
  void end_watch(watch& which);
  /// Asks a modern server once. @param on_answer gets null when none comes; it is not called once
  /// the link has ended
  void ask_for_task(std::string_view id, unique_function<void(const mcp::message*)> on_answer);
  /// A message from the server that no exchange claims: on the channel, a listening stream, or
  /// within an answer. @param message its slices live during the call
  void on_foreign_message(const mcp::message& message);
  /// Lists the tools anew, or joins a listing that runs. @param on_list gets what is listed now;
  /// null when the list fails or the link ends
  void relist_tools(unique_function<void(catalog::item_list_ptr)> on_list);
  /// @returns false when the notification is another
  bool on_list_changed(std::string_view method);
  /// The server answered 404 to the session: a new handshake is needed.
  void lost_session();
  /// The server cannot be connected to any more.
  void lost_connection(const std::string& reason);

 private:
  /// What a control request yielded. Slices live during the callback.
  struct outcome {
    const mcp::message* message = nullptr; ///< null when no JSON-RPC answer came
    unsigned http_status = 0;              ///< 0 over a channel or without any answer
    const http::response_head* head = nullptr;
    std::string failure; ///< why there is no message
    bool timed_out = false;
  };
  using answer_handler = unique_function<void(const outcome&)>;
  class request_state;
  friend class event_listener;

  void open();
  void open_sse();
  void probe(bool retried);
  void on_probe(const outcome& answer, bool retried);
  void initialize();
  void on_initialize(const outcome& answer);
  void down(std::string reason);

  // What it lists, in server_link_listing.cpp
  void learn(const mcp::message& answer);
  void begin_listing();
  void list(catalog::list_kind kind);
  void list_everything();
  void request_page(catalog::list_kind kind, std::string_view cursor);
  void on_page(catalog::list_kind kind, const outcome& answer);
  void list_failed(catalog::list_kind kind, const outcome& answer);
  void finish_list(catalog::list_kind kind);
  void list_settled(catalog::list_kind kind, bool changed);
  void refresh_when_stale(catalog::list_kind kind);
  void come_up_when_listed();
  void come_up();
  void log_connected() const;
  void listen_for_changes();
  void on_acknowledged(std::int64_t subscription, const mcp::message& message);
  [[nodiscard]] static std::string listen_request(std::int64_t id, std::string_view filter,
                                                  std::string_view capabilities);
  /// Why an outcome is of no use.
  [[nodiscard]] static std::string outcome_text(const outcome& answer);
  /// Whether a stdio child that says nothing may have been thrown off by the probe.
  [[nodiscard]] bool may_blame_probe() const;

  /// @param task that a modern server is asked about; empty for all else
  /// @returns its id
  std::int64_t request(std::string_view method, std::string_view params, milliseconds timeout,
                       answer_handler on_answer, std::string_view task = {});
  void notify(std::string_view method, std::string_view params = {});
  /// A whole POST of `message`. For modern servers headers repeat `method` and, unless it is empty,
  /// the name of what it is about.
  [[nodiscard]] std::string post_text(std::string_view message, std::string_view method,
                                      std::string_view name = {}) const;
  void settle(std::int64_t id, const outcome& answer);
  void reply(const mcp::message& request);

  void tell_log(mcp::log_level level, std::string text);

  void on_channel_open() override;
  void on_channel_text(std::string_view text) override;
  void on_channel_closed(const std::string& reason, bool untouched) override;
  /// True when a line about what the server writes may be written; tells how many were left out.
  [[nodiscard]] bool may_complain();
  void unreadable(std::string_view text, const error& reason);

  // Acknowledgements of notifications over HTTP.
  void on_message(http_call& call, std::string_view text) override;
  void on_end(http_call& call, const http::response_head& head, std::string_view body) override;
  void on_failure(http_call& call, const error& reason, bool untouched) override;

  worker& home_;
  const link_start start_;
  std::shared_ptr<server_endpoint> endpoint_;
  std::unique_ptr<channel> channel_;
  std::optional<http_target> target_;
  std::unique_ptr<http_pool> pool_;
  std::unordered_map<std::int64_t, std::unique_ptr<request_state>> requests_;
  std::vector<http_call*> acknowledgements_;
  struct list_run {
    std::unique_ptr<catalog::list_builder> builder; ///< while it runs
    std::size_t pages = 0;
    bool again = false; ///< the list changed meanwhile
    net::timer later;
    net::timer refresh; ///< for servers that do not tell changes
  };
  std::array<list_run, catalog::list_kinds.size()> listings_; ///< by list_kind
  catalog::server_catalogue known_;
  std::vector<unique_function<void(catalog::item_list_ptr)>> tool_waiters_;
  void tell_tool_waiters(const catalog::item_list_ptr& tools);
  std::array<bool, catalog::families.size()> tells_changes_{}; ///< by family
  std::unique_ptr<event_listener> listener_;
  watch watch_, next_watch_; ///< for resources: the acknowledged one, and its successor
  net::timer handshake_deadline_, fall_back_, enough_waited_;
  std::int64_t probe_ = 0, initialize_ = 0; ///< their requests
  bool up_ = false;
  bool ended_ = false;
  bool heard_ = false; ///< something came over the channel
  bool probe_harmed_child_ = false;
  time_point started_;
  /// What the server makes us write into the log.
  rate_limit complaints_{limits::child_stderr_lines_per_second};
};

} // namespace nexus::engine
