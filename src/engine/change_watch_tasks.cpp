/// change_watch's tasks: those whose status a listen is told.

#include <algorithm>

#include <fmt/format.h>

#include "engine/change_watch.hpp"
#include "engine/task_hub.hpp"
#include "engine/tasks.hpp"
#include "engine/worker.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

class id_collector final : public json::element_sink {
 public:
  std::vector<json::slice> ids;
  bool on_element(std::size_t, json::slice value) override {
    ids.push_back(value);
    return ids.size() < limits::tasks_per_listen_max;
  }
};

} // namespace

void change_watch::claim_tasks(json::slice ids) {
  id_collector given;
  if (!ids.is(json::kind::array) || !on_.scanner().scan_array(ids.raw, given))
    return;
  for (const auto& id : given.ids) {
    auto task = find_task(on_, scope_, id);
    if (!task || (task->server->catalogue && !task->server->catalogue->offers.tasks))
      continue; // not honoured
    auto of = std::find_if(task_servers_.begin(), task_servers_.end(),
                           [&](const auto& one) { return one.slot == task->server->slot; });
    if (of == task_servers_.end())
      of = task_servers_.insert(of, {task->server->name, task->server->slot, false, {}});
    of->tasks.emplace(std::move(task->id), followed_task{json::unquote(id), {}});
  }
  for (const auto& of : task_servers_) {
    ++unsettled_;
    follow_at_home(of);
  }
}

void change_watch::follow_at_home(const task_server& of) {
  std::vector<std::string> ids;
  for (const auto& [id, task] : of.tasks)
    ids.push_back(id);
  follow_tasks_at_home(on_.shared(), of.slot, subscriber_, on_.id(), std::move(ids));
}

void change_watch::follow_tasks_of_replaced_servers() {
  for (auto& of : task_servers_) {
    const auto* const now =
        on_.snapshot().part(of.slot) == nullptr ? on_.snapshot().server(of.name) : nullptr;
    if (now == nullptr)
      continue;
    of.slot = now->slot;
    follow_at_home(of);
  }
}

std::vector<std::string> change_watch::take(const task_news& news) {
  const auto of = std::find_if(task_servers_.begin(), task_servers_.end(),
                               [&](const auto& one) { return one.slot == news.slot; });
  if (news.subscriber != subscriber_ || of == task_servers_.end())
    return {};
  if (news.granted) {
    std::erase_if(of->tasks, [&](const auto& entry) {
      return std::find(news.ids.begin(), news.ids.end(), entry.first) == news.ids.end();
    });
    if (!std::exchange(of->settled, true))
      --unsettled_;
    auto due = acknowledgement();
    if (!due.empty())
      for (auto& text : list_changes()) // what changed since the client asked
        due.push_back(std::move(text));
    return due;
  }
  const auto told = of->tasks.find(news.ids.front());
  if (told == of->tasks.end())
    return {};
  std::string members = R"("taskId":)";
  json::append_string(members, told->second.client_id);
  auto text = notification("notifications/tasks", members + news.status, news.meta);
  if (acknowledged_)
    return {std::move(text)};
  told->second.held_back = std::move(text);
  return {};
}

void change_watch::append_held_back(std::vector<std::string>& due) {
  for (auto& of : task_servers_)
    for (auto& [id, task] : of.tasks)
      if (!task.held_back.empty())
        due.push_back(std::exchange(task.held_back, {}));
}

std::string change_watch::task_ids() const {
  std::string list;
  for (const auto& of : task_servers_)
    for (const auto& [id, task] : of.tasks) {
      list += list.empty() ? '[' : ',';
      json::append_string(list, task.client_id);
    }
  if (!list.empty())
    list += ']';
  return list;
}

} // namespace nexus::engine
