#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "engine/server_link.hpp"
#include "net/timer.hpp"
#include "json/scan.hpp"

namespace nexus::engine {

class process;
class worker;

/// One server's listens for tasks, on its home worker: one towards the server for each listen of a
/// client. Unlike resources they are not joined: hardly two clients follow the same task, and every
/// new task would have all that are followed be asked for again.
///
/// It outlives the server's links. A new one is asked again, and so is how each task stands, since
/// that may have changed meanwhile.
class task_hub {
 public:
  task_hub(worker& home, std::uint32_t slot);
  ~task_hub();
  task_hub(const task_hub&) = delete;
  task_hub& operator=(const task_hub&) = delete;

  /// @param subscriber process::next_subscriber() of a listen
  /// @param at its worker, which is told by worker::tell_tasks() what the server agrees to
  /// @param ids the server's own
  void add(std::uint64_t subscriber, worker_id at, std::vector<std::string> ids);
  void remove(std::uint64_t subscriber);

  /// A link is up; detach() before it goes.
  void attach(server_link& link);
  void detach();
  /// The server agreed to a listen. @param filter what of it
  void acknowledged(std::int64_t listen, json::slice filter);
  /// The server tells of a task. @param message notifications/tasks
  void changed(std::int64_t listen, const mcp::message& message);

 private:
  struct entry {
    worker_id at;
    std::vector<std::string> ids; ///< once the server has answered: those it agreed to
    server_link::watch watch;
    bool settled = false;           ///< the client has been told
    bool heard = false;             ///< the server has answered, on some link
    std::deque<std::string> to_ask; ///< tasks that may have changed while nobody listened
    net::timer give_up;
  };

  void listen(std::uint64_t subscriber, entry& of);
  void settle(std::uint64_t subscriber, entry& of);
  void ask_again(std::uint64_t subscriber, entry& of);
  void ask_next(std::uint64_t subscriber);
  /// @param status the task as a JSON object. @param meta members for the notification's _meta
  void tell(std::uint64_t subscriber, const entry& of, std::string_view id, std::string_view status,
            std::string meta);

  worker& home_;
  const std::uint32_t slot_;
  server_link* link_ = nullptr;
  std::unordered_map<std::uint64_t, entry> entries_;          ///< by subscriber
  std::unordered_map<std::int64_t, std::uint64_t> by_listen_; ///< subscribers
};

/// What a listen wants of one server's tasks, brought to its home worker. @thread any worker
void follow_tasks_at_home(process& shared, std::uint32_t slot, std::uint64_t subscriber,
                          worker_id at, std::vector<std::string> ids);
void leave_tasks_at_home(process& shared, std::uint32_t slot, std::uint64_t subscriber);

} // namespace nexus::engine
