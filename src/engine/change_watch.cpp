#include "engine/change_watch.hpp"

#include <fmt/format.h>

#include "engine/exchange.hpp"
#include "engine/worker.hpp"
#include "gateway/render.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using catalog::index_of;
using catalog::list_kind;
using catalog::words_of;

/// Reads the filter of a subscriptions/listen.
class filter_visitor final : public json::visitor {
 public:
  std::array<bool, catalog::families.size()> lists{};
  step on_key(unsigned, std::string_view, json::kind) override { return step::take; }
  void on_member(unsigned, const json::member& found) override {
    for (const auto of : catalog::families)
      if (found.key == words_of(of).filter)
        lists[index_of(of)] = found.value.raw == "true";
  }
};

} // namespace

change_watch::change_watch(worker& on, session_ptr of)
    : on_(on), scope_(of->scope), session_(std::move(of)) {
  wanted_.fill(true);
  for (const auto kind : catalog::list_kinds)
    told_[index_of(kind)] = session_->seen[index_of(kind)].load(std::memory_order_relaxed);
}

change_watch::change_watch(worker& on, const exchange& listen)
    : on_(on), scope_(listen.scope), subscription_id_(listen.id()) {
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
  for (const auto of : catalog::families)
    // The configuration may bring tools where there are none.
    wanted_[index_of(of)] =
        filter.lists[index_of(of)] && (of == catalog::family::tools || shown->offers().has(of));
}

void change_watch::saw(list_kind kind) {
  if (const auto* const shown = on_.view(scope_))
    told_[index_of(kind)] = shown->list(kind).fingerprint();
}

std::string change_watch::subscription_meta() const {
  return fmt::format(R"("_meta":{{"io.modelcontextprotocol/subscriptionId":{}}})",
                     subscription_id_);
}

std::string change_watch::notification(std::string_view method, std::string_view members) const {
  std::string params(members);
  if (!subscription_id_.empty())
    params += (params.empty() ? "" : ",") + subscription_meta();
  std::string text;
  gateway::append_own_notification(text, method, params.empty() ? params : '{' + params + '}');
  return text;
}

std::string change_watch::acknowledgement() const {
  std::string honoured;
  json::object_writer members(honoured);
  for (const auto of : catalog::families)
    if (wanted_[index_of(of)])
      members.boolean(words_of(of).filter, true);
  members.end();
  return notification("notifications/subscriptions/acknowledged",
                      fmt::format(R"("notifications":{})", honoured));
}

std::string change_watch::farewell() const {
  return gateway::result_response(
      subscription_id_, fmt::format(R"({{"resultType":"complete",{}}})", subscription_meta()));
}

std::vector<std::string> change_watch::list_changes() {
  std::vector<std::string> due;
  const auto* const shown = on_.view(scope_);
  if (shown == nullptr)
    return due;
  std::array<bool, catalog::families.size()> changed{};
  for (const auto kind : catalog::list_kinds) {
    auto& told = told_[index_of(kind)];
    const auto now = shown->list(kind).fingerprint();
    changed[index_of(family_of(kind))] = changed[index_of(family_of(kind))] || now != told;
    told = now;
  }
  for (const auto of : catalog::families)
    if (changed[index_of(of)] && wanted_[index_of(of)])
      due.push_back(notification(words_of(of).notification, {}));
  return due;
}

} // namespace nexus::engine
