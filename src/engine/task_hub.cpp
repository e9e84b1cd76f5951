#include "engine/task_hub.hpp"

#include <algorithm>
#include <utility>

#include "engine/event_listener.hpp"
#include "engine/link_request.hpp"
#include "engine/tasks.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"

namespace nexus::engine {
namespace {

/// The strings of an array, as many as a listen may name.
class id_collector final : public json::element_sink {
 public:
  std::vector<std::string> ids;
  bool on_element(std::size_t, json::slice value) override {
    if (value.is(json::kind::string))
      ids.push_back(json::unquote(value));
    return ids.size() < limits::tasks_per_listen_max;
  }
};

/// How a task stands, as members: all but its id, which is another for the client, and what belongs
/// to the message that tells of it.
class status_members final : public json::visitor {
 public:
  std::string text;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    if (found.key == "taskId" || found.key == "resultType" || found.key == "_meta")
      return;
    text += ',';
    text += found.span;
  }
};

/// What the server says beside the protocol's own words.
std::string extra_meta(const mcp::message& message) {
  std::string text;
  for (const auto& other : message.meta.others())
    if (!other.span.starts_with(R"("io.modelcontextprotocol/)")) {
      text += other.span;
      text += ',';
    }
  return text;
}

} // namespace

task_hub::task_hub(worker& home, std::uint32_t slot) : home_(home), slot_(slot) {}

task_hub::~task_hub() = default;

void task_hub::add(std::uint64_t subscriber, worker_id at, std::vector<std::string> ids) {
  auto& fresh = entries_[subscriber];
  fresh.at = at;
  fresh.ids = std::move(ids);
  const bool refused = entries_.size() > limits::task_listens_per_server_max ||
                       (link_ != nullptr && !link_->offers().tasks);
  if (refused) {
    fresh.ids.clear();
    settle(subscriber, fresh);
    entries_.erase(subscriber);
    return;
  }
  fresh.give_up.set_action([this, subscriber] {
    // A server that says nothing may listen all the same.
    settle(subscriber, entries_.at(subscriber));
  });
  if (link_ != nullptr)
    return listen(subscriber, fresh);
  // The next link is asked, and nobody is kept waiting until then.
  settle(subscriber, fresh);
  const auto* const up = home_.find_upstream(slot_);
  if (up != nullptr && up->endpoint().state == server_state::idle)
    home_.shared().plane->server_wanted(slot_);
}

void task_hub::remove(std::uint64_t subscriber) {
  const auto found = entries_.find(subscriber);
  if (found == entries_.end())
    return;
  by_listen_.erase(found->second.watch.id);
  if (link_ != nullptr)
    link_->end_watch(found->second.watch);
  entries_.erase(found);
}

void task_hub::listen(std::uint64_t subscriber, entry& of) {
  of.watch = link_->watch_tasks(of.ids);
  by_listen_.emplace(of.watch.id, subscriber);
  if (!of.settled)
    home_.reactor().arm(of.give_up, limits::subscribe_timeout);
}

void task_hub::settle(std::uint64_t subscriber, entry& of) {
  of.give_up.cancel();
  if (std::exchange(of.settled, true))
    return;
  home_.shared().post(of.at, [news = task_news{slot_, subscriber, true, of.ids, {}, {}}](
                                 worker& w) { w.tell_tasks(news); });
}

void task_hub::attach(server_link& link) {
  detach();
  link_ = &link;
  if (!link.offers().tasks)
    return;
  for (auto& [subscriber, one] : entries_)
    listen(subscriber, one);
}

void task_hub::detach() {
  link_ = nullptr;
  by_listen_.clear();
  for (auto& [subscriber, one] : entries_) {
    one.watch = {};
    one.to_ask.clear();
    settle(subscriber, one); // the next link is asked
  }
}

void task_hub::acknowledged(std::int64_t listen, json::slice filter) {
  const auto who = by_listen_.find(listen);
  if (who == by_listen_.end())
    return;
  const auto subscriber = who->second;
  auto& of = entries_.at(subscriber);
  if (std::exchange(of.heard, true))
    return ask_again(subscriber, of);
  named_member named("taskIds");
  id_collector granted;
  if (home_.scanner().scan_object(filter.raw, named) && named.found.is(json::kind::array))
    static_cast<void>(home_.scanner().scan_array(named.found.raw, granted));
  std::erase_if(of.ids, [&](const std::string& id) {
    return std::find(granted.ids.begin(), granted.ids.end(), id) == granted.ids.end();
  });
  const bool late = of.settled;
  settle(subscriber, of);
  if (of.ids.empty())
    remove(subscriber);
  else if (late)
    ask_again(subscriber, of);
}

void task_hub::ask_again(std::uint64_t subscriber, entry& of) {
  const bool asking = !of.to_ask.empty();
  of.to_ask.assign(of.ids.begin(), of.ids.end());
  if (!asking)
    ask_next(subscriber);
}

void task_hub::ask_next(std::uint64_t subscriber) {
  const auto found = entries_.find(subscriber);
  if (found == entries_.end() || found->second.to_ask.empty() || link_ == nullptr)
    return;
  const auto id = found->second.to_ask.front();
  link_->ask_for_task(id, [this, subscriber, id](const mcp::message* answer) {
    const auto still = entries_.find(subscriber);
    if (still == entries_.end() || still->second.to_ask.empty())
      return;
    still->second.to_ask.pop_front();
    if (answer != nullptr && answer->kind == mcp::message_kind::response)
      tell(subscriber, still->second, id, answer->result.whole.raw, {});
    ask_next(subscriber);
  });
}

void task_hub::changed(std::int64_t listen, const mcp::message& message) {
  const auto who = by_listen_.find(listen);
  const auto id = message.params[mcp::param_key::task_id];
  if (who == by_listen_.end() || !id.is(json::kind::string))
    return;
  const auto& of = entries_.at(who->second);
  const auto name = json::unquote(id);
  if (std::find(of.ids.begin(), of.ids.end(), name) != of.ids.end())
    tell(who->second, of, name, message.params.whole.raw, extra_meta(message));
}

void task_hub::tell(std::uint64_t subscriber, const entry& of, std::string_view id,
                    std::string_view status, std::string meta) {
  status_members members;
  if (!home_.scanner().scan_object(status, members))
    return;
  task_news news{slot_,          subscriber, false, {std::string(id)}, std::move(members.text),
                 std::move(meta)};
  home_.shared().post(of.at, [news = std::move(news)](worker& w) { w.tell_tasks(news); });
}

void follow_tasks_at_home(process& shared, std::uint32_t slot, std::uint64_t subscriber,
                          worker_id at, std::vector<std::string> ids) {
  shared.post(shared.home_of(slot),
              [slot, subscriber, at, ids = std::move(ids)](worker& home) mutable {
                if (auto* const up = home.find_upstream(slot))
                  return up->tasks().add(subscriber, at, std::move(ids));
                home.shared().post(at, [slot, subscriber](worker& w) {
                  w.tell_tasks({slot, subscriber, true, {}, {}, {}}); // it is being removed
                });
              });
}

void leave_tasks_at_home(process& shared, std::uint32_t slot, std::uint64_t subscriber) {
  shared.post(shared.home_of(slot), [slot, subscriber](worker& home) {
    if (auto* const up = home.find_upstream(slot))
      up->tasks().remove(subscriber);
  });
}

} // namespace nexus::engine
