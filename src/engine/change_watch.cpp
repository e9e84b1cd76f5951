#include "engine/change_watch.hpp"

#include <utility>

#include <fmt/format.h>

#include "engine/exchange.hpp"
#include "engine/resource_hub.hpp"
#include "engine/task_hub.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using catalog::family;
using catalog::index_of;
using catalog::list_kind;
using catalog::words_of;

/// Reads the filter of a subscriptions/listen.
class filter_visitor final : public json::visitor {
 public:
  std::array<bool, catalog::families.size()> lists{};
  json::slice resources, tasks;
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    for (const auto of : catalog::families)
      if (found.key == words_of(of).filter)
        lists[index_of(of)] = found.value.raw == "true";
    if (found.key == "resourceSubscriptions")
      resources = found.value;
    if (found.key == "taskIds")
      tasks = found.value;
  }
};

class uri_collector final : public json::element_sink {
 public:
  std::vector<json::slice> uris;
  bool on_element(std::size_t, json::slice value) override {
    uris.push_back(value);
    return uris.size() < limits::subscriptions_per_client_max;
  }
};

} // namespace

change_watch::change_watch(worker& on, session_ptr of)
    : on_(on), scope_(of->scope), session_(std::move(of)), subscriber_(session_->subscriber),
      acknowledged_(true) {
  wanted_.fill(true);
  for (const auto kind : catalog::list_kinds)
    told_[index_of(kind)] = session_->seen[index_of(kind)].load(std::memory_order_relaxed);
}

change_watch::change_watch(worker& on, const exchange& listen)
    : on_(on), scope_(listen.scope), subscription_id_(listen.id()),
      subscriber_(on.shared().next_subscriber()) {
  for (const auto kind : catalog::list_kinds)
    saw(kind);
  read_filter(listen);
}

void change_watch::read_filter(const exchange& listen) {
  filter_visitor filter;
  const auto& asked = listen.request.params[mcp::param_key::notifications].raw;
  const auto* const shown = on_.view(scope_);
  if (shown == nullptr || !on_.scanner().scan_object(asked, filter))
    return;
  // The configuration may bring tools where there are none.
  for (const auto of : catalog::families)
    wanted_[index_of(of)] =
        filter.lists[index_of(of)] && (of == family::tools || shown->offers().has(of));
  uri_collector named;
  if (filter.resources.is(json::kind::array) &&
      on_.scanner().scan_array(filter.resources.raw, named))
    for (const auto uri : named.uris)
      claim(uri);
  claim_tasks(filter.tasks);
}

void change_watch::claim(json::slice uri) {
  if (!uri.is(json::kind::string))
    return;
  auto text = json::unquote(uri);
  const auto owner = on_.owner_of_resource(scope_, text);
  const auto* const part = owner ? on_.snapshot().part(*owner) : nullptr;
  if (part == nullptr || !part->catalogue || !part->catalogue->offers.subscribe)
    return; // not honoured
  const auto [added, fresh] = claims_.emplace(std::move(text), *owner);
  if (!fresh)
    return;
  ++unsettled_;
  subscribe_at_home(on_.shared(), *owner, added->first, subscriber_,
                    [named = added->first, who = subscriber_, back = on_.id(),
                     &shared = on_.shared()](const std::string& refusal) {
                      shared.post(back, [named, who, stands = refusal.empty()](worker& here) {
                        here.tell_settled(who, named, stands);
                      });
                    });
}

void change_watch::settle(std::uint64_t subscriber, std::string_view uri, bool stands) {
  if (subscriber != subscriber_ || unsettled_ == 0)
    return;
  --unsettled_;
  const auto refused = stands ? claims_.end() : claims_.find(uri);
  if (refused != claims_.end())
    claims_.erase(refused);
}

