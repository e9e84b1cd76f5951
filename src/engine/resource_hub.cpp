#include "engine/resource_hub.hpp"

#include <memory>
#include <utility>

#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

std::string refusal_object(mcp::errc code, std::string_view why) {
  std::string text;
  json::object_writer members(text);
  members.integer("code", mcp::json_rpc_code(code));
  members.string("message", why);
  members.end();
  return text;
}

} // namespace

resource_hub::resource_hub(worker& home, std::uint32_t slot) : home_(home), slot_(slot) {
  change_.set_action([this] { watch_again(); });
  // A server that says nothing may listen all the same.
  give_up_.set_action([this] { established(); });
  tell_.set_action([this] { tell(); });
}

void resource_hub::settle(subscription& of, const std::string& refusal) {
  for (auto& handler : std::exchange(of.waiting, {}))
    handler(refusal);
}

void resource_hub::add(const std::string& uri, std::uint64_t subscriber, answer_handler on_answer) {
  const bool known = wanted_.contains(uri);
  if (!known && wanted_.size() >= limits::subscribed_uris_per_server_max)
    return on_answer(refusal_object(mcp::errc::internal_error,
                                    "too many resources of this server are subscribed to"));
  if (link_ != nullptr && !link_->offers().subscribe)
    return on_answer(
        refusal_object(mcp::errc::method_not_found, "its server offers no subscriptions"));
  auto& entry = wanted_[uri];
  entry.subscribers.insert(subscriber);
  if (link_ == nullptr) {
    // The next link is asked, and nobody is kept waiting until then.
    entry.stands = true;
    const auto* const up = home_.find_upstream(slot_);
    if (up != nullptr && up->endpoint().state == server_state::idle)
      home_.shared().plane->server_wanted(slot_);
  }
  if (entry.stands)
    return on_answer({});
  entry.waiting.push_back(std::move(on_answer));
  if (link_->era() == mcp::era::modern) {
    watch_again();
  } else if (!known) {
    to_ask_.push_back(uri);
    ask_next();
  }
}

void resource_hub::remove(const std::string& uri, std::uint64_t subscriber) {
  const auto found = wanted_.find(uri);
  if (found == wanted_.end())
    return;
  auto& entry = found->second;
  entry.subscribers.erase(subscriber);
  if (!entry.subscribers.empty() || entry.asked)
    return; // its answer is waited for
  const bool asked_for = entry.stands;
  settle(entry, {});
  wanted_.erase(found);
  if (link_ == nullptr)
    return;
  if (link_->era() == mcp::era::modern) {
    // Nobody waits for this; those who come and go meanwhile cost nothing.
    if (!change_.armed())
      home_.reactor().arm(change_, limits::list_changed_coalesce);
  } else if (asked_for) {
    link_->unsubscribe(uri);
  }
}

void resource_hub::attach(server_link& link) {
  detach();
  link_ = &link;
  if (!link.offers().subscribe || wanted_.empty())
    return;
  if (link.era() == mcp::era::modern) {
    renewing_ = true;
    return watch_again();
  }
  for (const auto& [uri, entry] : wanted_)
    to_ask_.push_back(uri);
  ask_next();
}

void resource_hub::detach() {
  link_ = nullptr;
  to_ask_.clear();
  asked_ = 0;
  changing_ = change_again_ = renewing_ = false;
  change_.cancel();
  give_up_.cancel();
  std::vector<std::string> abandoned;
  for (auto& [uri, entry] : wanted_) {
    entry.asked = false;
    entry.stands = true; // the next link is asked, and what it agrees to comes as an update
    settle(entry, {});
    if (entry.subscribers.empty())
      abandoned.push_back(uri);
  }
  for (const auto& uri : abandoned)
    wanted_.erase(uri);
}

void resource_hub::ask_next() {
  while (link_ != nullptr && asked_ < limits::subscribe_requests_max && !to_ask_.empty()) {
    const auto uri = std::move(to_ask_.front());
    to_ask_.pop_front();
    const auto found = wanted_.find(uri);
    if (found == wanted_.end() || found->second.asked)
      continue;
    found->second.asked = true;
    ++asked_;
    link_->subscribe(uri, [this, uri, link = link_->generation()](const std::string& refusal) {
      if (link_ != nullptr && link_->generation() == link)
        on_answer(uri, refusal);
    });
  }
}

