/// server_link's lists: what the server offers, page by page, and what changes of it.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"
#include "engine/event_listener.hpp"
#include "engine/link_request.hpp"
#include "engine/server_link.hpp"
#include "engine/upstream.hpp"
#include "engine/worker.hpp"
#include "gateway/client_capabilities.hpp"
#include "gateway/render.hpp"
#include "mcp/error_table.hpp"
#include "json/write.hpp"

namespace nexus::engine {
namespace {

using catalog::family;
using catalog::index_of;
using catalog::list_kind;
using catalog::words_of;
using mcp::result_key;

/// The members of a server's capabilities that the gateway passes on.
class capability_visitor final : public json::visitor {
 public:
  explicit capability_visitor(const gateway::extension_list& known) : known_extensions_(known) {}

  catalog::offered offers;
  std::array<bool, catalog::families.size()> tells_changes{};
  std::string_view left_out; ///< an extension that is too large to pass on

  step on_key(unsigned depth, std::string_view key, json::kind) override {
    if (depth != 0)
      return step::take;
    inside_.reset();
    for (const auto of : catalog::families)
      if (key == words_of(of).capability)
        inside_ = of;
    offers.tools = offers.tools || key == "tools";
    offers.prompts = offers.prompts || key == "prompts";
    offers.resources = offers.resources || key == "resources";
    offers.completions = offers.completions || key == "completions";
    offers.logging = offers.logging || key == "logging";
    extensions_ = key == "extensions";
    return inside_ || extensions_ ? step::enter : step::take;
  }
  void on_member(unsigned depth, const json::member& found) override {
    if (depth == 1 && extensions_)
      return on_extension(found);
    if (depth != 1 || !inside_)
      return;
    if (found.key == "listChanged")
      tells_changes[index_of(*inside_)] = found.value.raw == "true";
    if (found.key == "subscribe" && *inside_ == family::resources)
      offers.subscribe = found.value.raw == "true";
  }

 private:
  void on_extension(const json::member& found) {
    if (found.key == gateway::tasks_extension)
      offers.tasks = true;
    if (!known_extensions_.passes(found.key))
      return;
    if (offers.extensions.size() + found.span.size() > limits::server_extensions_bytes_max) {
      left_out = found.span;
      return;
    }
    catalog::add_missing_members(offers.extensions, fmt::format("{{{}}}", found.span));
  }

