#include "catalog/virtual_view.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/text.hpp"
#include "catalog/changed_definition.hpp"
#include "catalog/names.hpp"
#include "catalog/tags.hpp"
#include "catalog/uri_template.hpp"
#include "catalog/view_builder.hpp"
#include "json/walk.hpp"

namespace nexus::catalog {
namespace {

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return patterns.empty() ||
         std::ranges::any_of(patterns, [&](const auto& glob) { return glob_match(glob, text); });
}

/// What the lists of a virtual MCP refer to beside the snapshot.
struct owned {
  config::vmcp_definition_ptr definition;
  std::deque<item_list_ptr> changed; ///< lists of one tool each
};

} // namespace

bool selects(const config::vmcp_selector& selector, const server_part& part, const item& tool) {
  if (!any_matches(selector.servers, part.name) || !any_matches(selector.tools, tool.name))
    return false;
  if (!selector.tags.empty() && !has_tag(part, tool, selector.tags))
    return false;
  if (!selector.read_only && !selector.destructive && !selector.idempotent && !selector.open_world)
    return true;
  const auto notes = json::find_member(
      {part.catalogue->list(list_kind::tools).definition(tool), json::kind::object}, "annotations");
  // What a tool does not say is as the protocol presumes: the worst.
  const auto holds = [&](const std::optional<bool>& wanted, std::string_view key, bool presumed) {
    const auto said = json::find_member(notes, key);
    return !wanted || *wanted == (said ? said.raw == "true" : presumed);
  };
  return holds(selector.read_only, "readOnlyHint", false) &&
         holds(selector.destructive, "destructiveHint", true) &&
         holds(selector.idempotent, "idempotentHint", false) &&
         holds(selector.open_world, "openWorldHint", true);
}

/// Builds what one virtual MCP shows.
class virtual_view_builder {
 public:
  virtual_view_builder(const snapshot& from, const config::vmcp_definition_ptr& definition,
                       const frozen_tools& found)
      : from_(from), definition_(*definition), found_(found), own_(std::make_shared<owned>()) {
    own_->definition = definition;
  }

  std::shared_ptr<const exposure> build() {
    auto out = std::make_shared<exposure>();
    out->lists_[index_of(list_kind::tools)] = tools();
    const auto& d = definition_;
    out->lists_[index_of(list_kind::prompts)] =
        chosen(list_kind::prompts, d.prompts, d.prompt_patterns);
    for (const auto kind : {list_kind::resources, list_kind::templates})
      out->lists_[index_of(kind)] = chosen(kind, d.resources, d.resource_patterns);
    const bool prompts = !d.prompts.empty() || !d.prompt_patterns.empty();
    const bool resources = !d.resources.empty() || !d.resource_patterns.empty();
    for (const auto& part : from_.servers()) {
      auto offers = snapshot::offers_of(part);
      if (!used_.contains(part.slot))
        continue;
      offers.prompts = offers.prompts && prompts;
      offers.resources = offers.resources && resources;
      out->offers_.merge(offers);
    }
    out->offers_.tools = true;
    out->capabilities_ = capabilities_of(out->offers_);
    out->modern_capabilities_ = capabilities_of(out->offers_, true);
    out->instructions_ = definition_.instructions;
    out->hints_ = usual_hints.text();
    out->owner_ = own_;
    out->slots_.assign(used_.begin(), used_.end());
    out->cover(definition_.surface, from_.servers());
    return out;
  }

 private:
  struct entry {
    const server_part* part;
    const item* what;
    const item_list* list; ///< null: the server's own
    const config::vmcp_item* change;
  };

  std::shared_ptr<const list_view> tools() {
    gather();
    std::map<std::string, std::size_t, std::less<>> uses;
    for (const auto& one : entries_)
      ++uses[bare_name(one.part->name, one.what->name)];
    auto view = std::make_shared<list_view>();
    auto hints = usual_hints;
    std::set<std::string> taken;
    for (const auto& one : entries_) {
      auto name = one.change != nullptr ? one.change->name : std::string();
      if (name.empty() && definition_.names == config::naming::bare)
        name = bare_name(one.part->name, one.what->name);
      if (name.empty() || (uses[name] > 1 && (one.change == nullptr || one.change->name.empty())))
        name = prefixed_name(one.part->name, one.what->name);
      if (!taken.insert(name).second) {
        name = aliased_name(one.part->name, one.what->name);
        if (!taken.insert(name).second)
          continue;
      }
      hints.merge(one.part->catalogue->list(list_kind::tools).hints());
      used_.insert(one.part->slot);
      view->add(std::move(name), *one.part, list_kind::tools, *one.what, one.list, one.change);
    }
    view->finish(hints);
    return view;
  }