void resource_hub::on_answer(const std::string& uri, const std::string& refusal) {
  --asked_;
  if (const auto found = wanted_.find(uri); found != wanted_.end()) {
    auto& entry = found->second;
    const bool renewed = entry.stands;
    entry.asked = false;
    entry.stands = refusal.empty();
    settle(entry, refusal);
    if (entry.subscribers.empty()) {
      if (refusal.empty())
        link_->unsubscribe(uri);
      wanted_.erase(found);
    } else if (!refusal.empty() && !renewed) {
      wanted_.erase(found);
    } else if (renewed) {
      entry.stands = true; // refused now, it may be granted by the next link
      note_update(uri, uri);
    }
  }
  ask_next();
}

void resource_hub::watch_again() {
  if (link_ == nullptr)
    return;
  if (changing_) {
    change_again_ = true;
    return;
  }
  std::vector<std::string_view> uris;
  for (auto& [uri, entry] : wanted_) {
    uris.push_back(uri);
    entry.asked = true;
  }
  changing_ = !uris.empty();
  if (changing_)
    home_.reactor().arm(give_up_, limits::subscribe_timeout);
  link_->watch_resources(uris);
}

void resource_hub::established() {
  give_up_.cancel();
  changing_ = false;
  if (std::exchange(renewing_, false))
    missed();
  for (auto entry = wanted_.begin(); entry != wanted_.end();) {
    if (std::exchange(entry->second.asked, false)) {
      entry->second.stands = true;
      settle(entry->second, {});
    }
    const bool unwanted = entry->second.subscribers.empty();
    change_again_ = change_again_ || unwanted;
    entry = unwanted ? wanted_.erase(entry) : std::next(entry);
  }
  // Not at once: this may be the message of a stream that the next request ends.
  if (std::exchange(change_again_, false))
    home_.reactor().arm(change_, nanoseconds(0));
}

const std::string* resource_hub::subscribed_for(std::string_view uri) const {
  if (const auto found = wanted_.find(std::string(uri)); found != wanted_.end())
    return &found->first;
  // A server may name a part of what was subscribed to. @source MCP 2025-11-25 "resources"
  for (auto cut = uri.rfind('/'); cut != std::string_view::npos && cut > 0;
       cut = uri.rfind('/', cut - 1))
    for (const auto length : {cut + 1, cut})
      if (const auto found = wanted_.find(std::string(uri.substr(0, length)));
          found != wanted_.end())
        return &found->first;
  return nullptr;
}

void resource_hub::updated(std::string_view uri) {
  if (const auto* const subscribed = subscribed_for(uri))
    note_update(*subscribed, uri);
}

void resource_hub::note_update(const std::string& subscribed, std::string_view uri) {
  // Too many parts at once are told as the whole.
  const bool full = updates_.size() >= limits::subscribed_uris_per_server_max;
  updates_.emplace(full ? subscribed : std::string(uri), subscribed);
  if (!tell_.armed())
    home_.reactor().arm(tell_, limits::list_changed_coalesce);
}

void resource_hub::missed() {
  for (const auto& [uri, entry] : wanted_)
    note_update(uri, uri);
}

void resource_hub::tell() {
  const auto due =
      std::make_shared<const std::map<std::string, std::string>>(std::exchange(updates_, {}));
  home_.shared().post_to_all([slot = slot_, due](worker& w) {
    for (const auto& [uri, subscribed] : *due)
      w.tell_updated(slot, subscribed, uri);
  });
}

void subscribe_at_home(process& shared, std::uint32_t slot, std::string uri,
                       std::uint64_t subscriber, resource_hub::answer_handler on_answer) {
  shared.post(shared.home_of(slot), [slot, uri = std::move(uri), subscriber,
                                     on_answer = std::move(on_answer)](worker& home) mutable {
    if (auto* const up = home.find_upstream(slot))
      up->resources().add(uri, subscriber, std::move(on_answer));
    else
      on_answer(refusal_object(mcp::errc::internal_error,
                               "the server of this resource is being removed"));
  });
}

void unsubscribe_at_home(process& shared, std::uint32_t slot, std::string uri,
                         std::uint64_t subscriber) {
  shared.post(shared.home_of(slot), [slot, uri = std::move(uri), subscriber](worker& home) {
    if (auto* const up = home.find_upstream(slot))
      up->resources().remove(uri, subscriber);
  });
}

void end_subscriptions(process& shared, session& of) {
  for (auto& [uri, slot] : of.subscriptions.close())
    unsubscribe_at_home(shared, slot, uri, of.subscriber);
}

} // namespace nexus::engine