  const gateway::extension_list& known_extensions_;
  std::optional<family> inside_;
  bool extensions_ = false;
};

/// What a server says about keeping its answer. @source MCP 2026-07-28 "caching": without hints, or
/// with malformed ones, nothing may be kept
catalog::cache_hints hints_in(const mcp::message& answer, mcp::era era) {
  if (era == mcp::era::legacy)
    return {limits::list_ttl_default.count(), false};
  const auto ttl = json::to_int64(answer.result[result_key::ttl_ms]);
  if (!ttl || *ttl < 0)
    return {0, true};
  return {std::min<std::int64_t>(*ttl, limits::list_ttl_max.count()),
          answer.result[result_key::cache_scope].raw != R"("public")"};
}

} // namespace

std::string server_link::outcome_text(const outcome& answer) {
  if (answer.message == nullptr)
    return answer.failure;
  if (answer.message->kind == mcp::message_kind::response)
    return "the answer has no such array";
  const auto& failure = answer.message->error;
  const auto text = failure[mcp::error_key::message];
  return fmt::format("{} ({})",
                     text.is(json::kind::string) ? json::unquote(text) : std::string("no message"),
                     failure[mcp::error_key::code].raw);
}

void server_link::learn(const mcp::message& answer) {
  const auto& result = answer.result;
  const auto keep = [&](result_key key) {
    return result[key].is(json::kind::object) ? std::string(result[key].raw) : std::string();
  };
  endpoint_->capabilities = keep(result_key::capabilities);
  endpoint_->server_info = keep(result_key::server_info);
  if (result[result_key::instructions].is(json::kind::string))
    known_.instructions = json::unquote(result[result_key::instructions]);
  known_.hints = hints_in(answer, endpoint_->era);
  if (endpoint_->server_info.empty() && result[result_key::meta].is(json::kind::object)) {
    named_member info("io.modelcontextprotocol/serverInfo");
    if (home_.scanner().scan_object(result[result_key::meta].raw, info))
      endpoint_->server_info = info.found.raw;
  }
  capability_visitor capabilities(home_.shared().extensions);
  if (endpoint_->capabilities.empty() ||
      !home_.scanner().scan_object(result[result_key::capabilities].raw, capabilities))
    return;
  if (!capabilities.left_out.empty())
    log::warn("server", "extension_left_out",
              {{"server", start_.settings->name},
               {"extension", capabilities.left_out.substr(0, 128)},
               {"reason", "the server's extensions are too large to be passed on"}});
  known_.offers = capabilities.offers;
  tells_changes_ = capabilities.tells_changes;
  // Legacy revisions have other tasks, which are not passed on.
  known_.offers.tasks = known_.offers.tasks && endpoint_->era == mcp::era::modern;
  endpoint_->logging = known_.offers.logging && endpoint_->era == mcp::era::legacy;
  endpoint_->resources = known_.offers.resources;
}

void server_link::begin_listing() {
  for (const auto kind : catalog::list_kinds)
    if (known_.offers.has(family_of(kind)))
      list(kind);
  come_up_when_listed();
}

void server_link::list(list_kind kind) {
  auto& listing = listings_[index_of(kind)];
  // What a branch would list is what the server's own link lists.
  if (ended_ || start_.as || !known_.offers.has(family_of(kind)))
    return;
  if (listing.builder) {
    listing.again = true;
    return;
  }
  const bool tools = kind == list_kind::tools;
  const auto& settings = *start_.settings;
  // A modern server's pages lower this.
  const auto& most =
      endpoint_->era == mcp::era::modern ? limits::list_ttl_max : limits::list_ttl_default;
  listing.builder = std::make_unique<catalog::list_builder>(
      kind, catalog::cache_hints{most.count(), false},
      tools ? settings.include_tools : std::vector<std::string>{},
      tools ? settings.exclude_tools : std::vector<std::string>{});
  // Over any other transport nobody repeats arguments in headers to this server.
  if (endpoint_->era == mcp::era::modern && !channel_)
    listing.builder->drop_wrong_headers();
  listing.pages = 0;
  request_page(kind, {});
}

void server_link::relist_tools(unique_function<void(catalog::item_list_ptr)> on_list) {
  tool_waiters_.push_back(std::move(on_list));
  if (ended_ || !known_.offers.tools)
    return tell_tool_waiters(nullptr);
  if (!listings_[index_of(list_kind::tools)].builder)
    list(list_kind::tools);
}

void server_link::tell_tool_waiters(const catalog::item_list_ptr& tools) {
  for (auto& waiter : std::exchange(tool_waiters_, {}))
    waiter(tools);
}

void server_link::list_everything() {
  for (const auto kind : catalog::list_kinds)
    list(kind);
}

void server_link::request_page(list_kind kind, std::string_view cursor) {
  request(words_of(kind).method, cursor.empty() ? "{}" : fmt::format(R"({{"cursor":{}}})", cursor),
          start_.settings->handshake_timeout,
          [this, kind](const outcome& answer) { on_page(kind, answer); });
}

void server_link::on_page(list_kind kind, const outcome& answer) {
  auto& listing = listings_[index_of(kind)];
  const bool good =
      answer.message != nullptr && answer.message->kind == mcp::message_kind::response;
  named_member entries(words_of(kind).array);
  if (good && answer.message->result.whole.is(json::kind::object))
    static_cast<void>(home_.scanner().scan_object(answer.message->result.whole.raw, entries));
  if (!entries.found.is(json::kind::array))
    return list_failed(kind, answer);
  static_cast<void>(listing.builder->add_page(entries.found, home_.scanner()));
  listing.builder->add_hints(hints_in(*answer.message, endpoint_->era));
  const auto next = answer.message->result[result_key::next_cursor];
  if (next.is(json::kind::string) && ++listing.pages < limits::list_pages_max &&
      !listing.builder->full())
    return request_page(kind, std::string(next.raw));
  finish_list(kind);
}

void server_link::list_failed(list_kind kind, const outcome& answer) {
  const auto reason = outcome_text(answer);
  if (kind == list_kind::tools)
    tell_tool_waiters(nullptr);
  listings_[index_of(kind)].builder.reset();
  if (!up_ && kind == list_kind::tools)
    return down("tools/list failed: " + reason);
  const auto code = answer.message == nullptr
                        ? result<std::int64_t>(0)
                        : json::to_int64(answer.message->error[mcp::error_key::code]);
  const bool unknown = code && *code == mcp::json_rpc_code(mcp::errc::method_not_found);
  if (unknown && kind == list_kind::prompts)
    known_.offers.prompts = false;
  // Many servers have resources but no templates.
  if (unknown && kind == list_kind::templates)
    log::debug("server", "no_templates", {{"server", start_.settings->name}});
  else
    log::warn(
        "server", up_ ? "relist_failed" : "list_failed",
        {{"server", start_.settings->name}, {"list", words_of(kind).method}, {"reason", reason}});
  list_settled(kind, !up_);
}

void server_link::finish_list(list_kind kind) {
  auto list = listings_[index_of(kind)].builder->finish();
  listings_[index_of(kind)].builder.reset();
  for (const auto& problem : list->problems())
    log::warn("server", "list_problem", {{"server", start_.settings->name}, {"problem", problem}});
  auto& known = known_.lists[index_of(kind)];
  const bool changed = !known->same_as(*list);
  if (changed || !up_)
    known = std::move(list);
  if (kind == list_kind::tools)
    tell_tool_waiters(known);
  list_settled(kind, changed);
}

void server_link::list_settled(list_kind kind, bool changed) {
  auto& listing = listings_[index_of(kind)];
  if (listing.again) {
    listing.again = false;
    home_.reactor().arm(listing.later, limits::list_changed_coalesce);
  }
  refresh_when_stale(kind);
  if (!up_)
    return come_up_when_listed();
  if (changed)
    home_.shared().plane->link_relisted(start_.slot, start_.link,
                                        std::make_shared<const catalog::server_catalogue>(known_));
}

void server_link::refresh_when_stale(list_kind kind) {
  // Legacy servers that do not tell changes have none, as far as anybody knows.
  if (endpoint_->era == mcp::era::legacy || tells_changes_[index_of(family_of(kind))])
    return;
  const milliseconds fresh(known_.list(kind).hints().ttl_ms);
  home_.reactor().arm(
      listings_[index_of(kind)].refresh,
      std::clamp<milliseconds>(fresh, limits::list_refresh_min, limits::list_refresh_max));
}

void server_link::come_up_when_listed() {
  if (listings_[index_of(list_kind::tools)].builder)
    return;
  const bool all = std::none_of(listings_.begin(), listings_.end(),
                                [](const auto& listing) { return listing.builder != nullptr; });
  if (all)
    return come_up();
  // Tools are not kept waiting for a long list of files; it follows as a change.
  if (!enough_waited_.armed())
    home_.reactor().arm(enough_waited_, limits::other_lists_wait);
}

void server_link::log_connected() const {
  const auto took = std::chrono::duration_cast<milliseconds>(home_.now() - started_).count();
  if (start_.as)
    return log::debug(
        "server", "session_opened",
        {{"server", start_.settings->name}, {"of", start_.as->key}, {"elapsed_ms", took}});
  const auto count = [this](list_kind kind) { return known_.list(kind).items().size(); };
  log::info("server", "connected",
            {{"server", start_.settings->name},
             {"era", mcp::to_string(endpoint_->era)},
             {"revision", mcp::to_string(endpoint_->revision)},
             {"tools", count(list_kind::tools)},
             {"prompts", count(list_kind::prompts)},
             {"resources", count(list_kind::resources) + count(list_kind::templates)},
             {"elapsed_ms", took}});
}

void server_link::come_up() {
  if (up_ || ended_)
    return;
  up_ = true;
  enough_waited_.cancel();
  handshake_deadline_.cancel();
  log_connected();
  home_.shared().plane->link_up(std::make_shared<const server_endpoint>(*endpoint_),
                                std::make_shared<const catalog::server_catalogue>(known_));
  listen_for_changes();
  if (auto* const up = home_.find_upstream(start_.slot))
    up->link_came_up();
}

bool server_link::on_list_changed(std::string_view method) {
  if (start_.as) {
    const bool about_lists =
        std::any_of(catalog::families.begin(), catalog::families.end(),
                    [&](family of) { return words_of(of).notification == method; });
    if (about_lists)
      home_.shared().post(home_.shared().home_of(start_.as->of),
                          [of = start_.as->of, method = std::string(method)](worker& home) {
                            auto* const up = home.find_upstream(of);
                            if (up != nullptr && up->link() != nullptr)
                              up->link()->on_list_changed(method);
                          });
    return about_lists;
  }
  bool known = false;
  for (const auto kind : catalog::list_kinds) {
    if (words_of(family_of(kind)).notification != method)
      continue;
    known = true;
    auto& listing = listings_[index_of(kind)];
    if (listing.builder)
      listing.again = true;
    else if (up_ && !listing.later.armed())
      home_.reactor().arm(listing.later, limits::list_changed_coalesce);
  }
  return known;
}

std::string server_link::listen_request(std::int64_t id, std::string_view filter,
                                        std::string_view capabilities) {
  std::string message;
  gateway::append_own_request(message, "subscriptions/listen", id,
                              fmt::format(R"({{"notifications":{}}})", filter), mcp::era::modern,
                              capabilities);
  return message;
}

void server_link::listen_for_changes() {
  if (endpoint_->era == mcp::era::modern) {
    std::string filter;
    json::object_writer members(filter);
    for (const auto of : catalog::families)
      if (known_.offers.has(of) && tells_changes_[index_of(of)])
        members.boolean(words_of(of).filter, true);
    members.end();
    if (filter == "{}")
      return;
    const auto message = listen_request(home_.next_downstream_id(), filter,
                                        home_.shared().extensions.own_capabilities());
    if (channel_)
      return channel_->send(message);
    listener_ = std::make_unique<event_listener>(*this, home_, *pool_,
                                                 post_text(message, "subscriptions/listen"));
  } else if (!channel_) {
    listener_ = std::make_unique<event_listener>(*this, home_, *pool_,
                                                 get_head(*target_, *endpoint_) + "\r\n");
  }
}

} // namespace nexus::engine
