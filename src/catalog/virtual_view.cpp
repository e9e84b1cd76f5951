#include "catalog/virtual_view.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/text.hpp"
#include "catalog/names.hpp"
#include "catalog/tags.hpp"
#include "catalog/view_builder.hpp"
#include "json/walk.hpp"
#include "json/write.hpp"

namespace nexus::catalog {
namespace {

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return patterns.empty() ||
         std::ranges::any_of(patterns, [&](const auto& glob) { return glob_match(glob, text); });
}

/// `"key":value` for each member, with commas.
class members {
 public:
  void add(std::string_view key, std::string_view json) {
    if (!text_.empty())
      text_ += ',';
    json::append_string(text_, key);
    text_.append(1, ':').append(json);
  }
  [[nodiscard]] std::string object() const { return '{' + text_ + '}'; }

 private:
  std::string text_;
};

/// The schema without the arguments that the model does not give.
std::string hide_arguments(json::slice schema, const std::set<std::string, std::less<>>& hidden) {
  members out;
  for (json::member_walk m(schema); m.next();) {
    if (m.key() == "properties" && m.value().is(json::kind::object)) {
      members kept;
      for (json::member_walk property(m.value()); property.next();)
        if (!hidden.contains(property.key()))
          kept.add(property.key(), property.value().raw);
      out.add("properties", kept.object());
    } else if (m.key() == "required" && m.value().is(json::kind::array)) {
      std::string kept = "[";
      for (json::element_walk name(m.value()); name.next();)
        if (!name.value().is(json::kind::string) || !hidden.contains(json::unquote(name.value())))
          kept.append(kept.size() == 1 ? "" : ",").append(name.value().raw);
      out.add("required", kept + ']');
    } else {
      out.add(m.key(), m.value().raw);
    }
  }
  return out.object();
}

std::string changed_definition(std::string_view definition, const config::vmcp_tool& change) {
  std::set<std::string, std::less<>> hidden;
  for (const auto* const text : {&change.fixed, &change.defaults})
    for (json::member_walk m({*text, text->empty() ? json::kind::absent : json::kind::object});
         m.next();)
      hidden.emplace(m.key());
  members out;
  bool title = change.title.empty(), description = change.description.empty();
  const auto quoted = [](std::string_view text) {
    std::string written;
    json::append_string(written, text);
    return written;
  };
  for (json::member_walk m({definition, json::kind::object}); m.next();) {
    if (m.key() == "title" && !title) {
      out.add("title", quoted(change.title));
      title = true;
    } else if (m.key() == "description" && !description) {
      out.add("description", quoted(change.description));
      description = true;
    } else if (m.key() == "inputSchema" && m.value().is(json::kind::object) && !hidden.empty()) {
      out.add("inputSchema", hide_arguments(m.value(), hidden));
    } else {
      out.add(m.key(), m.value().raw);
    }
  }
  if (!title)
    out.add("title", quoted(change.title));
  if (!description)
    out.add("description", quoted(change.description));
  return out.object();
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
    out->lists_[index_of(list_kind::prompts)] = matching(list_kind::prompts, definition_.prompts);
    out->lists_[index_of(list_kind::resources)] =
        matching(list_kind::resources, definition_.resources);
    out->lists_[index_of(list_kind::templates)] =
        matching(list_kind::templates, definition_.resources);
    for (const auto& part : from_.servers()) {
      auto offers = snapshot::offers_of(part);
      if (!used_.contains(part.slot))
        continue;
      offers.prompts = offers.prompts && !definition_.prompts.empty();
      offers.resources = offers.resources && !definition_.resources.empty();
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
    const item* tool;
    const item_list* list;
    const config::vmcp_tool* change;
  };

  std::shared_ptr<const list_view> tools() {
    gather();
    std::map<std::string, std::size_t, std::less<>> uses;
    for (const auto& one : entries_)
      ++uses[bare_name(one.part->name, one.tool->name)];
    auto view = std::make_shared<list_view>();
    auto hints = usual_hints;
    std::set<std::string> taken;
    for (const auto& one : entries_) {
      auto name = one.change != nullptr ? one.change->name : std::string();
      if (name.empty() && definition_.names == config::naming::bare)
        name = bare_name(one.part->name, one.tool->name);
      if (name.empty() || (uses[name] > 1 && (one.change == nullptr || one.change->name.empty())))
        name = prefixed_name(one.part->name, one.tool->name);
      if (!taken.insert(name).second) {
        name = aliased_name(one.part->name, one.tool->name);
        if (!taken.insert(name).second)
          continue;
      }
      hints.merge(one.part->catalogue->list(list_kind::tools).hints());
      used_.insert(one.part->slot);
      view->add(std::move(name), *one.part, list_kind::tools, *one.tool, one.list, one.change);
    }
    view->finish(hints);
    return view;
  }

  void gather() {
    for (const auto& wanted : definition_.tools) {
      const auto* const part = from_.server(wanted.server);
      const auto* const tool = part != nullptr && part->catalogue
                                   ? part->catalogue->list(list_kind::tools).find(wanted.tool)
                                   : nullptr;
      if (tool != nullptr && seen_.emplace(part->slot, tool->name).second)
        entries_.push_back(changed({part, tool, nullptr, &wanted}));
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

  /// The tool as the definition wants it, with a list of its own when its text changes.
  entry changed(entry one) {
    const auto& change = *one.change;
    if (change.title.empty() && change.description.empty() && change.fixed.empty() &&
        change.defaults.empty())
      return one;
    auto text = '[' +
                changed_definition(
                    one.part->catalogue->list(list_kind::tools).definition(*one.tool), change) +
                ']';
    json::ensure_padding(text);
    json::scanner scanner;
    list_builder made(list_kind::tools, usual_hints);
    const auto whole = scanner.validate(text);
    if (!whole || !made.add_page(*whole, scanner))
      return one;
    auto list = made.finish();
    if (list->items().empty())
      return one;
    one.tool = list->items().data();
    one.list = list.get();
    own_->changed.push_back(std::move(list));
    return one;
  }

  std::shared_ptr<const list_view> matching(list_kind kind,
                                            const std::vector<std::string>& patterns) {
    auto view = std::make_shared<list_view>();
    const auto& all = from_.all(kind);
    auto hints = usual_hints;
    for (std::size_t i = 0; i < all.size() && !patterns.empty(); ++i) {
      const auto* const part = from_.part(all.at(i).slot);
      if (part == nullptr || !any_matches(patterns, all.name(i)))
        continue;
      hints.merge(part->catalogue->list(kind).hints());
      used_.insert(part->slot);
      view->add(std::string(all.name(i)), *part, kind, *all.at(i).target);
    }
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

std::shared_ptr<const exposure> virtual_exposure(const snapshot& from,
                                                 const config::vmcp_definition_ptr& definition,
                                                 const frozen_tools& found) {
  return virtual_view_builder(from, definition, found).build();
}

} // namespace nexus::catalog