std::vector<std::string> change_watch::follow_servers() {
  const auto known = session_
                         ? session_->subscriptions.all()
                         : decltype(session_->subscriptions.all())(claims_.begin(), claims_.end());
  follow_tasks_of_replaced_servers();
  std::vector<std::string> due;
  for (const auto& [uri, slot] : known) {
    if (on_.snapshot().part(slot) != nullptr)
      continue;
    const auto owner = on_.owner_of_resource(scope_, uri);
    if (!owner)
      continue;
    if (session_)
      session_->subscriptions.move(uri, *owner);
    else
      claims_[uri] = *owner;
    subscribe_at_home(on_.shared(), *owner, uri, subscriber_, [](const std::string&) {});
    due.push_back(update(*owner, uri, uri));
  }
  return due;
}

std::string change_watch::update(std::uint32_t slot, std::string_view subscribed,
                                 std::string_view uri) const {
  if (session_) {
    if (!session_->subscriptions.has(subscribed, slot))
      return {};
  } else {
    const auto claimed = claims_.find(subscribed);
    if (!acknowledged_ || claimed == claims_.end() || claimed->second != slot)
      return {};
  }
  std::string members = R"("uri":)";
  json::append_string(members, uri);
  return notification("notifications/resources/updated", members);
}

void change_watch::end() {
  for (const auto& [uri, slot] : std::exchange(claims_, {}))
    unsubscribe_at_home(on_.shared(), slot, uri, subscriber_);
  for (const auto& of : std::exchange(task_servers_, {}))
    leave_tasks_at_home(on_.shared(), of.slot, subscriber_);
}

void change_watch::saw(list_kind kind) {
  if (const auto* const shown = on_.view(scope_))
    told_[index_of(kind)] = shown->list(kind).fingerprint();
}

std::string change_watch::subscription_meta(std::string_view others) const {
  return fmt::format(R"("_meta":{{{}"io.modelcontextprotocol/subscriptionId":{}}})", others,
                     subscription_id_);
}

std::string change_watch::notification(std::string_view method, std::string_view members,
                                       std::string_view meta) const {
  std::string params(members);
  if (!subscription_id_.empty())
    params += (params.empty() ? "" : ",") + subscription_meta(meta);
  std::string text;
  gateway::append_own_notification(text, method, params.empty() ? params : '{' + params + '}');
  return text;
}

std::vector<std::string> change_watch::acknowledgement() {
  if (acknowledged_ || unsettled_ > 0)
    return {};
  acknowledged_ = true;
  std::string honoured;
  json::object_writer members(honoured);
  for (const auto of : catalog::families)
    if (wanted_[index_of(of)])
      members.boolean(words_of(of).filter, true);
  if (!claims_.empty()) {
    auto& list = members.key("resourceSubscriptions");
    for (const auto& [uri, slot] : claims_) {
      list += list.back() == ':' ? '[' : ',';
      json::append_string(list, uri);
    }
    list += ']';
  }
  if (const auto ids = task_ids(); !ids.empty())
    members.raw("taskIds", ids);
  members.end();
  std::vector<std::string> due{notification("notifications/subscriptions/acknowledged",
                                            fmt::format(R"("notifications":{})", honoured))};
  append_held_back(due);
  return due;
}

std::string change_watch::farewell() const {
  return gateway::result_response(
      subscription_id_, fmt::format(R"({{"resultType":"complete",{}}})", subscription_meta()));
}

std::vector<std::string> change_watch::list_changes() {
  std::vector<std::string> due;
  const auto* const shown = on_.view(scope_);
  if (shown == nullptr || !acknowledged_)
    return due;
  std::array<bool, catalog::families.size()> changed{};
  for (const auto kind : catalog::list_kinds) {
    auto& told = told_[index_of(kind)];
    const auto now = shown->list(kind).fingerprint();
    auto& of_family = changed[index_of(family_of(kind))];
    of_family = of_family || now != told;
    told = now;
  }
  for (const auto of : catalog::families)
    if (changed[index_of(of)] && wanted_[index_of(of)])
      due.push_back(notification(words_of(of).notification, {}));
  return due;
}

} // namespace nexus::engine