  void gather() {
    for (const auto& wanted : definition_.tools) {
      const auto* const part = from_.server(wanted.server);
      const auto* const tool = part != nullptr && part->catalogue
                                   ? part->catalogue->list(list_kind::tools).find(wanted.own_name)
                                   : nullptr;
      if (tool != nullptr && seen_.emplace(part->slot, tool->name).second)
        entries_.push_back(changed(list_kind::tools, {part, tool, nullptr, &wanted}));
    }
    for (std::size_t i = 0; i < definition_.select.size(); ++i) {
      const auto& selector = definition_.select[i];
      if (!selector.query.empty()) {
        if (i < found_.size())
          for (const auto& [server, name] : found_[i])
            add_named(server, name);
        continue;
      }
      for (const auto& part : from_.servers())
        if (part.catalogue)
          for (const auto& tool : part.catalogue->tools())
            if (selects(selector, part, tool))
              add(part, tool);
    }
  }

  void add_named(std::string_view server, std::string_view name) {
    const auto* const part = from_.server(server);
    const auto* const tool = part != nullptr && part->catalogue
                                 ? part->catalogue->list(list_kind::tools).find(name)
                                 : nullptr;
    if (tool != nullptr)
      add(*part, *tool);
  }

  void add(const server_part& part, const item& tool) {
    const bool out = std::ranges::any_of(
        definition_.exclude, [&](const auto& selector) { return selects(selector, part, tool); });
    if (!out && seen_.emplace(part.slot, tool.name).second)
      entries_.push_back({&part, &tool, nullptr, nullptr});
  }

  /// The item as the definition wants it, with a list of its own when its text changes.
  entry changed(list_kind kind, entry one) {
    if (!changes_definition(kind, *one.change))
      return one;
    auto text = '[' +
                changed_definition(kind, one.part->catalogue->list(kind).definition(*one.what),
                                   *one.change) +
                ']';
    json::ensure_padding(text);
    json::scanner scanner;
    list_builder made(kind, usual_hints);
    const auto whole = scanner.validate(text);
    if (!whole || !made.add_page(*whole, scanner))
      return one;
    auto list = made.finish();
    if (list->items().empty())
      return one;
    one.what = list->items().data();
    one.list = list.get();
    own_->changed.push_back(std::move(list));
    return one;
  }

  /// Whether an entry of a merged list is what the definition names.
  [[nodiscard]] bool is_named(const list_view& all, std::size_t i,
                              const config::vmcp_item& wanted) const {
    if (wanted.server.empty())
      return all.name(i) == wanted.own_name;
    const auto* const part = from_.part(all.at(i).slot);
    return part != nullptr && part->name == wanted.server &&
           all.at(i).target->name == wanted.own_name;
  }

  /// Those that are named, in their order, and those that match. Each stands there once.
  std::shared_ptr<const list_view> chosen(list_kind kind,
                                          const std::vector<config::vmcp_item>& named,
                                          const std::vector<std::string>& patterns) {
    auto view = std::make_shared<list_view>();
    const auto& all = from_.all(kind);
    auto hints = usual_hints;
    std::set<const item*> seen;
    std::set<std::string, std::less<>> taken;
    const auto add_one = [&](std::size_t i, const config::vmcp_item* change) {
      const auto& to = all.at(i);
      const auto* const part = from_.part(to.slot);
      const bool renamed =
          change != nullptr && family_of(kind) != family::resources && !change->name.empty();
      std::string name(renamed ? std::string_view(change->name) : all.name(i));
      if (part == nullptr || seen.contains(to.target) || !taken.insert(name).second)
        return;
      seen.insert(to.target);
      entry one{part, to.target, nullptr, change};
      if (change != nullptr)
        one = changed(kind, one);
      hints.merge(part->catalogue->list(kind).hints());
      used_.insert(part->slot);
      view->add(std::move(name), *part, kind, *one.what, one.list, one.change);
    };
    for (const auto& wanted : named)
      for (std::size_t i = 0; i < all.size(); ++i)
        if (is_named(all, i, wanted))
          add_one(i, &wanted);
    for (std::size_t i = 0; i < all.size() && !patterns.empty(); ++i)
      if (any_matches(patterns, all.name(i)))
        add_one(i, nullptr);
    view->finish(hints);
    return view;
  }

  const snapshot& from_;
  const config::vmcp_definition& definition_;
  const frozen_tools& found_;
  std::shared_ptr<owned> own_;
  std::vector<entry> entries_;
  std::set<std::pair<std::uint32_t, std::string_view>> seen_;
  std::set<std::uint32_t> used_;
};

std::optional<std::uint32_t> listed_owner(const exposure& shown, std::string_view uri) {
  if (const auto* const listed = shown.list(list_kind::resources).find(uri))
    return listed->slot;
  if (uri.size() > limits::resource_uri_bytes_max)
    return std::nullopt;
  const auto& templates = shown.list(list_kind::templates);
  std::size_t work = 0;
  for (std::size_t i = 0; i < templates.size(); ++i) {
    const auto pattern = uri_template::parse(templates.name(i));
    work += pattern ? pattern->work(uri) : 0;
    if (work > limits::uri_match_work_max)
      return std::nullopt;
    if (pattern && pattern->matches(uri))
      return templates.at(i).slot;
  }
  return std::nullopt;
}

std::shared_ptr<const exposure> virtual_exposure(const snapshot& from,
                                                 const config::vmcp_definition_ptr& definition,
                                                 const frozen_tools& found) {
  return virtual_view_builder(from, definition, found).build();
}

} // namespace nexus::catalog
